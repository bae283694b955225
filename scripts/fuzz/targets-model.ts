import { readFileSync } from "node:fs";
import fc from "fast-check";
import { clipTokenizerJson } from "../../src/clip/bpe.ts";
import { memoryBytes } from "../../src/clip/bytes.ts";
import { cleanText } from "../../src/clip/clean-text.ts";
import { readConfig } from "../../src/clip/config.ts";
import { inferConfig } from "../../src/clip/infer-config.ts";
import { namesIn, parameterTable } from "../../src/clip/layouts.ts";
import { readOpenClipConfig } from "../../src/clip/open-clip-config.ts";
import { openWeights } from "../../src/clip/open-weights.ts";
import { readPreprocess } from "../../src/clip/preprocess.ts";
import { readJson, readText } from "../../src/clip/read-file.ts";
import { writeSafetensors } from "../../src/clip/safetensors.ts";
import type { ModelFiles } from "../../src/clip/source.ts";
import { loadTokenizer, type Tokenizer } from "../../src/clip/tokenizer.ts";
import { commonWords, wordLevelTokenizerJson } from "../../src/clip/word-tokenizer.ts";
import { entries, PRESETS } from "../../test/make-model.mjs";
import { BYTE_MUTATIONS, TEXT_MUTATIONS } from "./mutate-bytes.ts";
import { editSafetensorsHeader } from "./mutate-formats.ts";
import { editJson } from "./mutate-json.ts";
import { type Target, textOf, utf8, watched } from "./target.ts";

