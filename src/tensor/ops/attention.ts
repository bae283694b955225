import { isFloat } from "../dtype.ts";
import { DTypeError, ShapeError } from "../errors.ts";
import { sameShape, showShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { arange } from "./basic.ts";
import { add, cast, lessEqual, mul, neg, where } from "./elementwise.ts";
import { oneHot } from "./gather.ts";
import { matmul } from "./matmul.ts";
import { mean, sum } from "./reduce.ts";
import { logSoftmax, softmax } from "./rows.ts";
import { expandDims } from "./view.ts";

export interface AttentionOptions {
  /** Position i of the queries sees keys 0 … i + (keys − queries) only. */
  readonly causal?: boolean;
  /** Factor of the scores, 1/√d where not given. */
  readonly scale?: number;
}

/** Stands for −∞ in masked scores: finite, so that no kernel has to handle infinities. */
const MASKED = -1e30;

/**
 * softmax(q kᵀ · scale) v (Vaswani et al., arXiv 1706.03762 §3.2.1).
 *
 * @param q [..., T, d]
 * @param k [..., S, d]
 * @param v [..., S, e]
 * @returns [..., T, e]
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  if (q.rank < 2 || q.shape[q.rank - 1] !== k.shape[k.rank - 1] || k.shape[k.rank - 2] !== v.shape[v.rank - 2]) {
    throw new ShapeError(
      `attention: q ${showShape(q.shape)}, k ${showShape(k.shape)}, v ${showShape(v.shape)} are not [..., T, d], [..., S, d], [..., S, e]`,
    );
  }
  const [t, s] = [q.shape[q.rank - 2], k.shape[k.rank - 2]];
  const scale = options.scale ?? q.shape[q.rank - 1] ** -0.5;
  const scores = mul(matmul(q, k, { transposeB: true }), scale); // [..., T, S]
  if (!options.causal) return matmul(softmax(scores), v);
  const seen = lessEqual(arange(s), add(expandDims(arange(t), 1), s - t)); // [T, S]
  return matmul(softmax(where(seen, scores, MASKED)), v);
}

export interface CrossEntropyOptions {
  /** Share of the target spread evenly over all classes. */
  readonly labelSmoothing?: number;
}

/**
 * Mean of −log softmax(logits)[label].
 *
 * @param logits [N, K]
 * @param labels i32 or u32 [N], each below K
 * @returns a scalar
 */
export function crossEntropy(logits: Tensor, labels: Tensor, options: CrossEntropyOptions = {}): Tensor {
  if (logits.rank !== 2 || !sameShape(labels.shape, [logits.shape[0]])) {
    throw new ShapeError(
      `crossEntropy: logits ${showShape(logits.shape)} and labels ${showShape(labels.shape)} are not [N, K] and [N]`,
    );
  }
  if (isFloat(labels.dtype) || labels.dtype === "bool")
    throw new DTypeError(`crossEntropy: labels are i32 class numbers, not ${labels.dtype}`);
  const smoothing = options.labelSmoothing ?? 0;
  const logProbabilities = logSoftmax(cast(logits, "f32"));
  const hit = sum(mul(logProbabilities, oneHot(labels, logits.shape[1])), 1);
  if (smoothing === 0) return neg(mean(hit));
  return neg(mean(add(mul(hit, 1 - smoothing), mul(mean(logProbabilities, 1), smoothing))));
}
