import { isFloat } from "../dtype.ts";
import { DTypeError, ShapeError } from "../errors.ts";
import { sameShape, showShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { add, cast, mul, neg } from "./elementwise.ts";
import { oneHot } from "./gather.ts";
import { mean, sum } from "./reduce.ts";
import { logSoftmax } from "./rows.ts";

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
