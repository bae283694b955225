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

/** Ends the name of a lock that is only asked for. */
const CLAIM = "~";
/** Milliseconds to wait for others that claim the same place; more than any of them takes that is not stopped. */
const PATIENCE = 10_000;
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
 * Each process first puts down a claim, whose name tells who it is, and looks around. One that sees a lock gives up. Of
 * several claims the smallest name waits for the others, which step back and come again; so of those that come at once
 * one gets it, and all others are told which. Nothing has to be read, so no lock is ever half written; those of dead
 * processes are removed.
 */
async function take(prefix: string, name: string): Promise<Lock> {
  const { rm, rmdir, writeFile } = await import("node:fs/promises");
  const { hostname } = await import("node:os");
  const { dirname, resolve } = await import("node:path");
  const { makeFolder } = await import("../tensor/folder-node.ts");
  const path = resolve(prefix);
  const own = `${path}-${process.pid}-${await startOf(process.pid)}-${hostname().replace(/[^\w.-]/g, "_")}`;
  if (held.has(own)) throw taken(name, { who: `process ${process.pid}`, lock: own });
  held.add(own);
  let made: string | undefined;
  const release = async () => {
    held.delete(own);
    for (const file of [own, own + CLAIM]) await rm(file, { force: true }).catch(() => {}); // the next one removes it
    if (made !== undefined) await rmdir(dirname(path)).catch(() => {});
  };
  try {
    await removeAtExit();
    const refuse = (error: NodeJS.ErrnoException) => Promise.reject(unwritable(name, error));
    made = await makeFolder(dirname(path)).catch(refuse);
    for (const until = performance.now() + PATIENCE; ; await sleep(20 + 80 * Math.random())) {
      await writeFile(own + CLAIM, "").catch(refuse);
      // twice, since a folder is not listed in one moment: a lock is there before its claim goes
      const others = [...(await ownersBeside(path, own)), ...(await ownersBeside(path, own))];
      if (others.length === 0) break;
      const locked = others.find(({ claim }) => !claim) ?? (performance.now() > until ? others[0] : undefined);
      if (locked) throw taken(name, locked);
      if (others.some(({ lock }) => lock < own)) await rm(own + CLAIM, { force: true });
    }
    await writeFile(own, "").catch(refuse);
    await rm(own + CLAIM, { force: true });
  } catch (error) {
    await release();
    throw error;
  }
  return { release };
}

const taken = (name: string, { who, lock }: { who: string; lock: string }) =>
  new InputError(
    `${oneLine(name)}: ${who} works there. Wait for it, or choose another place. (If that is no coop, delete ${oneLine(lock)}.)`,
  );

interface Owner {
  readonly who: string;
  readonly lock: string;
  readonly claim: boolean;
}

/** Other processes with a lock or a claim there that live, or are of another machine, where none can ask about them. */
async function ownersBeside(path: string, own: string): Promise<Owner[]> {
  const { readdir, rm } = await import("node:fs/promises");
  const { basename, dirname, join } = await import("node:path");
  const begin = basename(path).slice(0, -"lock".length);
  const host = own.slice(path.length).split("-").slice(3).join("-");
  const owners: Owner[] = [];
  for (const entry of await readdir(dirname(path))) {
    const [, pid, began, rest] = (entry.startsWith(begin) && LOCK.exec(entry.slice(begin.length))) || [];
    const lock = join(dirname(path), entry);
    if (pid === undefined || lock === own + CLAIM) continue;
    const claim = rest.endsWith(CLAIM);
    const where = claim ? rest.slice(0, -CLAIM.length) : rest;
    if (where !== host) owners.push({ who: `process ${pid} of the machine ${oneLine(where)}`, lock, claim });
    else if (await isAlive(Number(pid), began)) owners.push({ who: `process ${pid}`, lock, claim });
    else await rm(lock, { force: true });
  }
  return owners;
}

let listening = false;

/** So that a program that ends by `process.exit` leaves no lock behind. */
async function removeAtExit(): Promise<void> {
  if (listening) return;
  listening = true;
  const { rmSync } = await import("node:fs");
  process.on("exit", () => {
    for (const path of held) for (const file of [path, path + CLAIM]) rmSync(file, { force: true });
  });
}
