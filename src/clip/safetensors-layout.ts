import { oneLine } from "./bytes.ts";

/** Bytes of one element of each dtype that a safetensors file may hold. */
export const DTYPE_BYTES: ReadonlyMap<string, number> = new Map([
  ...["BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"].map((name) => [name, 1] as const),
  ...["U16", "I16", "F16", "BF16"].map((name) => [name, 2] as const),
  ...["U32", "I32", "F32"].map((name) => [name, 4] as const),
  ...["U64", "I64", "F64", "C64"].map((name) => [name, 8] as const),
]);
export const MAX_RANK = 32;
/** in UTF-16 units */
export const MAX_NAME = 4096;

/** Bytes of a tensor, or undefined beyond 2^53. */
export function sizeOf(shape: readonly number[], bytes: number): number | undefined {
  let size = bytes;
  for (const n of shape) if (!Number.isSafeInteger((size *= n))) return undefined;
  return size;
}

/** A tensor's name for a message: in quotes, and cut after 80 characters. */
export function quote(name: string): string {
  return JSON.stringify(oneLine(name.length > 80 ? `${name.slice(0, 80)}…` : name));
}
