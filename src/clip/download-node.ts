import { FormatError } from "../tensor/errors.ts";
import { makeFolder } from "../tensor/folder-node.ts";
import { fileBytes } from "./bytes.ts";
import { type Delivery, receive, type Sink } from "./download.ts";
import { PageError, shown } from "./http.ts";
import { unwritable } from "./hub-cache-node.ts";
import { sleep } from "./patience.ts";
import { sha256 as hashOf } from "./read-file.ts";

/** A file to be fetched to a place on disk. */
export interface FileDelivery extends Delivery {
  /** In hexadecimal; what has another one is deleted. */
  readonly sha256?: string;
  /** Whether the file is there already, asked again when it is this process's turn. */
  isThere(): Promise<boolean>;
}

/**
 * Fetches a file to `target`, which is then there whole and checked, or not at all. A part that an earlier try left in
 * `<target>.coop.incomplete` is continued. Of several processes one fetches and the others wait.
 *
 * @throws what `receive` does; FormatError for another SHA-256; InputError where the place cannot be written
 */
export async function download(target: string, delivery: FileDelivery): Promise<void> {
  const { rename, rm, stat } = await import("node:fs/promises");
  const { dirname } = await import("node:path");
  const part = `${target}.coop.incomplete`;
  let release: (() => Promise<void>) | undefined;
  try {
    await makeFolder(dirname(target));
    release = await lock(`${target}.coop.lock`, delivery.signal);
    if (await delivery.isThere()) return;
    const adopted = await fetchPart(part, delivery);
    let hash = delivery.sha256 && (await fileHash(part));
    if (hash !== delivery.sha256 && adopted) {
      await rm(part, { force: true });
      await fetchPart(part, delivery);
      hash = await fileHash(part);
    }
    if (hash !== delivery.sha256)
      throw new FormatError(
        `${shown(delivery.url)}: what came has the SHA-256 ${hash}, but the file's is ${delivery.sha256}; it was deleted. Try again later`,
      );
    await rename(part, target);
    await flush(dirname(target));
  } catch (error) {
    // a page came in place of the file, not into what there was of it
    const { size } = await stat(part).catch(() => ({ size: 0 }));
    if (error instanceof FormatError && !(error instanceof PageError && size > 0)) await rm(part, { force: true });
    throw unwritable(target, error);
  } finally {
    await release?.();
  }
}

async function fileHash(path: string): Promise<string> {
  const file = await fileBytes(path);
  try {
    return await hashOf(file);
  } finally {
    await file.close();
  }
}

/** Fetches what is missing of a part; whether there was something to begin with. */
async function fetchPart(path: string, delivery: Delivery): Promise<boolean> {
  const { open } = await import("node:fs/promises");
  const file = await open(path, "r+").catch(() => open(path, "w+"));
  try {
    const before = (await file.stat()).size;
    const sink: Sink & { length: number } = {
      length: before,
      async write(bytes) {
        for (let done = 0; done < bytes.length; )
          done += (await file.write(bytes, done, bytes.length - done, this.length + done)).bytesWritten;
        this.length += bytes.length;
      },
      async restart() {
        await file.truncate(0);
        this.length = 0;
      },
      async head() {
        const { buffer, bytesRead } = await file.read(new Uint8Array(64), 0, 64, 0);
        return buffer.subarray(0, bytesRead);
      },
    };
    await receive(delivery, sink);
    await file.sync();
    return before > 0;
  } finally {
    await file.close();
  }
}

async function flush(folder: string): Promise<void> {
  const { open } = await import("node:fs/promises");
  const handle = await open(folder, "r").catch(() => undefined); // Windows cannot open folders, and need not
  await handle?.sync().catch(() => {});
  await handle?.close();
}

const HEARTBEAT = 5_000;
const STALE = 60_000;
/** For a lock without a name: its owner ended between making it and writing into it. */
const NAMELESS = 2_000;

/** Takes a lock: a file that names its owner, and that the owner touches while it works. */
async function lock(path: string, signal?: AbortSignal): Promise<() => Promise<void>> {
  const { rm, utimes, writeFile } = await import("node:fs/promises");
  const { hostname } = await import("node:os");
  const { startOf } = await import("./processes-node.ts");
  const mine = `${hostname()} ${process.pid} ${await startOf(process.pid)} ${Math.random()}`;
  let watched: Watched | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const taken = await writeFile(path, mine, { flag: "wx" }).then(
      () => true,
      (error: NodeJS.ErrnoException) => (error.code === "EEXIST" ? false : Promise.reject(error)),
    );
    if (taken) {
      const beat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), HEARTBEAT);
      beat.unref();
      return async () => {
        clearInterval(beat);
        await rm(path, { force: true });
      };
    }
    watched = await watch(path, watched);
    if (watched && !(await isStale(watched))) await sleep(100, signal);
    else if (watched) await breakLock(path, watched.owner);
  }
}

/** A lock that another process has, as it was when it last changed. */
interface Watched {
  readonly owner: string;
  readonly touched: number;
  /** When that was first seen, by a clock that nobody sets. */
  readonly since: number;
}

async function watch(path: string, before: Watched | undefined): Promise<Watched | undefined> {
  const { readFile, stat } = await import("node:fs/promises");
  const info = await stat(path).catch(() => undefined);
  const owner = await readFile(path, "utf8").catch(() => undefined);
  if (!info || owner === undefined) return undefined;
  if (before?.owner === owner && before.touched === info.mtimeMs) return before;
  return { owner, touched: info.mtimeMs, since: performance.now() };
}

/** Whether the owner is gone: not among this machine's processes, or silent for long. */
async function isStale({ owner, since }: Watched): Promise<boolean> {
  const { hostname } = await import("node:os");
  const { isAlive } = await import("./processes-node.ts");
  const [host, pid, began] = owner.split(" ");
  if (host === hostname() && Number(pid) > 0 && !(await isAlive(Number(pid), began))) return true;
  return performance.now() - since > (owner === "" ? NAMELESS : STALE);
}

async function breakLock(path: string, owner: string): Promise<void> {
  const { link, readFile, rename, rm } = await import("node:fs/promises");
  const aside = `${path}.${process.pid}`;
  await rename(path, aside).catch(() => {});
  // between reading and renaming someone else may have broken the lock and taken it
  if ((await readFile(aside, "utf8").catch(() => owner)) !== owner) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}
