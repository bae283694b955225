import {
  add,
  arange,
  broadcastTo,
  concat,
  conv2d,
  gather,
  linear,
  mul,
  reshape,
  slice,
  type Tensor,
  transpose,
} from "../tensor/index.ts";
import { applyNorm, type LayerOptions, residualBlock } from "./block.ts";
import { type ClipConfig, gridOf } from "./config.ts";
import type { TextParams, VisionParams } from "./params.ts";

/**
 * CLIP's vision transformer (Dosovitskiy et al., arXiv 2010.11929, with a norm before the blocks).
 *
 * @param images [B, 3, R, R], normalised
 * @returns features [B, E], not normalised
 */
export function encodeImage(p: VisionParams, config: ClipConfig, images: Tensor): Tensor {
  const { width, patchSize, heads } = config.vision;
  const batch = images.shape[0];
  const grid = gridOf(config.vision);
  const side = grid * patchSize; // a convolution drops pixels that fill no patch
  const whole = slice(images, [0, 0, 0, 0], [batch, 3, side, side]);
  const patches = conv2d(whole, p.patchEmbedding, { stride: patchSize }); // [B, W, G, G]
  const tokens = transpose(reshape(patches, [batch, width, grid * grid]), [0, 2, 1]); // [B, G², W]
  const first = broadcastTo(p.classEmbedding, [batch, 1, width]);
  const embedded = add(concat([first, tokens], 1), p.positionalEmbedding); // [B, 1 + G², W]
  const options: LayerOptions = {
    heads,
    causal: false,
    activation: config.activation,
    epsilon: config.layerNormEpsilon,
  };
  let x = applyNorm(p.preNorm, embedded, config.layerNormEpsilon);
  for (const block of p.blocks) x = residualBlock(block, x, options);
  const summary = reshape(slice(x, [0, 0], [batch, 1]), [batch, width]); // the class token
  return linear(applyNorm(p.postNorm, summary, config.layerNormEpsilon), p.projection);
}

/** Token ids cut at the last end of the batch: what follows has no influence, since the tower is causal. */
export interface TextBatch {
  /** i32 [K, T], T at most the context length. */
  readonly ids: Tensor;
  /** Position of the end token in each row: i32 [K]. */
  readonly ends: Tensor;
}

/**
 * Text transformer on token ids (Radford et al., arXiv 2103.00020, §2.4).
 *
 * @returns features [K, E], not normalised
 */
export const encodeText = (p: TextParams, config: ClipConfig, { ids, ends }: TextBatch): Tensor =>
  encodeEmbeddings(p, config, gather(p.tokenEmbedding, ids), ends);

/**
 * Text transformer on embeddings: what prompt learning puts its context vectors into.
 *
 * @param embeddings [K, T, D] without positions
 * @param ends position of the end token in each row: i32 [K]
 * @returns features [K, E], not normalised
 */
export function encodeEmbeddings(p: TextParams, config: ClipConfig, embeddings: Tensor, ends: Tensor): Tensor {
  const [count, length, width] = embeddings.shape;
  const options: LayerOptions = {
    heads: config.text.heads,
    causal: true,
    activation: config.activation,
    epsilon: config.layerNormEpsilon,
  };
  let x = add(embeddings, slice(p.positionalEmbedding, [0], [length]));
  for (const block of p.blocks) x = residualBlock(block, x, options);
  const at = add(mul(arange(count), length), ends); // rows of the flat [K T, D]
  const last = gather(reshape(x, [count * length, width]), at); // [K, D]
  return linear(applyNorm(p.finalNorm, last, config.layerNormEpsilon), p.projection);
}
