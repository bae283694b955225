import type { Random } from "./random.ts";

/** Makes another input of one; `other` is one more of the corpus. The input itself is left as it is. */
export type Mutation = (bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

/** Numbers at which parsers go wrong: around zero, signs, widths and limits. */
const EDGES = [
  ...[0n, 1n, 2n, 7n, 8n, 31n, 32n, 33n, 63n, 64n, 127n, 128n, 255n, 256n, 511n, 512n, 1000n, 4096n, 65535n, 65536n],
  ...[2n ** 24n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, -1n, -2n],
];
const WORDS = ["null", "true", "-0", "1e999", "NaN", '"', "\\", "{}", "[]", "[[", "..", "../", "\0", "\n", "\ud83d", "\u202e", "é", "𝒳"]; // biome-ignore format: one row

/** A place in the bytes; the beginning, where headers are, more often. */
const place = (bytes: Uint8Array, random: Random): number =>
  random.below(random.oneIn(3) ? Math.min(bytes.length, 64) : bytes.length) || 0;

const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const replaced = (bytes: Uint8Array, from: number, to: number, by: Uint8Array): Uint8Array =>
  joined(bytes.subarray(0, from), by, bytes.subarray(to));

/** Up to `most` bytes from a random place on. */
function piece(bytes: Uint8Array, random: Random, most = 64): [from: number, to: number] {
  const from = place(bytes, random);
  return [from, Math.min(bytes.length, from + 1 + random.below(most))];
}

/** Changes that know nothing of the format. */
export const BYTE_MUTATIONS: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const copy = bytes.slice();
    if (copy.length) copy[place(copy, random)] ^= 1 << random.below(8);
    return copy;
  },
  function setByte(bytes, random) {
    const copy = bytes.slice();
    if (copy.length) copy[place(copy, random)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
    return copy;
  },
  function setNumber(bytes, random) {
    const copy = bytes.slice();
    const width = random.pick([1, 2, 4, 8]);
    const value = BigInt.asUintN(8 * width, random.oneIn(4) ? BigInt(bytes.length + random.below(5) - 2) : random.pick(EDGES)); // biome-ignore format: one row
    const at = place(copy, random);
    const big = random.oneIn(3);
    for (let i = 0; i < width; i++)
      if (at + i < copy.length) copy[at + i] = Number((value >> BigInt(8 * (big ? width - 1 - i : i))) & 0xffn);
    return copy;
  },
  function addToByte(bytes, random) {
    const copy = bytes.slice();
    if (copy.length) copy[place(copy, random)] += random.pick([1, 255, 16, 240]);
    return copy;
  },
  function truncate(bytes, random) {
    return bytes.slice(0, random.below(bytes.length + 1));
  },
  function extend(bytes, random) {
    return joined(bytes, random.oneIn(2) ? random.bytes(random.below(40)) : new Uint8Array(random.below(1200)));
  },
  function remove(bytes, random) {
    return replaced(bytes, ...piece(bytes, random), new Uint8Array());
  },
  function repeat(bytes, random) {
    const [from, to] = piece(bytes, random, random.pick([4, 64, 512]));
    const part = bytes.subarray(from, to);
    return replaced(bytes, from, from, joined(...Array.from({ length: 1 + random.below(random.pick([2, 20])) }, () => part))); // biome-ignore format: one row
  },
  function move(bytes, random) {
    const [from, to] = piece(bytes, random, 256);
    const part = bytes.slice(from, to);
    const rest = replaced(bytes, from, to, new Uint8Array());
    const at = place(rest, random);
    return replaced(rest, at, at, part);
  },
  function splice(bytes, random, other) {
    const [from, to] = piece(other, random, 256);
    const at = place(bytes, random);
    return replaced(bytes, at, random.oneIn(2) ? at : Math.min(bytes.length, at + to - from), other.subarray(from, to));
  },
  function cross(bytes, random, other) {
    return joined(bytes.subarray(0, random.below(bytes.length + 1)), other.subarray(random.below(other.length + 1)));
  },
  function insertWord(bytes, random) {
    const at = place(bytes, random);
    return replaced(bytes, at, at, new TextEncoder().encode(random.pick(WORDS)));
  },
];

/** Changes of decimal numbers and words in a text. */
export const TEXT_MUTATIONS: readonly Mutation[] = [
  function editNumber(bytes, random) {
    const numbers = [
      ...Buffer.from(bytes)
        .toString("latin1")
        .matchAll(/-?\d+(\.\d+)?/g),
    ];
    if (numbers.length === 0) return bytes.slice();
    const { index, 0: digits } = random.pick(numbers);
    const value = random.pick([
      `${random.pick(EDGES)}`,
      `${Number(digits) + random.pick([1, -1])}`,
      ...["1.5", "1e3", "1e308", "-0", "01", "9".repeat(400), "0x10", "", '"1"'],
    ]);
    return replaced(bytes, index, index + digits.length, new TextEncoder().encode(value));
  },
  function doubleLine(bytes, random) {
    const lines = Buffer.from(bytes).toString("latin1").split("\n");
    const at = random.below(lines.length);
    lines.splice(random.below(lines.length), 0, lines[at]);
    return new Uint8Array(Buffer.from(lines.join("\n"), "latin1"));
  },
  function longLine(bytes, random) {
    const at = place(bytes, random);
    const text = random.pick(["a", "[", '{"a":', '"', ",", "\\", " ", "é"]).repeat(random.pick([50, 3000, 20_000]));
    return replaced(bytes, at, at, new TextEncoder().encode(text));
  },
];
