import { type ByteSource, fileBytes, oneLine } from "../clip/bytes.ts";
import { toFloat32 } from "../clip/half.ts";
import { openSafetensors } from "../clip/safetensors.ts";
import { FormatError, InputError } from "../tensor/errors.ts";
import { floatToHalf } from "../tensor/half.ts";
import { pathInside } from "./datasets/split-file.ts";
import { normalizeRows } from "./feature-rows.ts";
import { readSealed, sealedTensors } from "./sealed-tensors.ts";

/**
 * Where the index of a folder lies in it; a hidden name, so that it is never taken for one of its files.
 * @example const index = await readIndex(join(folder, INDEX_FILE));
 */
export const INDEX_FILE = ".coop-index.safetensors";
const FORMAT = "coop-index";
const VERSION = 1;
/** Of the file's header, which may have 100 MB. */
const MOST_NAMES = 90_000_000;

/** A picture as it was when it was encoded. */
export interface IndexedFile {
  /** relative to the folder, "/" between the names on every system */
  readonly path: string;
  /** size */
  readonly bytes: number;
  /** time of the last change, in milliseconds since 1970 */
  readonly modified: number;
}

/** Features of the pictures in a folder. */
export interface FeatureIndex {
  readonly model: {
    readonly name: string;
    /** of the weights file, 64 hexadecimal digits */
    readonly sha256: string;
  };
  /** The folder, as a path from where the index lies: "." beside its pictures. */
  readonly folder: string;
  /** E */
  readonly dim: number;
  /** Features are kept in half precision. */
  readonly half: boolean;
  /** N, in code-unit order of their paths. */
  readonly files: readonly IndexedFile[];
  /** [N, E] row-major, each of length 1. */
  readonly features: Float32Array;
}

/**
 * The bytes of an index file: a safetensors file with the tensor `features` [N, E] and the rest as metadata.
 * @example await writeFileAtomic(join(folder, INDEX_FILE), indexBytes(index));
 */
export function indexBytes({ model, folder, dim, half, files, features }: FeatureIndex): Uint8Array {
  const names = JSON.stringify(files.map(({ path, bytes, modified }) => [path, bytes, modified]));
  if (names.length > MOST_NAMES)
    throw new InputError(`${files.length} pictures are too many for one index. Index the folders in it one by one.`);
  const { buffer, byteOffset, byteLength } = half ? floatToHalf(features) : features;
  const data = new Uint8Array(buffer, byteOffset, byteLength);
  return sealedTensors([["features", { dtype: half ? "F16" : "F32", shape: [files.length, dim], data }]], {
    format: FORMAT,
    version: String(VERSION),
    model: model.name,
    model_sha256: model.sha256,
    folder,
    files: names,
  });
}

/**
 * Reads what `indexBytes` wrote. FormatError where it is something else, or of a newer version.
 * @example const { files, features } = await parseIndex(await fileBytes(path));
 */
export async function parseIndex(source: ByteSource): Promise<FeatureIndex> {
  const file = await openSafetensors(source);
  const refuse = (why: string): never => {
    throw new FormatError(`${file.name}: ${why}`);
  };
  const { metadata } = file;
  if (metadata.get("format") !== FORMAT) refuse("it is not an index of coop; `coop index DIR` makes one");
  const version = Number(metadata.get("version"));
  if (version > VERSION) refuse(`a newer coop wrote this index (version ${version}). Update coop to read it`);
  const damaged = (what: string): never => refuse(`${what}. The index is damaged; delete it and make it again`);
  const text = (key: string): string => metadata.get(key) ?? damaged(`there is no ${key} in its metadata`);
  const stored = file.tensors.get("features") ?? damaged("there is no tensor called features in it");
  const files = readFiles(text("files")) ?? damaged("its list of files cannot be read");
  const [count, dim] = stored.shape;
  const half = stored.dtype === "F16";
  if (stored.shape.length !== 2 || count !== files.length || !(half || stored.dtype === "F32"))
    damaged(`its features are ${stored.dtype} [${stored.shape}] for ${files.length} files`);
  const sha256 = text("model_sha256");
  if (!/^[0-9a-f]{64}$/.test(sha256)) damaged("its model_sha256 is not one");
  return {
    model: { name: text("model"), sha256 },
    folder: text("folder"),
    dim,
    half,
    files,
    features: toFloat32(stored.dtype, await readSealed(file, "features"), `${file.name}: features`),
  };
}

