import type { BlockSpecs, Tower } from "../../data.ts";
import { draw, tf } from "./library.ts";

/** A linear layer with its weight as [in, out], the layout that TensorFlow.js itself uses. */
export interface Linear {
  readonly weight: tf.Tensor2D;
  readonly bias: tf.Tensor1D;
}

export type Block = { readonly [K in keyof BlockSpecs]: Linear };

export const block = (specs: BlockSpecs): Block =>
  Object.fromEntries(
    Object.entries(specs).map(([name, { weight, bias }]) => [
      name,
      { weight: tf.tidy(() => tf.transpose(draw<tf.Rank.R2>(weight))), bias: draw<tf.Rank.R1>(bias) },
    ]),
  ) as Block;

/** x [N, in] → [N, out]. */
const linear = ({ weight, bias }: Linear, x: tf.Tensor2D): tf.Tensor2D => tf.add(tf.matMul(x, weight), bias);

/** Without gain and bias: they are 1 and 0 in every library's task. */
export function layerNorm<T extends tf.Tensor>(x: T): T {
  const { mean, variance } = tf.moments(x, -1, true);
  return tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
}

/** [T, T]: 0 where place i sees place j, −10⁹ elsewhere. */
export const causalMask = (length: number): tf.Tensor2D =>
  tf.tensor2d(
    Float32Array.from({ length: length * length }, (_, i) => (i % length <= Math.floor(i / length) ? 0 : -1e9)),
    [length, length],
  );

/** x [B T, D] → [B T, D]. */
export function residualBlock(
  p: Block,
  x: tf.Tensor2D,
  { width, heads }: Tower,
  length: number,
  mask?: tf.Tensor2D,
): tf.Tensor2D {
  const [rows, size] = [x.shape[0], width / heads];
  const batch = rows / length;
  const parts = tf.split(linear(p.inProjection, layerNorm(x)), 3, 1);
  const [q, k, v] = parts.map((part) => tf.transpose(tf.reshape(part, [batch, length, heads, size]), [0, 2, 1, 3]));
  const scores = tf.mul(tf.matMul(q, k, false, true), size ** -0.5);
  const mixed = tf.matMul(tf.softmax(mask ? tf.add(scores, mask) : scores), v);
  const joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [rows, width]) as tf.Tensor2D;
  const attended = tf.add(x, linear(p.outProjection, joined)) as tf.Tensor2D;
  const hidden = linear(p.expand, layerNorm(attended));
  const active = tf.mul(hidden, tf.sigmoid(tf.mul(hidden, 1.702))) as tf.Tensor2D;
  return tf.add(attended, linear(p.contract, active));
}
