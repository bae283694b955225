import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it, and gives the first that was not there. (Node's own way never ends in /proc, which
 * says of a folder that is there that it is not.)
 */
export async function makeFolder(path: string, mode?: number): Promise<string | undefined> {
  const there = async () => (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  if (await there()) return undefined;
  const above = dirname(path) === path ? undefined : await makeFolder(dirname(path), mode);
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (await there()) return above; // someone else was faster
    const failure = error as NodeJS.ErrnoException;
    if (failure.code !== "EEXIST") throw failure;
    // a file, or a link that leads nowhere or round in a circle
    const code = await stat(path).then(
      () => "ENOTDIR",
      (reason: NodeJS.ErrnoException) => reason.code,
    );
    throw Object.assign(failure, { code });
  }
  return above ?? path;
}
