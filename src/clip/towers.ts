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
  type Tensor,
  transpose,
} from "../tensor/index.ts";
import { applyNorm, type Known, type LayerOptions, transformer } from "./block.ts";
import { type ClipConfig, gridOf } from "./config.ts";
import type { TextParams, VisionParams } from "./params.ts";
import { pictureRows, type SequenceRows } from "./rows.ts";

/** How a tower is computed; its values do not depend on it. */
export interface TowerOptions {
  /**
   * Keep only what enters each block for the gradients and compute its inside again in the backward pass: less memory
   * for a third more work (Chen et al., arXiv 1604.06174).
   */
  readonly recompute?: boolean;
}

/**
 * CLIP's vision transformer (Dosovitskiy et al., arXiv 2010.11929, with a norm before the blocks).
 *
 * @param images [B, 3, R, R], normalised
 * @returns features [B, E], not normalised
 */
export function encodeImage(p: VisionParams, config: ClipConfig, images: Tensor, options: TowerOptions = {}): Tensor {
  const { width, patchSize, heads } = config.vision;
  const batch = images.shape[0];
  const grid = gridOf(config.vision);
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
    add(gather(p.tokenEmbedding, ids), gatherRows(p.positionalEmbedding, rows.positions)),
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

/** What the layers of the text tower have in common. */
export const textLayers = (config: ClipConfig): LayerOptions => layersOf(config, config.text.heads);

const layersOf = (config: ClipConfig, heads: number): LayerOptions => ({
  heads,
  activation: config.activation,
  epsilon: config.layerNormEpsilon,
});
