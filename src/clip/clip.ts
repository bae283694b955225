import { FormatError } from "../tensor/errors.ts";
import { compile, free, type Tensor, tensor } from "../tensor/index.ts";
import { type ClipConfig, readConfig } from "./config.ts";
import type { ClipParams } from "./params.ts";
import { clipPreprocess, type PreprocessOptions, preprocess, readPreprocess } from "./preprocess.ts";
import type { Picture } from "./resize.ts";
import { packSequences } from "./rows.ts";
import { openSafetensors } from "./safetensors.ts";
import { type ModelFiles, modelFiles, readJson, sha256 } from "./source.ts";
import { loadTokenizer, type Tokenizer, type TokenRows } from "./tokenizer.ts";
import { encodeImage, encodeText, type TextBatch } from "./towers.ts";
import { loadWeights } from "./weights.ts";

/** A CLIP model that is ready to use. */
export interface Clip {
  /** Where it came from. */
  readonly name: string;
  readonly config: ClipConfig;
  readonly params: ClipParams;
  /** Factor on the cosines, exp of the parameter: 100 in the released models. */
  readonly logitScale: number;
  readonly tokenizer: Tokenizer;
  /** How pictures become what the image tower takes. */
  readonly pixels: PreprocessOptions;
  /** SHA-256 of the weights file. */
  readonly sha256: string;
  /**
   * Features of pictures, not normalised.
   *
   * @param images f32 [N, 3, R, R] from `preprocess`
   * @returns [N, E]
   */
  encodeImage(images: Tensor): Tensor;
  /** Features [K, E] of token rows, not normalised. */
  encodeText(tokens: TokenRows): Tensor;
  /** Token rows of texts; InputError for one that does not fit the context. */
  tokenize(texts: readonly string[]): TokenRows;
  /** A picture as the image tower takes it: float32 [3, R, R], row-major. */
  preprocess(picture: Picture): Float32Array;
  /** Gives the device memory back. */
  free(): void;
}

/**
 * Loads a CLIP model from a folder or an address that holds Hugging Face's files: `config.json`, `model.safetensors`,
 * `tokenizer.json` and `preprocessor_config.json`.
 *
 * @throws InputError where the source or a file is missing, FormatError where one is not what it should be
 * @example
 * const clip = await loadClip("models/tiny-clip");
 * const features = clip.encodeText(clip.tokenize(["a photo of a cat."]));
 */
export async function loadClip(source: string | ModelFiles): Promise<Clip> {
  const files = typeof source === "string" ? await modelFiles(source) : source;
  const missing = (file: string) =>
    new FormatError(`${files.name}: there is no ${file} in it; a CLIP model in Hugging Face's layout has one`);
  const json = async (file: string) => (await readJson(files, file)) ?? Promise.reject(missing(file));
  const config = readConfig(await json("config.json"), `${files.name}/config.json`);
  const tokenizer = await loadTokenizer((await json("tokenizer.json")) as object, {
    contextLength: config.text.contextLength,
    name: `${files.name}/tokenizer.json`,
  });
  if (tokenizer.vocabularySize > config.text.vocabularySize) {
    throw new FormatError(
      `${files.name}/tokenizer.json: it has ${tokenizer.vocabularySize} tokens, the model ${config.text.vocabularySize}; they are not of one model`,
    );
  }
  const given = await readJson(files, "preprocessor_config.json");
  const pixels =
    given === undefined
      ? clipPreprocess(config.vision.imageSize)
      : readPreprocess(given, `${files.name}/preprocessor_config.json`);
  if (pixels.crop !== config.vision.imageSize) {
    throw new FormatError(
      `${files.name}/preprocessor_config.json: pictures are cropped to ${pixels.crop} pixels, but the model takes ${config.vision.imageSize}`,
    );
  }
  const weights = await files.open("model.safetensors");
  if (!weights) throw missing("model.safetensors");
  try {
    const params = await loadWeights(await openSafetensors(weights), config);
    return makeClip({ name: files.name, config, params, tokenizer, pixels, sha256: await sha256(weights) });
  } finally {
    await weights.close?.();
  }
}

/** The parts of a model. */
export interface ClipParts {
  readonly name: string;
  readonly config: ClipConfig;
  readonly params: ClipParams;
  readonly tokenizer: Tokenizer;
  readonly pixels: PreprocessOptions;
  readonly sha256: string;
}

/** A model from its parts: what `loadClip` returns. */
export async function makeClip({ name, config, params, tokenizer, pixels, sha256: hash }: ClipParts): Promise<Clip> {
  const image = compile((images: Tensor) => encodeImage(params.vision, config, images), { name: "encodeImage" });
  const text = compile((batch: TextBatch) => encodeText(params.text, config, batch), { name: "encodeText" });
  return {
    name,
    config,
    params,
    tokenizer,
    pixels,
    sha256: hash,
    logitScale: Math.exp((await params.logitScale.data())[0]),
    encodeImage: image,
    encodeText: (tokens) => text(textBatch(tokens, tokenizer)),
    tokenize: (texts) => tokenizer.tokenize(texts),
    preprocess: (picture) => preprocess(picture, pixels),
    free: () => {
      image.free();
      text.free();
      free(params);
    },
  };
}

/**
 * Texts on the device: cut behind their end tokens, packed, their common beginning once (see `packSequences`).
 *
 * @param options.padTo a length for all texts instead, so that batches of other texts have the same shapes
 */
export function textBatch(
  { ids, count, length }: TokenRows,
  { endToken, contextLength }: Pick<Tokenizer, "endToken" | "contextLength">,
  { padTo }: { padTo?: number } = {},
): TextBatch {
  const texts = Array.from({ length: count }, (_, i) => {
    const row = ids.subarray(i * length, (i + 1) * length);
    const end = row.indexOf(endToken);
    if (end < 0) throw new FormatError(`token row ${i} has no end token (${endToken})`);
    return [...row.subarray(0, end + 1)];
  });
  const { items, rows } = packSequences(texts, (id) => id, { contextLength, padTo });
  return { ids: tensor(Int32Array.from(items, (id) => id ?? -1)), rows };
}

/**
 * Features of many pictures, a batch at a time; the last batch is filled up with zeros, so that one program serves all.
 *
 * @param images float32 [3, R, R] each, from `clip.preprocess`
 * @returns [N, E] row-major, not normalised
 */
export async function imageFeatures(
  clip: Clip,
  images: AsyncIterable<Float32Array> | Iterable<Float32Array>,
  batchSize = 32,
): Promise<Float32Array> {
  const side = clip.config.vision.imageSize;
  const size = 3 * side * side;
  const done: Float32Array[] = [];
  let batch = new Float32Array(batchSize * size);
  let filled = 0;
  const flush = async () => {
    if (filled === 0) return;
    const input = tensor(batch, [batchSize, 3, side, side]);
    const output = clip.encodeImage(input);
    const features = (await output.data()) as Float32Array;
    free([input, output]);
    done.push(features.slice(0, filled * clip.config.embedDim));
    batch = new Float32Array(batchSize * size);
    filled = 0;
  };
  for await (const image of images) {
    batch.set(image, filled++ * size);
    if (filled === batchSize) await flush();
  }
  await flush();
  const all = new Float32Array(done.reduce((n, f) => n + f.length, 0));
  let at = 0;
  for (const features of done) {
    all.set(features, at);
    at += features.length;
  }
  return all;
}
