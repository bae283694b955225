import { FormatError } from "../tensor/errors.ts";
import { halfToFloat } from "../tensor/half.ts";

/** bfloat16 bits → float32, exactly. */
export function bfloatToFloat(bits: Uint16Array, out = new Float32Array(bits.length)): Float32Array {
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16;
  return out;
}

/**
 * The little-endian bytes of a stored tensor as float32. Takes F32, F16, BF16 and F64; `name` says in an error
 * which tensor could not be converted.
 */
export function toFloat32(dtype: string, bytes: Uint8Array, name = "tensor"): Float32Array {
  switch (dtype) {
    case "F32":
      return new Float32Array(aligned(bytes, 4));
    case "F16":
      return halfToFloat(new Uint16Array(aligned(bytes, 2)));
    case "BF16":
      return bfloatToFloat(new Uint16Array(aligned(bytes, 2)));
    case "F64":
      return Float32Array.from(new Float64Array(aligned(bytes, 8)));
    default:
      throw new FormatError(`${name} is stored as ${dtype}; only F32, F16, BF16 and F64 can be used as float32.`);
  }
}

function aligned(bytes: Uint8Array, width: number): ArrayBuffer {
  if (bytes.byteLength % width) throw new FormatError(`${bytes.byteLength} bytes are not a whole number of values.`);
  const whole = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  return (whole ? bytes : bytes.slice()).buffer as ArrayBuffer;
}
