import { FormatError } from "../tensor/errors.ts";
import { DTYPE_BYTES, MAX_NAME, MAX_RANK, quote, sizeOf } from "./safetensors-layout.ts";

/** A tensor to be written: `data` holds its elements, row-major little-endian. */
export interface TensorToStore {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** A tensor whose bytes are asked for when they are written. */
export interface TensorToLoad extends Omit<TensorToStore, "data"> {
  /** Its bytes, asked for when its turn to be written comes. */
  load(): Promise<Uint8Array>;
}

/** Texts that a safetensors file holds beside its tensors. */
export type Metadata = Readonly<Record<string, string>> | ReadonlyMap<string, string>;

/**
 * The bytes of a safetensors file. The same tensors give the same bytes, in whatever order they come: wide
 * elements lie before narrow ones (so that every tensor is aligned), then by name.
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, TensorToStore]>,
  metadata: Metadata = {},
): Uint8Array {
  const { header, ordered } = layOut(tensors, metadata);
  const pieces = [header, ...ordered.map(([name, tensor]) => checked(name, tensor, tensor.data))];
  const file = new Uint8Array(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    file.set(piece, at);
    at += piece.byteLength;
  }
  return file;
}

/** The same bytes in pieces, one tensor in memory at a time. */
export async function* safetensorsPieces(
  tensors: Iterable<readonly [string, TensorToLoad]>,
  metadata: Metadata = {},
): AsyncGenerator<Uint8Array> {
  const { header, ordered } = layOut(tensors, metadata);
  yield header;
  for (const [name, tensor] of ordered) yield checked(name, tensor, await tensor.load());
}

/** The file's beginning, and the tensors in the order in which they follow. */
function layOut<T extends Omit<TensorToStore, "data">>(tensors: Iterable<readonly [string, T]>, metadata: Metadata) {
  const list = [...tensors].map((entry) => ({ entry, name: entry[0], ...bytesOf(...entry) }));
  const names = new Set<string>();
  for (const { name } of list) {
    if (names.has(name)) throw new FormatError(`Two tensors are called ${quote(name)}; names must differ.`);
    names.add(name);
  }
  list.sort((a, b) => b.width - a.width || compare(a.name, b.name));
  const notes = [...(metadata instanceof Map ? metadata : Object.entries(metadata))].sort(([a], [b]) => compare(a, b));
  const entries = notes.length ? [`"__metadata__":${object(notes.map(([k, v]) => [k, JSON.stringify(v)]))}`] : [];
  let end = 0;
  for (const { entry, name, bytes } of list) {
    const [, { dtype, shape }] = entry;
    const info = JSON.stringify({ dtype, shape, data_offsets: [end, (end += bytes)] });
    entries.push(`${JSON.stringify(name)}:${info}`);
  }
  const text = new TextEncoder().encode(`{${entries.join(",")}}`);
  const headerBytes = Math.ceil(text.length / 8) * 8;
  const header = new Uint8Array(8 + headerBytes).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(headerBytes), true);
  header.set(text, 8);
  return { header, ordered: list.map(({ entry }) => entry) };
}

function bytesOf(name: string, { dtype, shape }: Omit<TensorToStore, "data">): { width: number; bytes: number } {
  if (name === "__metadata__" || name.length > MAX_NAME || shape.length > MAX_RANK || /\p{Surrogate}/u.test(name))
    throw new FormatError(`${quote(name)} [${shape}] cannot be stored: its name or its rank is not allowed.`);
  const width = DTYPE_BYTES.get(dtype);
  const bytes = width && shape.every((n) => Number.isSafeInteger(n) && n >= 0) ? sizeOf(shape, width) : undefined;
  if (width === undefined || bytes === undefined)
    throw new FormatError(`Tensor ${quote(name)}: ${dtype} [${shape}] cannot be stored.`);
  return { width, bytes };
}

function checked(name: string, like: Omit<TensorToStore, "data">, data: Uint8Array): Uint8Array {
  if (bytesOf(name, like).bytes === data.byteLength) return data;
  throw new FormatError(`Tensor ${quote(name)}: ${data.byteLength} bytes are not a ${like.dtype} [${like.shape}].`);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const object = (entries: [string, string][]): string =>
  `{${entries.map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(",")}}`;
