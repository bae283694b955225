import type { BlockSpecs, Tower } from "../../data.ts";
import { type Arr, draw, jax, np } from "./library.ts";

/** A linear layer, the weight as [in, out]. */
export type Linear = { weight: Arr; bias: Arr };
export type Block = { [K in keyof BlockSpecs]: Linear };

export const block = (specs: BlockSpecs): Block =>
  Object.fromEntries(
    Object.entries(specs).map(([name, { weight, bias }]) => [
      name,
      { weight: np.transpose(draw(weight)), bias: draw(bias) },
    ]),
  ) as Block;

/** The same tree with each array counted once more: functions consume what they are given. */
export const kept = <T>(tree: T): T => jax.tree.map((x: Arr) => x.ref, tree as never) as T;

const linear = ({ weight, bias }: Linear, x: Arr): Arr => np.matmul(x, weight).add(bias);

/** Without gain and bias: they are 1 and 0 in every library's task. */
export const layerNorm = (x: Arr): Arr => jax.nn.standardize(x, -1, { epsilon: 1e-5 });

/** x [B, T, D] → [B, T, D]; consumes its arguments. */
export function residualBlock(p: Block, x: Arr, { width, heads }: Tower, causal: boolean): Arr {
  const [batch, length] = x.shape;
  const projected = linear(p.inProjection, layerNorm(x.ref));
  const size = width / heads;
  const [q, k, v] = np
    .split(projected, 3, -1)
    .map((part) => np.transpose(part.reshape([batch, length, heads, size]), [0, 2, 1, 3]));
  const scores = np.matmul(q, np.transpose(k, [0, 1, 3, 2])).mul(size ** -0.5); // [B, H, T, T]
  const seen = causal ? np.where(np.tri(length, length, 0, { dtype: np.bool }), scores, -1e9) : scores;
  const mixed = np.transpose(np.matmul(jax.nn.softmax(seen, -1), v), [0, 2, 1, 3]);
  const attended = x.add(linear(p.outProjection, mixed.reshape([batch, length, width])));
  const hidden = linear(p.expand, layerNorm(attended.ref));
  const active = hidden.ref.mul(jax.nn.sigmoid(hidden.mul(1.702)));
  return attended.add(linear(p.contract, active));
}
