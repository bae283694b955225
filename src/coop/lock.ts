import { oneLine } from "../clip/bytes.ts";
import { sleep } from "../clip/patience.ts";
import { isAlive, startOf } from "../clip/processes-node.ts";
import { InputError } from "../tensor/errors.ts";
import { unwritable } from "./atomic.ts";

/** What a process has taken for itself. */
export interface Lock {
  /** Gives it back, and removes its folder where that was made for it and is empty. */
  release(): Promise<void>;
}

/** Names of locks in a folder that was taken by `lockFolder`. */
export const LOCK = /^lock-(\d+)-(\d*)-(.*)$/;

const TRIES = 4;
const held = new Set<string>();

/**
 * Takes a folder for this process, and makes it where there is none.
 *
 * @throws InputError that names the process that has it
 * @example const lock = await lockFolder("runs/shots"); // … await lock.release()
 */
export async function lockFolder(dir: string, name = dir): Promise<Lock> {
  const { join } = await import("node:path");
  return take(join(dir, "lock"), name);
}

/** Takes a file for this process: its lock lies beside it. InputError that names the process that has it. */
export const lockFile = (path: string): Promise<Lock> => take(`${path}.lock`, path);

/**
 * Each process puts down a file of its own, whose name tells who it is, then looks for others': one that finds another
 * takes its own away. Nothing has to be read, so no lock is ever half written; those of dead processes are removed.
 */
async function take(prefix: string, name: string): Promise<Lock> {
  const { mkdir, rm, rmdir, writeFile } = await import("node:fs/promises");
  const { hostname } = await import("node:os");
  const { dirname, resolve } = await import("node:path");
  const path = resolve(prefix);
  const own = `${path}-${process.pid}-${await startOf(process.pid)}-${hostname().replace(/[^\w.-]/g, "_")}`;
  const refuse = (error: NodeJS.ErrnoException) => Promise.reject(unwritable(name, error));
  const made = await mkdir(dirname(path), { recursive: true }).catch(refuse);
  for (let tries = 1; ; tries++) {
    if (!held.has(own)) await writeFile(own, "").catch(refuse);
    const other = await otherOwner(path, own);
    if (other === undefined) break;
    if (!held.has(own)) await rm(own, { force: true });
    if (tries === TRIES)
      throw new InputError(
        `${oneLine(name)}: ${other.who} works there. Wait for it, or choose another place. (If that is no coop, delete ${oneLine(other.lock)}.)`,
      );
    await sleep(100 * Math.random()); // two that came at once have both stepped back
  }
  await removeAtExit();
  held.add(own);
  return {
    async release() {
      held.delete(own);
      await rm(own, { force: true });
      if (made !== undefined) await rmdir(dirname(path)).catch(() => {});
    },
  };
}

/** Another process that has a lock there, if it lives or is of another machine, where none can ask about it. */
async function otherOwner(path: string, own: string): Promise<{ who: string; lock: string } | undefined> {
  const { readdir, rm } = await import("node:fs/promises");
  const { basename, dirname, join } = await import("node:path");
  const begin = basename(path).slice(0, -"lock".length);
  const host = own.slice(path.length).split("-").slice(3).join("-");
  for (const entry of await readdir(dirname(path))) {
    const [, pid, began, where] = (entry.startsWith(begin) && LOCK.exec(entry.slice(begin.length))) || [];
    const lock = join(dirname(path), entry);
    if (pid === undefined || (lock === own && !held.has(own))) continue;
    if (where !== host) return { who: `process ${pid} of the machine ${oneLine(where)}`, lock };
    if (await isAlive(Number(pid), began)) return { who: `process ${pid}`, lock };
    await rm(lock, { force: true });
  }
  return undefined;
}

let listening = false;

/** So that a second Ctrl-C leaves no lock behind. */
async function removeAtExit(): Promise<void> {
  if (listening) return;
  listening = true;
  const { rmSync } = await import("node:fs");
  process.on("exit", () => {
    for (const path of held) rmSync(path, { force: true });
  });
}
