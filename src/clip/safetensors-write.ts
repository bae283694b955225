import { FormatError } from "../tensor/errors.ts";
import { DTYPE_BYTES, MAX_NAME, MAX_RANK, quote, sizeOf } from "./safetensors-layout.ts";

/** A tensor to be written: `data` holds its elements, row-major little-endian. */
export interface TensorToStore {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/**
 * The bytes of a safetensors file. The same tensors give the same bytes, in whatever order they come: wide
 * elements lie before narrow ones (so that every tensor is aligned), then by name.
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, TensorToStore]>,
  metadata: Readonly<Record<string, string>> | ReadonlyMap<string, string> = {},
): Uint8Array {
  const list = [...tensors].map(([name, tensor]) => ({ name, ...tensor, width: widthOf(name, tensor) }));
  const names = new Set<string>();
  for (const { name } of list) {
    if (names.has(name)) throw new FormatError(`Two tensors are called ${quote(name)}; names must differ.`);
    names.add(name);
  }
  list.sort((a, b) => b.width - a.width || compare(a.name, b.name));
  const notes = [...(metadata instanceof Map ? metadata : Object.entries(metadata))].sort(([a], [b]) => compare(a, b));
  const entries = notes.length ? [`"__metadata__":${object(notes.map(([k, v]) => [k, JSON.stringify(v)]))}`] : [];
  let end = 0;
  for (const { name, dtype, shape, data } of list) {
    const info = JSON.stringify({ dtype, shape, data_offsets: [end, (end += data.byteLength)] });
    entries.push(`${JSON.stringify(name)}:${info}`);
  }
  const text = new TextEncoder().encode(`{${entries.join(",")}}`);
  const headerBytes = Math.ceil(text.length / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(text, 8);
  file.fill(0x20, 8 + text.length, 8 + headerBytes);
  let at = 8 + headerBytes;
  for (const { data } of list) {
    file.set(data, at);
    at += data.byteLength;
  }
  return file;
}

function widthOf(name: string, { dtype, shape, data }: TensorToStore): number {
  const width = DTYPE_BYTES.get(dtype);
  const expected = width && shape.every((n) => Number.isSafeInteger(n) && n >= 0) ? sizeOf(shape, width) : undefined;
  if (name === "__metadata__" || name.length > MAX_NAME || shape.length > MAX_RANK || /\p{Surrogate}/u.test(name))
    throw new FormatError(`${quote(name)} [${shape}] cannot be stored: its name or its rank is not allowed.`);
  if (width === undefined || expected !== data.byteLength)
    throw new FormatError(`Tensor ${quote(name)}: ${data.byteLength} bytes are not a ${dtype} [${shape}].`);
  return width;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const object = (entries: [string, string][]): string =>
  `{${entries.map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(",")}}`;
