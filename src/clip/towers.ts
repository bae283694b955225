import { ShapeError } from "../tensor/errors.ts";
import {
  add,
  broadcastTo,
  concat,
  conv2d,
  gather,
  gatherRows,
  linear,
  reshape,
  slice,
  sub,
  type Tensor,
  transpose,
} from "../tensor/index.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import { expectTensors } from "../tensor/tensor.ts";
import { applyNorm, type Known, type LayerOptions, transformer } from "./block.ts";
import { type ClipConfig, gridOf, type ResNetConfig, type VisionConfig, type ViTConfig } from "./config.ts";
import type { ResNetParams, TextParams, VisionParams, ViTParams } from "./params.ts";
import { encodeResNet, type RunningStatistics, trainResNet } from "./resnet.ts";
import { pictureRows, type SequenceRows } from "./rows.ts";

/** How a tower is computed; its values do not depend on it. */
export interface TowerOptions {
  /**
   * Keep only what enters each block for the gradients and compute its inside again in the backward pass: less memory
   * for a third more work (Chen et al., arXiv 1604.06174). A ResNet keeps everything.
   */
  readonly recompute?: boolean;
}

/**
 * The image tower, a vision transformer or a ResNet.
 *
 * @param images [B, 3, R, R], normalised
 * @returns features [B, E], not normalised
 * @example const features = encodeImage(params.vision, config, images); // [B, E]
 */
export const encodeImage = (p: VisionParams, config: ClipConfig, images: Tensor, options: TowerOptions = {}): Tensor =>
  expectPictures(config, images).kind === "vit"
    ? encodeViT(p as ViTParams, config.vision as ViTConfig, config, images, options)
    : encodeResNet(p as ResNetParams, config.vision as ResNetConfig, images);

function expectPictures({ vision }: ClipConfig, images: Tensor): VisionConfig {
  const side = vision.imageSize;
  expectTensors("encodeImage", images);
  if (!sameShape(images.shape.slice(1), [3, side, side]))
    throw new ShapeError(`encodeImage: pictures are [N, 3, ${side}, ${side}], not ${showShape(images.shape)}`);
  return vision;
}

/**
 * The image tower while it is trained: the batch norms of a ResNet use the batch's own statistics.
 *
 * @returns features [B, E], not normalised, and the running statistics moved on
 * @example const [features, statistics] = trainImage(params.vision, config, images);
 */
export const trainImage = (
  p: VisionParams,
  config: ClipConfig,
  images: Tensor,
  options: TowerOptions = {},
): [Tensor, RunningStatistics] =>
  config.vision.kind === "vit"
    ? [encodeImage(p, config, images, options), []]
    : trainResNet(p as ResNetParams, config.vision, images);

/**
 * CLIP's vision transformer (Dosovitskiy et al., arXiv 2010.11929, with a norm before the blocks).
 *
 * @param images [B, 3, R, R], normalised
 * @returns features [B, E], not normalised
 */
function encodeViT(p: ViTParams, vision: ViTConfig, config: ClipConfig, images: Tensor, options: TowerOptions): Tensor {
  const { width, patchSize, heads } = vision;
  const batch = images.shape[0];
  const grid = gridOf(vision);
  const side = grid * patchSize; // a convolution drops pixels that fill no patch
  const whole = slice(images, [0, 0, 0, 0], [batch, 3, side, side]);
  const patches = conv2d(whole, p.patchEmbedding, { stride: patchSize }); // [B, W, G, G]
  const tokens = transpose(reshape(patches, [batch, width, grid * grid]), [0, 2, 1]); // [B, G², W]
  const first = broadcastTo(p.classEmbedding, [batch, 1, width]);
  const length = 1 + grid * grid;
  const embedded = add(concat([first, tokens], 1), p.positionalEmbedding); // [B, 1 + G², W]
  const x = applyNorm(p.preNorm, reshape(embedded, [batch * length, width]), config.layerNormEpsilon);
  const summary = transformer(p.blocks, x, pictureRows(batch, length), { ...layersOf(config, heads), ...options }); // [B, W]
  return linear(applyNorm(p.postNorm, summary, config.layerNormEpsilon), p.projection);
}

/**
 * The embeddings [N, D] of token ids [N]; zeros for an id that there is not.
 * @example const words = embedTokens(params.text, tensor(Int32Array.from(tokenizer.encode("a cat"))));
 */
export function embedTokens({ tokenEmbedding }: TextParams, ids: Tensor): Tensor {
  let first = 0;
  return tokenEmbedding
    .map((block) => {
      const found = gather(block, first > 0 ? sub(ids, first) : ids); // zeros for the rows of other blocks
      first += block.shape[0];
      return found;
    })
    .reduce((a, b) => add(a, b));
}

/** Texts as rows of one flat list. */
export interface TextBatch {
  /** i32 [N]; −1 where a row pads. */
  readonly ids: Tensor;
  readonly rows: SequenceRows;
}

/**
 * Text transformer on token ids (Radford et al., arXiv 2103.00020, §2.4).
 *
 * @returns features [K, E], not normalised
 * @example
 * const features = encodeText(params.text, config, textBatch(tokenizer.tokenize(["a cat"]), tokenizer)); // [1, E]
 */
export const encodeText = (
  p: TextParams,
  config: ClipConfig,
  { ids, rows }: TextBatch,
  options: TowerOptions = {},
): Tensor =>
  encodeEmbeddings(
    p,
    config,
    add(embedTokens(p, ids), gatherRows(p.positionalEmbedding, rows.positions)),
    rows,
    undefined,
    options,
  );

/**
 * Text transformer on embeddings: what prompt learning puts its context vectors into.
 *
 * @param embeddings [N, D], positions added
 * @param known what need not be computed
 * @returns features [K, E], not normalised
 * @example const features = encodeEmbeddings(params.text, config, embeddings, rows); // as `promptLearner` does
 */
export function encodeEmbeddings(
  p: TextParams,
  config: ClipConfig,
  embeddings: Tensor,
  rows: SequenceRows,
  known?: Known,
  options: TowerOptions = {},
): Tensor {
  const ends = transformer(p.blocks, embeddings, rows, { ...textLayers(config), ...options }, known); // [K, D]
  return linear(applyNorm(p.finalNorm, ends, config.layerNormEpsilon), p.projection);
}

/**
 * What the layers of the text tower have in common.
 * @example textLayers(clip.config).heads
 */
export const textLayers = (config: ClipConfig): LayerOptions => layersOf(config, config.text.heads);

const layersOf = (config: ClipConfig, heads: number): LayerOptions => ({
  heads,
  activation: config.activation,
  epsilon: config.layerNormEpsilon,
});
