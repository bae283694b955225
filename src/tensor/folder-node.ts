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
    const isFile = (error as NodeJS.ErrnoException).code === "EEXIST";
    throw isFile ? Object.assign(error as Error, { code: "ENOTDIR" }) : error;
  }
  return above ?? path;
}
