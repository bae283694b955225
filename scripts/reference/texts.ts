import fc from "fast-check";

const from = (...ranges: readonly (readonly [number, number])[]) =>
  fc.oneof(...ranges.map(([min, max]) => fc.integer({ min, max }).map((code) => String.fromCodePoint(code))));
const some = (letters: fc.Arbitrary<string>) => fc.array(letters, { maxLength: 40 }).map((list) => list.join(""));
const WORDS = ["a", "photo", "of", "the", "Dog's", "won't", "I'll", "they've", "ICE-cream", "3D", "2,000", "o'clock", "<|endoftext|>", "http://x.y/z?a=b&c", "naïve", "Ångström", "e.g.", "…", "“quoted”", "(see)", "100%", "#1", "C++"]; // biome-ignore format: one row

const ASSIGNED = Array.from({ length: 0x110000 }, (_, code) => String.fromCodePoint(code)).filter(
  (c) => !/[\p{Cn}\p{Co}\p{Cs}]/u.test(c) && c !== "\u0345",
);

/**
 * Texts in any script; each kind is a share of `count`. No half of a surrogate pair, no letter that this runtime's Unicode
 * does not have yet, and not U+0345, an accent that Python's patterns take for a letter where they ignore case.
 */
const KINDS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  words: fc.array(fc.constantFrom(...WORDS), { maxLength: 20 }).map((words) => words.join(" ")),
  ascii: some(from([32, 126])),
  accents: some(from([32, 126], [0xa1, 0x24f], [0x300, 0x344], [0x346, 0x36f])),
  greekAndCyrillic: some(from([32, 126], [0x370, 0x3ff], [0x400, 0x52f])),
  rightToLeft: some(from([32, 64], [0x5d0, 0x5ea], [0x620, 0x64a], [0x200e, 0x200f], [0x64b, 0x65f])),
  indic: some(from([32, 64], [0x900, 0x97f], [0xe00, 0xe5b])),
  chineseJapaneseKorean: some(from([32, 64], [0x3040, 0x30ff], [0x4e00, 0x9fff], [0xac00, 0xd7a3])),
  emoji: some(from([32, 126], [0x1f300, 0x1f6ff], [0x1f900, 0x1f9ff], [0x1f1e6, 0x1f1ff], [0x200d, 0x200d], [0xfe0f, 0xfe0f])), // biome-ignore format: one row
  control: some(from([0, 64], [0x7f, 0xa0], [0x2000, 0x200b], [0x2028, 0x202f])),
  graphemes: fc.string({ unit: "grapheme", maxLength: 40 }),
  anything: some(fc.nat(ASSIGNED.length - 1).map((i) => ASSIGNED[i])),
};

export function textsOf(count: number, seed: number): Record<string, string[]> {
  const share = Math.ceil(count / Object.keys(KINDS).length);
  return Object.fromEntries(
    Object.entries(KINDS).map(([kind, texts]) => [kind, fc.sample(texts, { numRuns: share, seed })]),
  );
}
