import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { memoryBytes } from "../src/clip/bytes.ts";
import { readConfig } from "../src/clip/config.ts";
import { readOpenClipConfig } from "../src/clip/open-clip-config.ts";
import { withoutExif } from "../src/clip/picture-header.ts";
import { readPreprocess } from "../src/clip/preprocess.ts";
import { openSafetensors } from "../src/clip/safetensors.ts";
import { loadTokenizer } from "../src/clip/tokenizer.ts";
import { canTakeForever } from "../src/clip/tokenizer-json.ts";
import { wordLevelTokenizerJson } from "../src/clip/word-tokenizer.ts";
import { parseSpec } from "../src/coop/experiments/index.ts";
import { parseLabelSet } from "../src/coop/label-set.ts";
import { nearest } from "../src/coop/near.ts";
import { openPairs } from "../src/coop/pairs.ts";
import { expandBraces } from "../src/coop/pairs-tar.ts";
import { FormatError, InputError } from "../src/tensor/errors.ts";

/** A list in a list in a list … */
const deep = (depth: number): unknown => JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`);

test("a message quotes a file in one line, and not at length", async () => {
  const long = `${"a\n\u202e".repeat(100_000)}`;
  for (const error of [
    new FormatError(`config.json: ${long}; fetch it again`),
    new InputError(`x ${long}; fetch it again`),
  ]) {
    assert.ok(error.message.length <= 2010, `${error.message.length}`);
    assert.doesNotMatch(error.message, /[\n\u202e]/);
    assert.match(error.message, /; fetch it again$/);
  }
  const header = `{"w":{"dtype":"F32","shape":[${"9".repeat(1_000_000)}],"data_offsets":[0,4]}}`;
  const file = Buffer.concat([new Uint8Array(new BigUint64Array([BigInt(header.length)]).buffer), Buffer.from(header)]);
  await assert.rejects(
    openSafetensors(memoryBytes(file, "w.safetensors")),
    (error: Error) => error.message.length < 3000,
  );
});

test("values that are nested too deeply to be written are refused all the same", () => {
  const value = deep(100_000);
  const parts = { text_config: { layer_norm_eps: value }, vision_config: {} };
  assert.throws(() => readConfig({ model_type: "clip", ...parts }), FormatError);
  assert.throws(() => readPreprocess({ size: value }), FormatError);
  assert.throws(() => readPreprocess({ do_resize: value }), FormatError);
  const model_cfg = { embed_dim: 4, vision_cfg: {}, text_cfg: { strange: value } };
  assert.throws(() => readOpenClipConfig({ model_cfg }), FormatError);
  assert.throws(() => readOpenClipConfig({ model_cfg: { ...model_cfg, embed_dim: value, text_cfg: {} } }), FormatError);
  const spec = { datasets: [{ name: "a" }], methods: [{ name: "a", kind: "coop" }], seeds: value };
  assert.throws(() => parseSpec(JSON.stringify({ ...spec, seeds: [] }).replace("[]", `${"[".repeat(5000)}${"]".repeat(5000)}`)), FormatError); // biome-ignore format: one row
});

test("a configuration cannot ask for a million layers", () => {
  const parts = { text_config: { num_hidden_layers: 2 ** 20 }, vision_config: {} };
  assert.throws(() => readConfig({ model_type: "clip", ...parts }), /num_hidden_layers is 1048576/);
});

/** A tokenizer that is whole but for one change. */
const tokenizer = (change: object, model: object = {}) => {
  const usual = wordLevelTokenizerJson(["cat", "dog"]) as { model: object };
  return { ...usual, ...change, model: { ...usual.model, ...model } };
};
const step = (type: string, more: object = {}) => ({ type, ...more });

const TOKENIZERS: [what: string, json: object, says: RegExp][] = [
  ["a negative id", tokenizer({}, { vocab: { cat: -1 } }), /the id of the token "cat" is none/],
  ["an id of a half", tokenizer({}, { vocab: { cat: 0.5 } }), /the id of the token "cat" is none/],
  ["an id that is a text", tokenizer({}, { vocab: { cat: "1" } }), /the id of the token "cat" is none/],
  ["an id of a billion", tokenizer({ added_tokens: [{ id: 1e9, content: "x" }] }), /lacks its id/],
  ["an added token without an id", tokenizer({ added_tokens: [{ content: "x" }] }), /lacks its id/],
  ["added tokens that are no list", tokenizer({ added_tokens: {} }), /added_tokens is no list/],
  ["a Split without a pattern", tokenizer({ pre_tokenizer: step("Split") }), /neither a Regex nor a String/],
  [
    "a pattern that is none",
    tokenizer({ pre_tokenizer: step("Split", { pattern: {} }) }),
    /neither a Regex nor a String/,
  ],
  ["pieces of length 0", tokenizer({ pre_tokenizer: step("FixedLength", { length: 0 }) }), /no whole number above 0/],
  [
    "words without a limit",
    tokenizer({}, { type: "WordPiece", max_input_chars_per_word: 1e9 }),
    /no number up to 1000/,
  ],
  [
    "a pattern that backtracks",
    tokenizer({ pre_tokenizer: step("Split", { pattern: { Regex: "(a+)+$" } }) }),
    /can take for ever/,
  ],
  [
    "texts that grow",
    tokenizer({
      normalizer: step("Sequence", {
        normalizers: Array.from({ length: 40 }, () => step("Replace", { pattern: { String: "a" }, content: "aa" })),
      }),
    }),
    /over 1024 times as long/,
  ],
  ["steps without end", tokenizer({ normalizer: deep(1000) as object }), /nested too deeply/],
];
for (const [what, json, says] of TOKENIZERS)
  test(`a tokenizer with ${what} is refused`, async () => {
    await assert.rejects(
      loadTokenizer(json),
      (error: Error) => error instanceof FormatError && says.test(error.message),
    );
  });

test("patterns of known tokenizers pass, those that repeat a repetition do not", () => {
  const known = [
    "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    " ?[^(\\s|[.,!?…。，、।۔،])]+",
    "[\\[\\]]+a+",
  ];
  for (const regex of known) assert.equal(canTakeForever(regex), false, regex);
  for (const regex of ["(a+)+$", "(a|a)*b", "(?:a*)*", "((a+)b)+", "(a{2,}){3,}", "a*a*a*a*b", "(.*)(.*)(.*)(.*)z"])
    assert.equal(canTakeForever(regex), true, regex);
});

test("tokenizing takes any text that JavaScript has", { timeout: 120_000 }, async () => {
  const words = await loadTokenizer(wordLevelTokenizerJson(["cat", "dog", "."]));
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.string({ unit: "grapheme", maxLength: 100 }),
    fc.array(fc.nat(0xffff), { maxLength: 100 }).map((units) => String.fromCharCode(...units)), // halves of pairs too
  );
  fc.assert(
    fc.property(text, (text) => {
      const { ids } = words.tokenize([text], { truncate: true });
      assert.ok(ids.every((id) => id >= 0 && id < words.vocabularySize));
      assert.equal(typeof words.decode(ids), "string");
    }),
    { numRuns: 10_000 },
  );
  const long = "cat ".repeat(100_000);
  assert.equal(words.tokenize([long], { truncate: true }).ids.length, 77);
  assert.throws(() => words.tokenize([long]), InputError);
});

test("long lists of labels and long names take no long time", { timeout: 20_000 }, () => {
  const labels = Array.from({ length: 50_000 }, (_, i) => `label ${i}`);
  assert.equal(parseLabelSet(`things: ${labels.join(",")}`).labels.length, 50_000);
  assert.equal(nearest("x".repeat(60_000), ["y".repeat(60_000)]), undefined);
  assert.throws(() => expandBraces("{0..99999}{0..99999}.tar"), /over 100000 files/);
  assert.equal(expandBraces("{00..99}{0..9}.tar").length, 1000);
});

test("a file of half a gigabyte in one line is refused, and is not held in memory", { timeout: 120_000 }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "coop-line-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, "pairs.jsonl");
  writeFileSync(path, '{"image":');
  truncateSync(path, 545 * 2 ** 20); // over the longest string that there is; a hole on the disk
  await assert.rejects(openPairs(path), /1 left out, rows that cannot be read \(first: line 1\)/);
});

test("a JPEG that ends within a segment is looked through to its end only", () => {
  const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 0xe1, 0, 20, 0x45, 0xff);
  for (let length = 0; length <= jpeg.length; length++)
    assert.deepEqual(withoutExif(jpeg.subarray(0, length)), jpeg.slice(0, length));
});
