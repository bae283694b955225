import { DTypeError } from "./errors.ts";
import { floatToHalf, halfToFloat } from "./half.ts";

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

/** Throws unless there is such a dtype. */
export function checkDType(op: string, dtype: DType): void {
  if (!Object.hasOwn(DTYPES, dtype))
    throw new DTypeError(`${op}: no dtype is "${dtype}"; use ${Object.keys(DTYPES).join(", ")}`);
}

/** Whether an integer dtype holds a number as it is. */
export const holds = (dtype: DType, value: number): boolean => (dtype === "i32" ? value | 0 : value >>> 0) === value;

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
      return halfToFloat(new Uint16Array(bytes, 0, count));
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
      return floatToHalf(Float32Array.from(values)) as Uint16Array<ArrayBuffer>;
  }
}