function readFiles(json: string): IndexedFile[] | undefined {
  let list: unknown;
  try {
    list = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  const files = list.map((entry): IndexedFile | undefined => {
    if (!Array.isArray(entry)) return undefined;
    const [path, bytes, modified] = entry as unknown[];
    return isInside(path) && typeof bytes === "number" && typeof modified === "number"
      ? { path, bytes, modified }
      : undefined;
  });
  return files.includes(undefined) ? undefined : (files as IndexedFile[]);
}

/** An index may come from elsewhere; what it finds is shown, and perhaps opened. */
const isInside = (path: unknown): path is string => typeof path === "string" && pathInside(path) !== undefined;

/**
 * Reads an index file (Node).
 * @example const { model, files, features, dim } = await readIndex("photos/.coop-index.safetensors");
 */
export async function readIndex(path: string): Promise<FeatureIndex> {
  const source = await fileBytes(path);
  try {
    return await parseIndex(source);
  } finally {
    await source.close();
  }
}

/** An index that says what its folder holds now, and what was done for it. */
export interface IndexUpdate {
  readonly index: FeatureIndex;
  /** Pictures that were encoded because they are new. */
  readonly added: number;
  /** Pictures that were encoded because their size or time is another. */
  readonly changed: number;
  readonly removed: number;
  /** Pictures whose features are, bit for bit, those of before. */
  readonly kept: number;
}

/**
 * Brings an index up to date, encoding only what is new or has changed.
 *
 * @param old undefined, or an index by the same model
 * @param files the pictures that there are now
 * @param encode features [M, E] of some of them, not normalised, and which of them could be read, in that order
 * @example
 * const { index, added, removed } = await updateIndex(old, files, { model, folder: ".", dim, half: false }, encode);
 */
export async function updateIndex(
  old: FeatureIndex | undefined,
  files: readonly IndexedFile[],
  about: Pick<FeatureIndex, "model" | "folder" | "dim" | "half">,
  encode: (files: readonly IndexedFile[]) => Promise<{ features: Float32Array; read: readonly IndexedFile[] }>,
): Promise<IndexUpdate> {
  const { model, dim } = about;
  if (old && (old.model.sha256 !== model.sha256 || old.dim !== dim))
    throw new InputError(
      `this index was made with ${oneLine(old.model.name)}, which has other weights than ${model.name}`,
    );
  const known = new Map(old?.files.map((file, row) => [file.path, { file, row }]));
  const isKept = ({ path, bytes, modified }: IndexedFile): boolean => {
    const before = known.get(path)?.file;
    return before !== undefined && before.bytes === bytes && before.modified === modified;
  };
  const stale = files.filter((file) => !isKept(file));
  const { features, read } = stale.length > 0 ? await encode(stale) : { features: new Float32Array(0), read: [] };
  const fresh = normalizeRows(features, dim);
  const rows = new Map(read.map(({ path }, row) => [path, fresh.subarray(row * dim, (row + 1) * dim)]));
  for (const { path } of files.filter(isKept)) {
    const { row } = known.get(path)!;
    rows.set(path, old!.features.subarray(row * dim, (row + 1) * dim));
  }
  const present = files.filter(({ path }) => rows.has(path)).sort((a, b) => (a.path < b.path ? -1 : 1));
  const all = new Float32Array(present.length * dim);
  for (const [i, { path }] of present.entries()) all.set(rows.get(path)!, i * dim);
  return {
    index: { ...about, files: present, features: about.half ? toFloat32("F16", bytesOfHalf(all)) : all },
    added: read.filter(({ path }) => !known.has(path)).length,
    changed: read.filter(({ path }) => known.has(path)).length,
    removed: [...known.keys()].filter((path) => !rows.has(path)).length,
    kept: present.length - read.length,
  };
}

const bytesOfHalf = (values: Float32Array): Uint8Array => new Uint8Array(floatToHalf(values).buffer);
