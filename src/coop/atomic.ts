import { oneLine } from "../clip/bytes.ts";
import { InputError } from "../tensor/errors.ts";
import { quoted } from "./walk.ts";

const DAY = 24 * 60 * 60 * 1000;

/** What is written into a file, whole or piece by piece. */
export type Content = Uint8Array | string | AsyncIterable<Uint8Array>;

/**
 * Writes a file whole or not at all: into a new file beside it, flushed to the disk, then renamed over it. Whatever
 * fails, what was there before is still there. A link is replaced, not followed: a folder of others may hold any. InputError
 * if the place cannot be written, or is no plain file: nothing may take the place of /dev/null.
 *
 * @example await writeFileAtomic("results.json", JSON.stringify(results));
 */
export async function writeFileAtomic(path: string, content: Content): Promise<void> {
  const { rename, rm } = await import("node:fs/promises");
  const { basename, dirname, resolve } = await import("node:path");
  await checkFilePlace(path);
  const target = resolve(path);
  const temporary = temporaryName(target);
  await sweep(dirname(target), basename(target));
  try {
    await writeNew(temporary, content);
    await rename(temporary, target);
    await flushFolder(dirname(target));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw unwritable(path, error as NodeJS.ErrnoException);
  }
}

/**
 * Refuses a place that no file can be written to: a folder, a device, or what lies where nothing can be written. To be called
 * before the work begins; `writeFileAtomic` asks again at its end.
 *
 * @example await checkFilePlace("report.html");
 */
export async function checkFilePlace(path: string): Promise<void> {
  const { access, constants, stat } = await import("node:fs/promises");
  const { dirname, resolve } = await import("node:path");
  const refuse = (error: NodeJS.ErrnoException) => Promise.reject(unwritable(path, error));
  await access(dirname(resolve(path)), constants.W_OK).catch(refuse);
  const found = await stat(path).catch((error) => (/ENOENT|ELOOP/.test(error.code) ? undefined : refuse(error)));
  if (found?.isDirectory()) await refuse(Object.assign(new Error(), { code: "EISDIR" }));
  if (found && !found.isFile()) throw new InputError(`${oneLine(path)} is not a plain file. Choose another name.`);
}

/**
 * Refuses a folder that a run cannot be written to: one that holds anything, a file, or the folder one is in. To be
 * called before the work begins; `writeRunFolder` asks again at its end.
 *
 * @param ignored names of what may lie there
 * @example await checkRunFolder("runs/pets"); // before an hour of training, not after it
 */
export async function checkRunFolder(out: string, ignored?: RegExp): Promise<void> {
  const { readdir, realpath, stat } = await import("node:fs/promises");
  const found = await readdir(out).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    if (error.code === "ENOTDIR" && (await stat(out).catch(() => undefined)))
      throw new InputError(`${oneLine(out)} is a file. Choose another --out.`);
    throw unwritable(out, error);
  });
  if (found === undefined) return;
  const entries = found.filter((name) => !ignored?.test(name));
  if (entries.length > 0) {
    const isRun = entries.includes("adapter_config.json");
    const what = isRun ? "holds another run of coop" : `is not empty: it holds ${quoted(entries.sort())}`;
    throw new InputError(`${oneLine(out)} ${what}. Choose another --out, or delete that folder first.`);
  }
  if ((await realpath(out)) === (await realpath(".")))
    throw new InputError(`${oneLine(out)} is the folder you are in. Choose a new folder within it as --out.`);
}

/**
 * Writes the files of a run as one new folder: into a temporary folder beside `out`, flushed to the disk, then renamed,
 * so that `out` holds all of them or does not exist. InputError, and nothing changed, if `out` holds anything already.
 *
 * @example await writeRunFolder("runs/pets", runFiles({ config, context, epochs, splits, readme, report }));
 */
export async function writeRunFolder(out: string, files: ReadonlyMap<string, Uint8Array | string>): Promise<void> {
  for (const name of files.keys())
    if (!/^[\w][\w.-]*$/.test(name)) throw new InputError(`"${oneLine(name)}" cannot be the name of a run's file.`);
  await checkRunFolder(out);
  const { mkdir, realpath, rename, rm, rmdir } = await import("node:fs/promises");
  const { basename, dirname, join, resolve } = await import("node:path");
  const { makeFolder } = await import("../tensor/folder-node.ts");
  const target = await realpath(out).catch(() => resolve(out)); // an empty folder may be reached by a link
  const temporary = temporaryName(target);
  try {
    await makeFolder(dirname(target));
    await sweep(dirname(target), basename(target));
    await mkdir(temporary);
    for (const [name, content] of files) await writeNew(join(temporary, name), content);
    await flushFolder(temporary);
    if (process.platform === "win32") await rmdir(target).catch(() => {}); // there, even an empty folder is in the way
    await rename(temporary, target);
    await flushFolder(dirname(target));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTEMPTY" || code === "EEXIST") await checkRunFolder(out); // someone else was faster
    throw unwritable(out, error as NodeJS.ErrnoException);
  }
}

const temporaryName = (target: string): string => {
  const tail = Math.floor(Math.random() * 2 ** 32).toString(16);
  return `${target}.tmp-${process.pid}-${tail}`;
};

async function writeNew(path: string, content: Content): Promise<void> {
  const { open } = await import("node:fs/promises");
  const file = await open(path, "wx");
  try {
    const whole = typeof content === "string" || content instanceof Uint8Array;
    for await (const piece of whole ? [content] : content) await file.writeFile(piece);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes a rename in a folder last through a power cut. Windows cannot open folders, and need not. */
async function flushFolder(path: string): Promise<void> {
  const { open } = await import("node:fs/promises");
  const folder = await open(path, "r").catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}

/** Deletes what a killed process left of `name` in `folder`: temporaries over a day old whose process is gone. */
async function sweep(folder: string, name: string): Promise<void> {
  const { readdir, rm, stat } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const { isAlive } = await import("../clip/processes-node.ts");
  for (const entry of await readdir(folder).catch(() => [])) {
    const pid = entry.startsWith(`${name}.tmp-`) && /^(\d+)-[0-9a-f]{1,8}$/.exec(entry.slice(name.length + 5))?.[1];
    if (!pid || (await isAlive(Number(pid)))) continue;
    const path = join(folder, entry);
    const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Number.NaN }))).mtimeMs;
    if (age > DAY) await rm(path, { recursive: true, force: true });
  }
}

/** What failed in writing to a path, in words of what to do. */
export function unwritable(path: string, error: Error & { readonly code?: string }): Error {
  const why: Record<string, string> = {
    ENOSPC: "the disk is full. Free some space or choose another place.",
    EFBIG: "the file is too large for that place. Choose another place.",
    EDQUOT: "your share of the disk is used up. Free some space or choose another place.",
    EACCES: "writing there is not permitted. Choose another place.",
    EPERM: "writing there is not permitted. Choose another place.",
    EROFS: "that disk is read-only. Choose another place.",
    ENOENT: "there is no such folder. Check the path.",
    ENOTDIR: "a part of the path is a file, not a folder. Check the path.",
    ELOOP: "it is a loop of symbolic links. Choose another place.",
    EISDIR: "it is a folder. Choose another name.",
    EBUSY: "it is in use. Choose a new folder within it or another place.",
    ENAMETOOLONG: "the name is too long.",
  };
  if (error.code === undefined) return error;
  return new InputError(`${oneLine(path)}: ${why[error.code] ?? error.message}`, { cause: error });
}
