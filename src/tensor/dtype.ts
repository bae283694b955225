import { DTypeError } from "./errors.ts";

/** Element types. `bool` is stored as a 32-bit 0 or 1; `f16` needs an adapter with `shader-f16`. */
export type DType = "f32" | "f16" | "i32" | "u32" | "bool";

/** What `data()` returns: `f16` is widened to float32, `bool` is one byte an element. */
export type HostArray = Float32Array | Int32Array | Uint32Array | Uint8Array;

interface DTypeInfo {
  readonly bytes: number;
  /** Type of an element in a storage buffer. */
  readonly stored: string;
  /** Type of an element in an expression. */
  readonly computed: string;
}

export const DTYPES: Readonly<Record<DType, DTypeInfo>> = {
  f32: { bytes: 4, stored: "f32", computed: "f32" },
  f16: { bytes: 2, stored: "f16", computed: "f32" },
  i32: { bytes: 4, stored: "i32", computed: "i32" },
  u32: { bytes: 4, stored: "u32", computed: "u32" },
  bool: { bytes: 4, stored: "u32", computed: "bool" },
};

export const isFloat = (dtype: DType): boolean => dtype === "f32" || dtype === "f16";

/** The common type of two operands: equal types, or f32 where one is f16. */
export function promote(op: string, a: DType, b: DType): DType {
  if (a === b) return a;
  if (isFloat(a) && isFloat(b)) return "f32";
  throw new DTypeError(`${op}: ${a} and ${b} do not mix; convert one with cast(x, "${a}")`);
}

/** Reads `count` elements out of bytes that came from the device. */
export function fromBytes(bytes: ArrayBuffer, dtype: DType, count: number): HostArray {
  switch (dtype) {
    case "f32":
      return new Float32Array(bytes, 0, count);
    case "i32":
      return new Int32Array(bytes, 0, count);
    case "u32":
      return new Uint32Array(bytes, 0, count);
    case "bool":
      return Uint8Array.from(new Uint32Array(bytes, 0, count));
    case "f16":
      return Float32Array.from(new Uint16Array(bytes, 0, count), halfToFloat);
  }
}

/** The bytes that a storage buffer holds for these values. */
export function toBytes(values: ArrayLike<number>, dtype: DType): ArrayBufferView<ArrayBuffer> {
  switch (dtype) {
    case "f32":
      return Float32Array.from(values);
    case "i32":
      return Int32Array.from(values);
    case "u32":
      return Uint32Array.from(values);
    case "bool":
      return Uint32Array.from(values, (v) => (v ? 1 : 0));
    case "f16":
      return Uint16Array.from(values, floatToHalf);
  }
}

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** IEEE 754 binary16 bits of a number, rounded to nearest even. */
export function floatToHalf(value: number): number {
  scratch[0] = value;
  const bits = scratchBits[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00; // at or past 2^16: infinity
  if (magnitude < 0x38800000) {
    // below the smallest normal half: a multiple of 2^-24
    const scaled = Math.abs(scratch[0]) * 2 ** 24;
    const floor = Math.floor(scaled);
    const up = scaled - floor > 0.5 || (scaled - floor === 0.5 && (floor & 1) === 1);
    return sign | (floor + (up ? 1 : 0));
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** The number that binary16 bits stand for. */
export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
