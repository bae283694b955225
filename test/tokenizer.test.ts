import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { before, test } from "node:test";
import fc from "fast-check";
import { cleanText } from "../src/clip/clean-text.ts";
import { loadTokenizer, type Tokenizer } from "../src/clip/tokenizer.ts";
import { wordLevelTokenizerJson } from "../src/clip/word-tokenizer.ts";
import { FormatError, InputError } from "../src/tensor/errors.ts";
import { MERGES, tokenizerFiles, tokenizerJson } from "./make-model.mjs";

const WORDS = [
  "a",
  "red",
  "Blue",
  "circle",
  "left",
  "of",
  "café",
  "constructor",
  "__proto__".slice(2, 7),
  "7",
  "42",
  ",",
  ".",
];

test("a word tokenizer splits words, numbers and punctuation", async () => {
  const words = await loadTokenizer(wordLevelTokenizerJson(WORDS), { contextLength: 12 });
  const id = (word: string) => 2 + WORDS.indexOf(word);
  assert.equal(words.vocabularySize, WORDS.length + 4);
  assert.equal(words.endToken, WORDS.length + 3);
  assert.equal(words.startToken, WORDS.length + 2);
  assert.deepEqual(words.encode("A red, BLUE circle."), ["a", "red", ",", "Blue", "circle", "."].map(id));
  assert.deepEqual(words.encode("42 7cafe\u0301,,"), ["42", "7", "café", ",", ","].map(id));
  assert.deepEqual(words.encode("constructor toString proto"), [id("constructor"), 1, id("proto")]);
  assert.deepEqual(words.encode(" \n\t "), []);
  assert.deepEqual(
    [...words.tokenize(["red", ""]).ids],
    [
      ...[words.startToken, id("red"), words.endToken, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      ...[words.startToken, words.endToken, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
  );
  assert.equal(words.decode(words.tokenize(["a Red circle, unheard"]).ids), "a red circle , <unk>");
  assert.equal(words.tokenText(id("circle")), "circle");
});

test("a word tokenizer decodes what it encodes", async () => {
  const words = await loadTokenizer(wordLevelTokenizerJson(WORDS));
  const ids = fc.array(fc.integer({ min: 2, max: WORDS.length + 1 }), { maxLength: 60 });
  fc.assert(fc.property(ids, (list) => assert.deepEqual(words.encode(words.decode(list)), list)));
});

test("a word tokenizer has no room for words it would cut", () => {
  for (const word of ["", "two words", "left-of", "a1", "..", " a"])
    assert.throws(() => wordLevelTokenizerJson(["x", word]), InputError, word);
  assert.throws(() => wordLevelTokenizerJson(["Red", "red"]), /"red" comes twice/);
});

test("the package that tokenizes is imported as the caller says, or the error says how", async () => {
  let asked = 0;
  const library = () => {
    asked++;
    return import("@huggingface/tokenizers");
  };
  assert.equal((await loadTokenizer(wordLevelTokenizerJson(WORDS), { library })).encode("red").length, 1);
  assert.equal(asked, 1);
  const bare = () => Promise.reject(new TypeError('Failed to resolve module specifier "@huggingface/tokenizers"'));
  const said = { name: "InputError", message: /Failed to resolve .* import map; in a worker, .* `tokenizerLibrary`/ };
  await assert.rejects(loadTokenizer(wordLevelTokenizerJson(WORDS), { library: bare }), said);
});

test("a text that does not fit is refused by name, or cut before the end token", async () => {
  const words = await loadTokenizer(wordLevelTokenizerJson(WORDS), { contextLength: 5 });
  assert.equal(words.tokenize(["a red circle"]).length, 5);
  assert.throws(
    () => words.tokenize(["a", "a red circle left of a circle"]),
    (error: Error) =>
      error instanceof InputError &&
      /"a red circle left of a circle" has 9 tokens .* at most 5 fit/.test(error.message),
  );
  const { ids, count } = words.tokenize(["a", "a red circle left"], { truncate: true });
  assert.equal(count, 2);
  assert.deepEqual([...ids.subarray(5)], [words.startToken, 2, 3, 5, words.endToken]);
  assert.throws(() => words.tokenize([undefined as unknown as string]), InputError);
  assert.throws(() => words.decode([1, 99]), /99 is not a token id/);
  assert.throws(() => words.tokenText(-1), InputError);
  await assert.rejects(loadTokenizer(wordLevelTokenizerJson(WORDS), { contextLength: 1 }), InputError);
});

test("a file that is no CLIP tokenizer is refused, naming it", async () => {
  const good = wordLevelTokenizerJson(WORDS) as {
    added_tokens: { id: number; content: string }[];
    model: { vocab: object };
  };
  const bad: [object | string, RegExp][] = [
    ["", /is not JSON/],
    ["<html>", /is not JSON/],
    ["null", /no "model"/],
    ["[]", /no "model"/],
    ["{}", /no "model"/],
    [{ model: { type: "BPE" } }, /decoder/],
    [{ ...good, normalizer: { type: "Unheard" } }, /Unheard/],
    [{ ...good, model: { type: "WordLevel", vocab: { a: 0 } }, added_tokens: [] }, /no token <\|startoftext\|>/],
    [{ ...good, added_tokens: [...good.added_tokens, { id: 99, content: "<extra>" }] }, /must be the largest, 99/],
  ];
  for (const [json, says] of bad)
    await assert.rejects(
      loadTokenizer(json, { name: "model/tokenizer.json" }),
      (error: Error) =>
        error instanceof FormatError && says.test(error.message) && error.message.startsWith("model/tok"),
      String(says),
    );
});

test("texts are cleaned as OpenAI's code does", () => {
  assert.equal(cleanText("  it\u2019s \u201cfine\u201d\n\t here "), 'it\'s "fine" here');
  assert.equal(cleanText("\ufb01ne \uff21\uff22\uff13 cafe\u0301"), "fine AB3 café");
  assert.equal(
    cleanText("&amp;lt;b&amp;gt; &#39;&#x41; &unheard; &constructor; &#xd800; &#0;"),
    "<b> 'A &unheard; &constructor; \ufffd \ufffd",
  );
  assert.equal(cleanText("\x1b[31mred\x1b[0m \0dog\ufeff\x93cat\x94 \x85"), 'red dog"cat" …');
  assert.equal(cleanText("a&#32b &#x93; &#2;. \u0149 \u02bca"), "a b \" . 'n 'a");
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => assert.doesNotMatch(cleanText(text), /^\s|\s\s|\s$/)));
});

// ids by OpenAI's code with ftfy, without start and end
const VECTORS: [text: string, ids: string][] = [
  ["", ""],
  ["a photo of a", "320 1125 539 320"],
  ["X X X X", "343 343 343 343"],
  ["X X X X face.", "343 343 343 343 1710 269"],
  ["a photo of a dog.", "320 1125 539 320 1929 269"],
  ["a photo of a tench.", "320 1125 539 320 1149 634 269"],
  ["a diagram", "320 22697"],
  ["Hello World!", "3306 1002 256"],
  ["it's a cat, isn't it?", "585 568 320 2368 267 2923 713 585 286"],
  ["don't can't I'LL", "847 713 753 713 328 1342"],
  ["2012 Tesla Model S", "273 271 272 273 12254 2863 338"],
  ["1234", "272 273 274 275"],
  ["10,000", "272 271 267 271 271 271"],
  ["Boeing 707-320", "11857 278 271 278 268 274 273 271"],
  ["Café naïve résumé", "15304 1097 35689 563 29106 7054 4166"],
  ["  multiple \t spaces\n here  ", "6470 9006 763"],
  ["hello_world", "3306 318 1002"],
  ["a centered satellite photo of Annual Crop Land.", "320 24584 10316 1125 539 2906 9955 973 269"],
  ["banded texture.", "37804 16505 269"],
  ["kite (bird of prey)", "19867 263 3329 539 17131 264"],
  ["X kite (bird of prey).", "343 19867 263 3329 539 17131 1818"],
  ["日本語", "39121 44353 34002 508"],
  ["한국어 리뷰", "15197 250 31871 255 31625 368 24621 31736 115 364"],
  ["🙂", "14860"],
  ["İstanbul", "328 16384 11231"],
  ["<|startoftext|>x<|endoftext|>", "49406 343 49407"],
];
// those that need cleanText, with what Hugging Face's pipeline alone makes of them
const CLEANED: [text: string, ids: string, alone: string][] = [
  ["&amp;lt;b&amp;gt;", "283 321 285", "261 6259 282 3333 282 321 261 6259 282 4725 282"],
  ["ﬁne “quotes”", "3797 257 5808 257", "171 105 223 1422 728 506 5808 728 507"],
];

const skip = existsSync(MERGES) ? false : "CLIP's list of merges is not here";
let clip: Tokenizer;
let alone: Tokenizer;
before(async () => {
  if (skip) return;
  const json = tokenizerJson(tokenizerFiles());
  clip = await loadTokenizer(JSON.stringify(json));
  alone = await loadTokenizer(json, { clean: false });
});

test("CLIP's byte-pair encoding gives OpenAI's ids", { skip }, () => {
  for (const [text, ids] of VECTORS) {
    assert.equal(clip.encode(text).join(" "), ids, text);
    assert.equal(alone.encode(text).join(" "), ids, text);
  }
  for (const [text, ids, withoutCleaning] of CLEANED) {
    assert.equal(clip.encode(text).join(" "), ids, text);
    assert.equal(alone.encode(text).join(" "), withoutCleaning, text);
  }
});

test("CLIP's rows are 77 long, padded with zeros, and cut before the end token", { skip }, () => {
  assert.deepEqual(
    [clip.vocabularySize, clip.startToken, clip.endToken, clip.contextLength],
    [49408, 49406, 49407, 77],
  );
  const { ids, count, length } = clip.tokenize(["a dog"]);
  assert.deepEqual([count, length, ids.length], [1, 77, 77]);
  assert.deepEqual([...ids], [49406, 320, 1929, 49407, ...new Array(73).fill(0)]);
  assert.throws(() => clip.tokenize(["a ".repeat(90)]), /has 92 tokens with start and end; at most 77 fit/);
  assert.deepEqual(
    [...clip.tokenize(["a ".repeat(90)], { truncate: true }).ids],
    [49406, ...new Array(75).fill(320), 49407],
  );
});

test("CLIP's ids turn back into text", { skip }, () => {
  assert.equal(clip.decode(clip.tokenize(["A photo, of a Café 🙂!"]).ids), "a photo , of a café 🙂!");
  assert.deepEqual([320, 1929, 256, 0, 127, 49407].map(clip.tokenText), ["a", "dog", "!", "!", "�", "<|endoftext|>"]);
});

test("the recorded ids of the goldens' texts and names are the tokenizer's", { skip }, () => {
  const recorded = JSON.parse(readFileSync(new URL("./goldens/tokens.json", import.meta.url), "utf8"));
  const plain = (name: string) => name.replaceAll("_", " ");
  for (const [text, ids] of Object.entries(recorded.texts)) assert.deepEqual(clip.encode(text), ids);
  for (const [name, ids] of Object.entries(recorded.names)) assert.deepEqual(clip.encode(plain(name)), ids);
  for (const [name, ids] of Object.entries(recorded.names_with_stop)) {
    assert.deepEqual(clip.encode(`${plain(name)}.`), ids);
    assert.deepEqual(clip.encode(`X X X X ${plain(name)}.`).slice(4), ids);
  }
  assert.deepEqual([recorded.start, recorded.end, recorded.context_length], [49406, 49407, 77]);
  assert.deepEqual(clip.encode("X"), [recorded.x]);
});
