import { ARCHITECTURES } from "../clip/architectures.ts";
import { fileBytes } from "../clip/bytes.ts";
import {
  type ClipConfig,
  type ClipParams,
  clipPreprocess,
  loadClip,
  loadTokenizer,
  type PreprocessOptions,
  readConfig,
  type Tokenizer,
} from "../clip/index.ts";
import { initClip } from "../clip/init.ts";
import { readJson } from "../clip/read-file.ts";
import { commonWords, wordLevelTokenizerJson } from "../clip/word-tokenizer.ts";
import { key } from "../tensor/index.ts";
import type { Input } from "./command.ts";
import { modelName, modelSource } from "./model.ts";

/** Where a pre-training begins. */
export interface Start {
  readonly config: ClipConfig;
  readonly params: ClipParams;
  readonly tokenizer: Tokenizer;
  readonly pixels: PreprocessOptions;
  /** What it begins with, in words. */
  readonly description: string;
  /** What a checkpoint must agree on. */
  readonly identity: string;
}

/** Words that a tokenizer of whole words gets at most. */
const MAX_WORDS = 16_384;

/** A small CLIP for small pictures, with the sizes of the one that comes with coop. */
const TINY: ClipConfig = {
  embedDim: 64,
  activation: "quickGelu",
  layerNormEpsilon: 1e-5,
  vision: { kind: "vit", imageSize: 32, patchSize: 8, width: 96, layers: 4, heads: 3 },
  text: { contextLength: 32, vocabularySize: 0, width: 64, layers: 3, heads: 2 },
};

/**
 * `--model` goes on from a model; `--config` begins from nothing, with the tokenizer and preprocessing of `--model` where
 * both are given, else with the captions' words and CLIP's preprocessing.
 */
export async function startOf(input: Input, captions: readonly string[], seed: number): Promise<Start> {
  const [source, configuration] = [input.text("model"), input.text("config")];
  if (configuration === undefined) {
    const {
      config,
      params,
      tokenizer,
      pixels,
      sha256: hash,
    } = await loadClip(modelSource(source!), { trainable: true });
    const description = `the weights of ${modelName(source)}`;
    return { config, params, tokenizer, pixels, description, identity: hash };
  }
  const sizes = await readSizes(configuration);
  const { contextLength } = sizes.text;
  const lender = source === undefined ? undefined : await loadClip(modelSource(source));
  const words = lender ? [] : commonWords(captions, MAX_WORDS);
  const tokenizer = await loadTokenizer(lender?.tokenizer.json ?? wordLevelTokenizerJson(words), { contextLength });
  const config = { ...sizes, text: { ...sizes.text, vocabularySize: tokenizer.vocabularySize } };
  const { imageSize } = config.vision;
  const pixels = lender ? { ...lender.pixels, size: imageSize, crop: imageSize } : clipPreprocess(imageSize);
  const origin = lender
    ? `the tokenizer of ${modelName(source)}`
    : `a tokenizer of ${words.length} whole words of the captions`;
  lender?.free();
  return {
    config,
    params: initClip(config, key(seed)),
    tokenizer,
    pixels,
    description: `random weights (${configuration === "tiny" || Object.hasOwn(ARCHITECTURES, configuration) ? configuration : "a configuration of your own"}) and ${origin}`,
    identity: JSON.stringify({ config, pixels, tokenizer: lender?.sha256 ?? "words" }),
  };
}

async function readSizes(configuration: string): Promise<ClipConfig> {
  if (configuration === "tiny") return TINY;
  if (Object.hasOwn(ARCHITECTURES, configuration)) return ARCHITECTURES[configuration as keyof typeof ARCHITECTURES];
  const json = await readJson({ name: configuration, open: () => fileBytes(configuration) }, configuration);
  return readConfig(json, configuration);
}
