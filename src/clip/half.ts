import { FormatError } from "../tensor/errors.ts";

let halfTable: Float32Array | undefined;

/** IEEE half precision bits → float32, exactly (subnormals, infinities and NaN included). */
export function halfToFloat(bits: Uint16Array, out = new Float32Array(bits.length)): Float32Array {
  halfTable ??= Float32Array.from({ length: 65536 }, (_, h) => {
    const sign = h & 0x8000 ? -1 : 1;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
  });
  for (let i = 0; i < bits.length; i++) out[i] = halfTable[bits[i]];
  return out;
}

/** bfloat16 bits → float32, exactly. */
export function bfloatToFloat(bits: Uint16Array, out = new Float32Array(bits.length)): Float32Array {
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16;
  return out;
}

/** float32 → half precision bits, rounded to nearest, ties to even; beyond 65504 becomes infinity. */
export function floatToHalf(values: Float32Array, out = new Uint16Array(values.length)): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < values.length; i++) {
    const sign = (words[i] >>> 16) & 0x8000;
    const magnitude = words[i] & 0x7fffffff;
    if (magnitude > 0x7f800000) out[i] = sign | 0x7e00;
    else if (magnitude >= 0x477ff000) out[i] = sign | 0x7c00;
    else if (magnitude < 0x38800000) out[i] = sign | roundToEven(Math.abs(values[i]) * 2 ** 24);
    else out[i] = sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
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

/** x ≥ 0 to the nearest whole number, ties to even. */
function roundToEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}
