import type { BlockSpecs, Tower } from "../../data.ts";
import { type Arr, draw, jax, np } from "./library.ts";

/** A linear layer, the weight as [in, out]. */
export type Linear = { weight: Arr; bias: Arr };
/**
 * Queries, keys and values are projected apart: with one projection that is split afterwards, jax-js 0.1.25 compiles
 * for minutes on WebGPU, and its gradient is not that of its own wasm backend.
 */
export type Block = {
  query: Linear;
  key: Linear;
  value: Linear;
  outProjection: Linear;
  expand: Linear;
  contract: Linear;
};

const linearOf = ({ weight, bias }: BlockSpecs["expand"]): Linear => ({
  weight: np.transpose(draw(weight)),
  bias: draw(bias),
});

export function block(specs: BlockSpecs): Block {
  const { weight, bias } = linearOf(specs.inProjection);
  const weights = np.split(weight, 3, 1);
  const biases = np.split(bias, 3, 0);
  const [query, key, value] = weights.map((part, i) => ({ weight: part, bias: biases[i] }));
  const [outProjection, expand, contract] = [specs.outProjection, specs.expand, specs.contract].map(linearOf);
  return { query, key, value, outProjection, expand, contract };
}

/** The same tree with each array counted once more: functions consume what they are given. */
export const kept = <T>(tree: T): T => jax.tree.map((x: Arr) => x.ref, tree as never) as T;

const linear = ({ weight, bias }: Linear, x: Arr): Arr => np.matmul(x, weight).add(bias);

/** Without gain and bias: they are 1 and 0 in every library's task. */
export const layerNorm = (x: Arr): Arr => jax.nn.standardize(x, -1, { epsilon: 1e-5 });

/** x [B, T, D] → [B, T, D]; consumes its arguments. */
export function residualBlock(p: Block, x: Arr, { width, heads }: Tower, causal: boolean): Arr {
  const [batch, length] = x.shape;
  const size = width / heads;
  const seen = layerNorm(x.ref);
  const split = (part: Arr): Arr => np.transpose(part.reshape([batch, length, heads, size]), [0, 2, 1, 3]);
  const q = split(linear(p.query, seen.ref));
  const k = split(linear(p.key, seen.ref));
  const v = split(linear(p.value, seen));
  const scores = np.matmul(q, np.transpose(k, [0, 1, 3, 2])).mul(size ** -0.5); // [B, H, T, T]
  const masked = causal ? np.where(np.tri(length, length, 0, { dtype: np.bool }), scores, -1e9) : scores;
  const mixed = np.transpose(np.matmul(jax.nn.softmax(masked, -1), v), [0, 2, 1, 3]);
  const attended = x.add(linear(p.outProjection, mixed.reshape([batch, length, width])));
  const hidden = linear(p.expand, layerNorm(attended.ref));
  const active = hidden.ref.mul(jax.nn.sigmoid(hidden.mul(1.702)));
  return attended.add(linear(p.contract, active));
}
