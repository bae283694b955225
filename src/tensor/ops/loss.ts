import { gridFor } from "../codegen.ts";
import { isFloat } from "../dtype.ts";
import { CoopError, DTypeError, ShapeError } from "../errors.ts";
import { type Attrs, defineOp } from "../op.ts";
import * as shaders from "../shaders.ts";
import { sameShape, showShape } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { arange } from "./basic.ts";
import { add, cast, equal, exp, less, logicalAnd, mul, neg, sub, where } from "./elementwise.ts";
import { oneHot } from "./gather.ts";
import { mean, sum } from "./reduce.ts";
import { logSumExp } from "./rows.ts";
import { broadcastTo, reshape } from "./view.ts";

const smoothingOf = (attrs: Attrs): number => attrs.smoothing as number;
const column = (x: Tensor): Tensor => reshape(x, [x.size, 1]);

/** (logits [N, K], labels [N], the logits' log-sum-exp [N]) → the loss of each row [N]. */
const CROSS_ENTROPY = defineOp({
  name: "crossEntropy",
  result: ([x]) => ({ shape: [x.shape[0]], dtype: x.dtype }),
  // (share softmax(x) - target) g; a label that is no class has no share and no target but what is spread over all
  vjp: ({ g, wrt, inputs: [x, labels, lse], attrs }) => {
    if (wrt !== 0) return undefined;
    const [smoothing, classes] = [smoothingOf(attrs), x.shape[1]];
    const label = broadcastTo(column(labels), x.shape);
    const isClass = labels.dtype === "u32" ? less(label, classes) : logicalAnd(less(-1, label), less(label, classes));
    const hit = mul(cast(equal(label, arange(classes, labels.dtype)), x.dtype), 1 - smoothing);
    const probabilities = exp(sub(x, column(lse)));
    return mul(sub(mul(probabilities, where(isClass, 1, smoothing)), add(hit, smoothing / classes)), column(g));
  },
  run: {
    kind: "kernel",
    kernels: [
      {
        name: "cross-entropy",
        source: shaders.crossEntropy,
        columns: () => 0,
        params: ({ inputs: [x], attrs }) => ({
          ROWS: x.shape[0],
          WIDTH: x.shape[1],
          SMOOTHING: smoothingOf(attrs),
          GRID: gridFor(x.shape[0])[0] * 64,
        }),
        workgroups: ({ inputs: [x] }) => gridFor(x.shape[0]),
      },
    ],
    composed: ([x, labels, lse], attrs) => {
      const logProbabilities = sub(x, column(lse));
      const hit = sum(mul(logProbabilities, oneHot(labels, x.shape[1])), 1);
      const smoothing = smoothingOf(attrs);
      return neg(add(mul(hit, 1 - smoothing), mul(mean(logProbabilities, 1), smoothing)));
    },
  },
});

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions {
  /** Share of the target spread evenly over all classes. */
  readonly labelSmoothing?: number;
}

/**
 * Mean of −log softmax(logits)[label].
 *
 * @param logits [N, K]
 * @param labels i32 or u32 [N]; a row whose label is no class has no hit to be judged by, and adds 0 to the mean
 * @returns a scalar
 * @throws ShapeError for other shapes, DTypeError for labels that are no class numbers
 * @example crossEntropy(tensor([[0, 0], [0, 0]]), tensor(Int32Array.of(0, 1))) // [0.69315]
 */
export function crossEntropy(logits: Tensor, labels: Tensor, options: CrossEntropyOptions = {}): Tensor {
  if (logits.rank !== 2 || !sameShape(labels.shape, [logits.shape[0]])) {
    throw new ShapeError(
      `crossEntropy: logits ${showShape(logits.shape)} and labels ${showShape(labels.shape)} are not [N, K] and [N]`,
    );
  }
  if (isFloat(labels.dtype) || labels.dtype === "bool")
    throw new DTypeError(`crossEntropy: labels are i32 class numbers, not ${labels.dtype}`);
  const { labelSmoothing: smoothing = 0 } = options;
  if (!(smoothing >= 0 && smoothing <= 1))
    throw new CoopError(`crossEntropy: labelSmoothing is ${smoothing}; it is 0 to 1`);
  const x = cast(logits, "f32");
  return mean(apply(CROSS_ENTROPY, [x, labels, logSumExp(x)], { smoothing }));
}
