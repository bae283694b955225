import { memoryBytes } from "../clip/bytes.ts";
import { openSafetensors, writeSafetensors } from "../clip/index.ts";
import { writeFileAtomic } from "./atomic.ts";

/** Features that were computed before, by the SHA-256 of what they were computed from. */
export interface FeatureCache {
  /** The features of a key (64 hexadecimal digits); undefined where they are not known. Not to be written to. */
  get(key: string): Float32Array | undefined;
  put(key: string, features: Float32Array): void;
  /** Writes what was put since the last time. A place that cannot be written is no error: nothing is kept then. */
  save(): Promise<void>;
}

/** More bytes than this are not kept: the files that were not used for the longest time go first. */
export const CACHE_BYTES = 2 ** 30;

const SEGMENT = /^[0-9a-f]{64}\.safetensors$/;
const MOST_SEGMENTS = 16;
const DAY = 24 * 60 * 60 * 1000;

/** Where features are kept: `$COOP_CACHE`, else `coop` in `$XDG_CACHE_HOME` or in `~/.cache`. */
export async function cacheFolder(): Promise<string> {
  const { homedir } = await import("node:os");
  const { join } = await import("node:path");
  return process.env.COOP_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "coop");
}

/**
 * Opens the features [*, `width`] that were computed in one way (Node). Each `save` adds a file that is named after its
 * own SHA-256 and never changed, so any number of processes may read and write at once, and a file that was damaged is
 * known by its name, deleted, and its features computed again.
 *
 * @param way everything that the features depend on besides their key: model, preprocessing, adapter, versions
 * @param options.folder instead of `cacheFolder()`
 * @param options.most bytes, instead of CACHE_BYTES
 */
export async function openFeatureCache(
  way: object,
  width: number,
  options: { readonly folder?: string; readonly most?: number } = {},
): Promise<FeatureCache> {
  const { readFile, rm } = await import("node:fs/promises");
  const { makeFolder } = await import("../tensor/folder-node.ts");
  const { join } = await import("node:path");
  const { most = CACHE_BYTES } = options;
  const root = join(options.folder ?? (await cacheFolder()), "features");
  const about = JSON.stringify(way);
  const folder = join(root, (await sha256Hex(new TextEncoder().encode(`${width} ${about}`))).slice(0, 32));

  const known = new Map<string, Float32Array>();
  const fresh = new Map<string, Float32Array>();

  /** Takes a segment in, or deletes it where it is not what its name says. */
  const load = async (name: string): Promise<boolean> => {
    const bytes = await readFile(join(folder, name)).catch(() => undefined);
    if (bytes === undefined) return false; // another process has just merged it
    const rows = `${await sha256Hex(bytes)}.safetensors` === name ? await unpack(bytes, width) : undefined;
    for (const [key, features] of rows ?? []) known.set(key, features);
    if (rows === undefined) await remove([name]);
    return rows !== undefined;
  };

  const write = async (rows: ReadonlyMap<string, Float32Array>): Promise<string | undefined> => {
    const bytes = pack(rows, width, about);
    const name = `${await sha256Hex(bytes)}.safetensors`;
    try {
      await makeFolder(folder, 0o700);
      await writeFileAtomic(join(folder, name), bytes);
      return name;
    } catch {
      return undefined;
    }
  };
  const remove = (names: readonly string[]) =>
    Promise.all(names.map((name) => rm(join(folder, name), { force: true }).catch(() => {})));

  const segments = (await namesIn(folder)).filter((name) => SEGMENT.test(name));
  const good: string[] = [];
  for (const name of segments) if (await load(name)) good.push(name);
  await touch(folder, good);
  if (good.length > MOST_SEGMENTS) {
    const merged = await write(known);
    if (merged) await remove(good.filter((name) => name !== merged));
  }

  return {
    get: (key) => known.get(key),
    put(key, features) {
      if (known.has(key)) return;
      known.set(key, features);
      fresh.set(key, features);
    },
    async save() {
      if (fresh.size === 0) return;
      const rows = new Map(fresh);
      fresh.clear();
      if (await write(rows)) await trim(root, most);
    },
  };
}

/** SHA-256 in hexadecimal. */
export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  const { createHash } = await import("node:crypto");
  return createHash("sha256").update(bytes).digest("hex");
}

function pack(rows: ReadonlyMap<string, Float32Array>, width: number, about: string): Uint8Array {
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  const keys = new Uint8Array(32 * sorted.length);
  const features = new Float32Array(width * sorted.length);
  sorted.forEach(([key, row], i) => {
    keys.set(Buffer.from(key, "hex"), 32 * i);
    features.set(row, width * i);
  });
  const count = sorted.length;
  return writeSafetensors(
    [
      ["features", { dtype: "F32", shape: [count, width], data: new Uint8Array(features.buffer) }],
      ["keys", { dtype: "U8", shape: [count, 32], data: keys }],
    ],
    { about },
  );
}

async function unpack(bytes: Uint8Array, width: number): Promise<Map<string, Float32Array> | undefined> {
  try {
    const file = await openSafetensors(memoryBytes(bytes));
    const keys = Buffer.from(await file.read("keys"));
    const { buffer, byteOffset, byteLength } = await file.read("features");
    const features = new Float32Array(buffer, byteOffset, byteLength / 4);
    if (features.length * 32 !== keys.length * width) return undefined;
    return new Map(
      Array.from({ length: keys.length / 32 }, (_, i) => [
        keys.toString("hex", 32 * i, 32 * (i + 1)),
        features.subarray(i * width, (i + 1) * width),
      ]),
    );
  } catch {
    return undefined;
  }
}

/** Says of files that they are still of use, where that was last said a day ago. */
async function touch(folder: string, names: readonly string[]): Promise<void> {
  const { stat, utimes } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const now = new Date();
  for (const name of names) {
    const path = join(folder, name);
    const used = await stat(path).catch(() => undefined);
    if (used && now.getTime() - used.mtimeMs > DAY) await utimes(path, now, now).catch(() => {});
  }
}

/** Deletes the files that were not used for the longest time until the rest have `most` bytes, and what killed writers left. */
async function trim(root: string, most: number): Promise<void> {
  const { rm, stat } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const files: { path: string; bytes: number; used: number; whole: boolean }[] = [];
  for (const folder of await namesIn(root))
    for (const name of await namesIn(join(root, folder))) {
      const path = join(root, folder, name);
      const info = await stat(path).catch(() => undefined);
      if (info) files.push({ path, bytes: info.size, used: info.mtimeMs, whole: SEGMENT.test(name) });
    }
  files.sort((a, b) => b.used - a.used);
  let bytes = 0;
  for (const file of files) {
    bytes += file.bytes;
    const unwanted = file.whole ? bytes > most : Date.now() - file.used > DAY;
    if (unwanted) await rm(file.path, { force: true }).catch(() => {});
  }
}

async function namesIn(folder: string): Promise<string[]> {
  const { readdir } = await import("node:fs/promises");
  return readdir(folder).catch(() => []);
}
