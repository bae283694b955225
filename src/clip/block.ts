import {
  type AttentionPattern,
  add,
  attend,
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
}

/** Queries of some rows and keys and values of all, before attention. */
export interface Projected {
  /** [Q, D]. */
  readonly queries: Tensor;
  /** Keys beside values: [N, 2D]. */
  readonly keysValues: Tensor;
}

export const applyLinear = (p: LinearParams, x: Tensor): Tensor => linear(x, p.weight, p.bias);
export const applyNorm = (p: NormParams, x: Tensor, epsilon: number): Tensor => layerNorm(x, p.weight, p.bias, epsilon);

/**
 * The blocks of a tower on the flat rows of many sequences. Past the attention of the last block only the rows whose
 * features are wanted are computed.
 *
 * @param x [N, D]
 * @param first the projections of the first block, where they are known
 * @returns the end row of each sequence [K, D]
 */
export function transformer(
  blocks: readonly BlockParams[],
  x: Tensor,
  { all, ends, last }: Omit<SequenceRows, "positions">,
  options: LayerOptions,
  first?: Projected,
): Tensor {
  for (const [i, p] of blocks.entries()) {
    const final = i === blocks.length - 1 ? last : undefined;
    const pick = (rows: Tensor) => (final ? gatherRows(rows, ends) : rows);
    const { queries, keysValues } =
      i === 0 && first
        ? { ...first, queries: pick(first.queries) }
        : project(p, applyNorm(p.norm1, x, options.epsilon), pick);
    const mixed = selfAttention(p, queries, keysValues, final ?? all, options.heads);
    x = feedForward(p, add(pick(x), mixed), options);
  }
  return last ? x : gatherRows(x, ends);
}

/**
 * The projections of a block's attention.
 *
 * @param normed [N, D]
 * @param pick the rows that ask
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
