import { FormatError, InputError } from "../tensor/errors.ts";
import { compile, free, type Tensor, tensor } from "../tensor/index.ts";
import type { ClipConfig } from "./config.ts";
import type { ClipParams } from "./params.ts";
import { type PreprocessOptions, preprocess } from "./preprocess.ts";
import type { Picture } from "./resize.ts";
import { packSequences } from "./rows.ts";
import type { Tokenizer, TokenRows } from "./tokenizer.ts";
import { encodeImage, encodeText, type TextBatch } from "./towers.ts";

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

/** The parts of a model. */
export interface ClipParts {
  readonly name: string;
  readonly config: ClipConfig;
  readonly params: ClipParams;
  readonly tokenizer: Tokenizer;
  readonly pixels: PreprocessOptions;
  readonly sha256: string;
}

/**
 * A model from its parts: what `loadClip` returns.
 * @example const clip = await makeClip({ name: "mine", config, params, tokenizer, pixels, sha256: "0".repeat(64) });
 */
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
 * Texts on the device: cut behind their end tokens, packed, their common beginning once (see `packSequences`). `padTo`
 * gives all texts one length instead, so that batches of other texts have the same shapes.
 *
 * @example const batch = textBatch(tokenizer.tokenize(["a cat", "a dog"]), tokenizer);
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
 * @example const features = await imageFeatures(clip, pictures.map((picture) => clip.preprocess(picture)));
 */
export async function imageFeatures(
  clip: Clip,
  images: AsyncIterable<Float32Array> | Iterable<Float32Array>,
  batchSize = 32,
): Promise<Float32Array> {
  expectBatch(batchSize);
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
    if (image.length !== size)
      throw new InputError(`a picture is ${size} numbers, [3, ${side}, ${side}], not ${image.length}`);
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

/**
 * Features of many texts, a batch at a time, every batch with the same shapes, so that one program serves all. A text
 * that does not fit the context is cut.
 *
 * @returns [N, E] row-major, not normalised
 * @example const features = await textFeatures(clip, ["a photo of a cat.", "a photo of a dog."]); // 2 · E numbers
 */
export async function textFeatures(clip: Clip, texts: readonly string[], batchSize = 64): Promise<Float32Array> {
  expectBatch(batchSize);
  const { endToken, contextLength } = clip.tokenizer;
  const { ids, count, length } = clip.tokenizer.tokenize(texts, { truncate: true });
  const row = (i: number) => ids.subarray(i * length, (i + 1) * length);
  let padTo = 1;
  for (let i = 0; i < count; i++) padTo = Math.max(padTo, row(i).indexOf(endToken) + 1);
  const size = Math.min(batchSize, count);
  const encode = compile((batch: TextBatch) => encodeText(clip.params.text, clip.config, batch), {
    name: "encodeText",
  });
  const all = new Float32Array(count * clip.config.embedDim);
  for (let start = 0; start < count; start += size) {
    const rows = new Int32Array(size * length);
    for (let i = 0; i < size; i++) rows.set(row(Math.min(start + i, count - 1)), i * length);
    const batch = textBatch({ ids: rows, count: size, length }, { endToken, contextLength }, { padTo });
    const output = encode(batch);
    const features = (await output.data()) as Float32Array;
    all.set(features.subarray(0, Math.min(size, count - start) * clip.config.embedDim), start * clip.config.embedDim);
    free([batch, output]);
  }
  encode.free();
  return all;
}

function expectBatch(size: number): void {
  if (!Number.isInteger(size) || size < 1) throw new InputError(`the batchSize is ${size}; it is a whole number ≥ 1`);
}