const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value));
const tiny = (file: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../models/tiny-clip/${file}`, import.meta.url)));

/** A model's folder that holds one file. */
const oneFile = (file: string, bytes: Uint8Array): ModelFiles => ({
  name: "model",
  open: async (name) => (name === file ? watched(bytes, name) : undefined),
});

const TEXTS = ["a photo of a cat.", "", "  Ünïcode 名前 🙂 \ud83d e\u0301 &amp; ''s 42", "x".repeat(300)];

const OPEN_CLIP = {
  model_cfg: {
    embed_dim: 512,
    vision_cfg: { image_size: 224, layers: 12, width: 768, patch_size: 32 },
    text_cfg: { context_length: 77, vocab_size: 49408, width: 512, heads: 8, layers: 12 },
  },
  preprocess_cfg: { mean: [0.4, 0.4, 0.4], std: [0.2, 0.2, 0.2], interpolation: "bicubic", resize_mode: "shortest" },
};

/** A tokenizer of words with other steps than the usual ones. */
function withSteps(change: object, model: object = {}): Uint8Array {
  const usual = wordLevelTokenizerJson(["cat", "dog", "."]) as { model: object };
  return json({ ...usual, ...change, model: { ...usual.model, ...model } });
}
const space = { pattern: { Regex: "\\s+" }, content: " " };
const STEPS: readonly Uint8Array[] = [
  withSteps(
    { pre_tokenizer: { type: "FixedLength", length: 3 } },
    { type: "WordPiece", continuing_subword_prefix: "##" },
  ),
  withSteps({ pre_tokenizer: { type: "Metaspace", replacement: "▁" }, decoder: { type: "Metaspace" } }),
  withSteps({ pre_tokenizer: { type: "Punctuation" }, decoder: { type: "WordPiece", prefix: "##" } }),
  withSteps({ pre_tokenizer: { type: "Digits", individual_digits: true }, decoder: { type: "Fuse" } }),
  withSteps({ pre_tokenizer: { type: "Replace", ...space }, decoder: { type: "Replace", ...space } }),
  withSteps({ normalizer: { type: "BertNormalizer", lowercase: true }, decoder: { type: "ByteFallback" } }),
  withSteps({
    normalizer: { type: "Prepend", prepend: "▁" },
    decoder: { type: "Strip", content: " ", start: 1, stop: 0 },
  }),
  withSteps({
    normalizer: {
      type: "Sequence",
      normalizers: [{ type: "Strip" }, { type: "Replace", ...space }, { type: "NFKD" }, { type: "StripAccents" }],
    },
    decoder: { type: "CTC", pad_token: "<pad>" },
  }),
  withSteps(
    {},
    {
      type: "Unigram",
      unk_id: 0,
      vocab: [
        ["<pad>", 0],
        ["cat", -1],
        ["<|startoftext|>", -2],
        ["<|endoftext|>", -3],
      ],
    },
  ),
];

/** A model's weights with the header alone: every tensor is empty of bytes but for its name and rank. */
const openAiWeights = (): Uint8Array =>
  writeSafetensors(
    [...entries(PRESETS["tiny-vit"] ?? Object.values(PRESETS)[0], "openai")].map(([name, , shape]) => {
      const narrow = shape.map((n) => Math.min(n, 64));
      return [name, { dtype: "U8", shape: narrow, data: new Uint8Array(narrow.reduce((a, b) => a * b, 1)) }] as const;
    }),
  );

let words: Promise<Tokenizer> | undefined;
const anyText = fc.oneof(fc.string({ unit: "binary", maxLength: 60 }), fc.string({ unit: "grapheme", maxLength: 40 }));

/** The other files of a model, and the texts given to it. */
export const MODEL: readonly Target[] = [
  {
    name: "config",
    files: ["/clip/config.ts", "/clip/open-clip-config.ts", "/clip/preprocess.ts", "/clip/read-file.ts"],
    seeds: () => [
      tiny("config.json"),
      tiny("preprocessor_config.json"),
      json(OPEN_CLIP),
      json({ model_type: "clip", text_config: {}, vision_config: {} }),
    ],
    mutations: [editJson, editJson, editJson, ...TEXT_MUTATIONS],
    async parse(bytes) {
      const value = await readJson(oneFile("config.json", bytes), "config.json");
      const fields = Object(value) as object;
      if ("model_cfg" in fields) return readOpenClipConfig(value);
      if ("do_resize" in fields || "image_mean" in fields) return readPreprocess(value);
      const config = readConfig(value);
      return parameterTable(config, namesIn(new Map()));
    },
  },
  {
    name: "inferred-config",
    files: ["/clip/infer-config.ts", "/clip/open-weights.ts"],
    seeds: () => [openAiWeights()],
    mutations: [editSafetensorsHeader],
    longest: 2 ** 20,
    async parse(bytes) {
      const weights = await openWeights({ ...oneFile("w.safetensors", bytes), weights: "w.safetensors" });
      const config = inferConfig(weights.checkpoint.tensors, "w.safetensors");
      parameterTable(config, namesIn(weights.checkpoint.tensors));
      await weights.close();
    },
  },
  {
    name: "shard-index",
    files: ["/clip/open-weights.ts"],
    seeds: () => [
      json({ metadata: {}, weight_map: { w: "model-1.safetensors" } }),
      json({ weight_map: { w: "model-1.safetensors", v: "model-2.safetensors" } }),
    ],
    mutations: [editJson, ...TEXT_MUTATIONS],
    async parse(bytes) {
      const opened: string[] = [];
      const shard = writeSafetensors([["w", { dtype: "U8", shape: [1], data: new Uint8Array(1) }]]);
      const weights = await openWeights({
        name: "model",
        async open(file) {
          opened.push(file);
          if (file === "model.safetensors.index.json") return watched(bytes, file);
          return file === "model-1.safetensors" ? memoryBytes(shard, file) : undefined;
        },
      }).finally(() => {
        const outside = opened.find((file) => /[/\\]|^\.\.$/.test(file));
        if (outside !== undefined) throw new Error(`${JSON.stringify(outside)} was opened`);
      });
      await weights.sha256();
    },
  },
  {
    name: "tokenizer",
    files: ["/clip/tokenizer.ts", "/dist/tokenizers.mjs"],
    seeds: () =>
      [
        tiny("tokenizer.json"),
        ...STEPS,
        json(wordLevelTokenizerJson(["cat", "dog", "."])),
        json(clipTokenizerJson("v\na b\nab c</w>\n")),
      ].filter((seed) => seed.length < 2 ** 17),
    mutations: [editJson, editJson, editJson, ...TEXT_MUTATIONS],
    longest: 2 ** 17,
    async parse(bytes) {
      const text = await readText(oneFile("tokenizer.json", bytes), "tokenizer.json");
      const tokenizer = await loadTokenizer(text!);
      for (const text of TEXTS) {
        const { ids } = tokenizer.tokenize([text], { truncate: true });
        if (!ids.every((id) => id >= 0 && id < tokenizer.vocabularySize))
          throw new Error(`ids ${[...ids].slice(0, 9)}`);
        tokenizer.decode(ids.subarray(0, 9));
      }
    },
  },
  {
    name: "merges",
    files: ["/clip/bpe.ts", "/clip/tokenizer.ts"],
    seeds: () => [utf8('"bpe_simple_vocab_16e6.txt#version: 0.2\ni n\nt h\na n\nth e</w>\n')],
    mutations: TEXT_MUTATIONS,
    longest: 2 ** 12,
    async parse(bytes) {
      const tokenizer = await loadTokenizer(clipTokenizerJson((await readText(oneFile("m.txt", bytes), "m.txt"))!));
      for (const text of TEXTS) tokenizer.decode(tokenizer.tokenize([text], { truncate: true }).ids);
    },
  },
  {
    name: "texts",
    files: ["/clip/clean-text.ts", "/clip/word-tokenizer.ts", "/clip/tokenizer.ts", "/dist/tokenizers.mjs"],
    // UTF-16 as it lies in memory, halves of surrogate pairs and all
    seeds: (random) =>
      fc
        .sample(anyText, { numRuns: 60, seed: random.below(2 ** 31) })
        .map((text) => new Uint8Array(Buffer.from(text, "utf16le"))),
    mutations: BYTE_MUTATIONS,
    async parse(bytes) {
      words ??= loadTokenizer(textOf(tiny("tokenizer.json")));
      const text = Buffer.from(bytes).toString("utf16le");
      const tokenizer = await words;
      const { ids } = tokenizer.tokenize([text, cleanText(text)], { truncate: true });
      for (const id of ids) if (!(id >= 0 && id < tokenizer.vocabularySize)) throw new Error(`the id ${id}`);
      tokenizer.decode(ids);
      const own = await loadTokenizer(wordLevelTokenizerJson(commonWords([text], 50)), { contextLength: 2 ** 17 });
      own.decode(own.tokenize([text]).ids);
    },
  },
];
