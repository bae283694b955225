/** Bytes in pieces, so that gigabytes of weights are never copied together. */
export interface Bytes {
  readonly length: number;
  readonly pieces: readonly Uint8Array[];
}

/** What a field of a message holds: a varint, a 32-bit float, a string, bytes or a message. */
export type Field = readonly [number: number, value: number | { readonly float: number } | string | Uint8Array | Bytes];

const UTF8 = new TextEncoder();

/** A message of Protocol Buffers: its fields one after the other. */
export function message(...fields: readonly Field[]): Bytes {
  const pieces = fields.flatMap(([number, value]): readonly Uint8Array[] => {
    if (typeof value === "number") return [varint(number << 3), varint(value)];
    if (typeof value === "string") return delimited(number, [UTF8.encode(value)]);
    if (value instanceof Uint8Array) return delimited(number, [value]);
    if ("float" in value) {
      return [varint((number << 3) | 5), new Uint8Array(Float32Array.of(value.float).buffer)];
    }
    return delimited(number, value.pieces);
  });
  return { pieces, length: lengthOf(pieces) };
}

const delimited = (number: number, pieces: readonly Uint8Array[]): readonly Uint8Array[] => [
  varint((number << 3) | 2),
  varint(lengthOf(pieces)),
  ...pieces,
];

const lengthOf = (pieces: readonly Uint8Array[]): number => pieces.reduce((sum, { length }) => sum + length, 0);

/** A whole number ≥ 0, seven bits a byte, the lowest first. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Uint8Array.from([...bytes, value]);
}
