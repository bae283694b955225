/** Instructions of a Python pickle, one after another. Each function gives the instructions that make one value. */
export type Code = Uint8Array;
type Part = Uint8Array | readonly number[] | string;
type Entries = Readonly<Record<string, Code>> | readonly (readonly [Code, Code])[];

const encoder = new TextEncoder();

/** Bytes, numbers from 0 to 255 and texts (as UTF-8), one behind the other. */
export function bytesOf(...parts: readonly Part[]): Uint8Array<ArrayBuffer> {
  const arrays = parts.map((part) => (typeof part === "string" ? encoder.encode(part) : part));
  const all = new Uint8Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

const little = (bytes: number, values: readonly (number | bigint)[]): Code =>
  Uint8Array.from({ length: bytes * values.length }, (_, i) =>
    Number((BigInt(values[Math.floor(i / bytes)]) >> BigInt(8 * (i % bytes))) & 0xffn),
  );
/** Whole numbers of 2, 4 and 8 bytes, little-endian. */
export const u16 = (...values: readonly number[]): Code => little(2, values);
export const u32 = (...values: readonly number[]): Code => little(4, values);
export const u64 = (...values: readonly (number | bigint)[]): Code => little(8, values);

export const op = (opcode: string | number, ...arg: readonly Part[]): Code =>
  bytesOf(typeof opcode === "string" ? opcode : [opcode], ...arg);
export const NONE: Code = op("N");
export const TRUE: Code = op(0x88);
export const FALSE: Code = op(0x89);
export const text = (value: string): Code => op("X", u32(encoder.encode(value).length), value);
export const int = (value: number): Code =>
  value >= -(2 ** 31) && value < 2 ** 31 ? op("J", u32(value)) : op(0x8a, [8], u64(value));
export const tuple = (...items: readonly Code[]): Code => bytesOf("(", ...items, "t");
export const list = (...items: readonly Code[]): Code => bytesOf("](", ...items, "e");
export const dict = (entries: Entries): Code => bytesOf("}(", ...pairs(entries), "u");
const pairs = (entries: Entries): Code[] =>
  Array.isArray(entries)
    ? (entries as [Code, Code][]).flat()
    : Object.entries(entries as Record<string, Code>).flatMap(([key, value]) => [text(key), value]);
export const global = (module: string, name: string): Code => op("c", `${module}\n${name}\n`);
export const call = (target: Code, ...args: readonly Code[]): Code => bytesOf(target, tuple(...args), "R");
export const orderedDict = (entries: Entries): Code =>
  bytesOf(call(global("collections", "OrderedDict")), "(", ...pairs(entries), "u");
/** A pickle of one value. */
export const pickle = (code: Code, protocol = 2): Code => bytesOf([0x80, protocol], code, ".");

/** The numbers of PyTorch's tensors: `type` as "FloatStorage", `key` as the file's entry is called, `length` in elements. */
export const storage = (type: string, key: string, length: number, device = "cpu"): Code =>
  bytesOf(tuple(text("storage"), global("torch", type), text(key), text(device), int(length)), "Q");
/** A tensor of PyTorch that is a view of a storage; strides and offset in elements. */
export const tensor = (from: Code, shape: readonly number[], strides: readonly number[], offset = 0): Code =>
  call(
    global("torch._utils", "_rebuild_tensor_v2"),
    from,
    int(offset),
    tuple(...shape.map(int)),
    tuple(...strides.map(int)),
    FALSE,
    orderedDict({}),
  );
