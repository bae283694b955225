import { checkpoint } from "../autograd/grad.ts";
import {
  type AttentionPattern,
  add,
  attend,
  concat,
  gatherRows,
  gelu,
  layerNorm,
  linear,
  quickGelu,
  reshape,
  slice,
  type Tensor,
} from "../tensor/index.ts";
import type { ClipConfig } from "./config.ts";
import type { BlockParams, LinearParams, NormParams } from "./params.ts";
import type { SequenceRows } from "./rows.ts";

/** What every layer of a tower has in common. */
export interface LayerOptions {
  readonly heads: number;
  readonly activation: ClipConfig["activation"];
  readonly epsilon: number;
  /** Keep only what enters each block for the gradients, and compute its inside again for them. */
  readonly recompute?: boolean;
}

/** Queries of some rows and keys and values of all, before attention. */
export interface Projected {
  /** [Q, D]. */
  readonly queries: Tensor;
  /** Keys beside values: [N, 2D]. */
  readonly keysValues: Tensor;
}

/** What the rows of a tower need not compute. */
export interface Known {
  /** The projections of the first block. */
  readonly first?: Projected;
  /** Keys beside values of constant rows, for each block: [C, 2D]. */
  readonly constants?: readonly Tensor[];
}

/**
 * x Wᵀ + b (see `linear`) by a layer's parameters: [..., in] → [..., out].
 * @example applyLinear(params.text.blocks[0].expand, x); // [N, D] → [N, 4 D]
 */
export const applyLinear = (p: LinearParams, x: Tensor): Tensor => linear(x, p.weight, p.bias);
/**
 * Layer normalisation over the last axis (see `layerNorm`) by its parameters: [..., D] → [..., D].
 * @example applyNorm(params.text.finalNorm, x, config.layerNormEpsilon);
 */
export const applyNorm = (p: NormParams, x: Tensor, epsilon: number): Tensor => layerNorm(x, p.weight, p.bias, epsilon);

/**
 * The blocks of a tower on the flat rows of many sequences. Past the attention of the last block only the rows whose
 * features are wanted are computed.
 *
 * @param x [N, D]
 * @param known what is known before: the projections of the first block; the keys and values of constant rows, for each
 *   block, which stand before those of x
 * @returns the end row of each sequence [K, D]
 */
export function transformer(
  blocks: readonly BlockParams[],
  x: Tensor,
  { all, ends, last }: Omit<SequenceRows, "positions">,
  options: LayerOptions,
  { first, constants }: Known = {},
): Tensor {
  for (const [i, p] of blocks.entries()) {
    const final = i === blocks.length - 1 ? last : undefined;
    const pick = final && ((rows: Tensor) => gatherRows(rows, ends));
    const block = (p: BlockParams, x: Tensor, projected?: Projected, constants?: Tensor) =>
      residualBlock(p, x, final ?? all, options, { pick, projected, constants });
    x = (options.recompute ? checkpoint(block) : block)(p, x, i === 0 ? first : undefined, constants?.[i]);
  }
  return last ? x : gatherRows(x, ends);
}

/**
 * A pre-norm residual block, as in GPT-2: x + attention(norm(x)), then x + mlp(norm(x)).
 *
 * @param x [N, D]
 * @param pattern what the rows that are wanted see of all rows
 * @param known.pick the rows that are wanted, out of [N, …]; all where not given
 * @param known.projected queries, keys and values of all rows, where they are known
 * @param known.constants keys beside values of further rows, which stand before those of x: [C, 2D]
 * @returns [N, D], or the rows that `pick` gives
 */
export function residualBlock(
  p: BlockParams,
  x: Tensor,
  pattern: AttentionPattern,
  options: LayerOptions,
  {
    pick = (rows: Tensor) => rows,
    projected,
    constants,
  }: { pick?: (rows: Tensor) => Tensor; projected?: Projected; constants?: Tensor } = {},
): Tensor {
  const { queries, keysValues } = projected
    ? { ...projected, queries: pick(projected.queries) }
    : project(p, applyNorm(p.norm1, x, options.epsilon), pick);
  const seen = constants ? concat([constants, keysValues], 0) : keysValues;
  return feedForward(p, add(pick(x), selfAttention(p, queries, seen, pattern, options.heads)), options);
}

/**
 * Keys beside values of constant rows, for each block: `Known.constants`.
 *
 * @param x [C, D]
 * @param pattern what the rows see of one another
 * @returns one [C, 2D] for each block
 * @example
 * const constants = keysAndValues(params.text.blocks, x, pattern, textLayers(config)); // for `encodeEmbeddings`
 */
export function keysAndValues(
  blocks: readonly BlockParams[],
  x: Tensor,
  pattern: AttentionPattern,
  options: LayerOptions,
): Tensor[] {
  return blocks.map((p, i) => {
    const projected = project(p, applyNorm(p.norm1, x, options.epsilon));
    if (i < blocks.length - 1) x = residualBlock(p, x, pattern, options, { projected });
    return projected.keysValues;
  });
}

/**
 * The projections of a block's attention.
 *
 * @param normed [N, D]
 * @param pick the rows that ask
 * @example const { queries, keysValues } = project(blocks[0], applyNorm(blocks[0].norm1, x, epsilon));
 */
export function project(p: BlockParams, normed: Tensor, pick = (rows: Tensor) => rows): Projected {
  const width = normed.shape[1];
  const part = (from: number, to: number, x: Tensor) =>
    linear(
      x,
      slice(p.inProjection.weight, [from * width], [to * width]),
      slice(p.inProjection.bias, [from * width], [to * width]),
    );
  return { queries: part(0, 1, pick(normed)), keysValues: part(1, 3, normed) };
}

function selfAttention(
  p: BlockParams,
  queries: Tensor,
  keysValues: Tensor,
  pattern: AttentionPattern,
  heads: number,
): Tensor {
  const [rows, width] = queries.shape;
  const depth = width / heads;
  const q = reshape(queries, [rows, heads, depth]);
  const kv = reshape(keysValues, [keysValues.shape[0], 2 * heads, depth]);
  const mixed = attend(q, slice(kv, [0, 0], [undefined, heads]), slice(kv, [0, heads]), pattern); // [Q, H, d]
  return applyLinear(p.outProjection, reshape(mixed, [rows, width]));
}

/** x + mlp(norm(x)). */
function feedForward(p: BlockParams, x: Tensor, { activation, epsilon }: LayerOptions): Tensor {
  const hidden = applyLinear(p.expand, applyNorm(p.norm2, x, epsilon)); // [Q, 4D]
  return add(x, applyLinear(p.contract, activation === "gelu" ? gelu(hidden) : quickGelu(hidden)));
}
