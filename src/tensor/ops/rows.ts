import { promote } from "../dtype.ts";
import { ShapeError } from "../errors.ts";
import { type Attrs, defineOp, type KernelCall, type Op } from "../op.ts";
import * as shaders from "../shaders.ts";
import { normalizeAxis, showShape } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { expectFloat, ones } from "./basic.ts";
import { add, cast, div, exp, log, mul, rsqrt, square, sub } from "./elementwise.ts";
import { rowKernels } from "./lanes.ts";
import { max, mean, sum } from "./reduce.ts";
import { reshape, sumTo, swapAxes, transpose } from "./view.ts";

const last = { keepDims: true } as const;

const SOFTMAX = defineOp({
  name: "softmax",
  result: ([x]) => x,
  vjp: ({ g, output: y }) => mul(y, sub(g, sum(mul(g, y), -1, last))),
  run: {
    kind: "kernel",
    kernels: rowKernels("softmax", shaders.softmax, 7),
    composed: ([x]) => {
      const e = exp(sub(x, max(x, -1, last)));
      return div(e, sum(e, -1, last));
    },
  },
});

const onAxis = (name: string, x: Tensor, axis: number, f: (x: Tensor) => Tensor): Tensor => {
  expectFloat(name, x);
  const at = normalizeAxis(name, axis, x.rank);
  if (x.size === 0) return x;
  return at === x.rank - 1 ? f(x) : swapAxes(f(swapAxes(x, at, -1)), at, -1);
};

/**
 * exp(x) normalised to sum 1 along an axis, the last where none is named.
 * @example softmax(tensor([0, Math.log(3)])) // [0.25, 0.75]
 */
export const softmax = (x: Tensor, axis = -1): Tensor => onAxis("softmax", x, axis, (t) => apply(SOFTMAX, [t]));

const LOG_SUM_EXP = defineOp({
  name: "logSumExp",
  result: ([x]) => ({ shape: x.shape.slice(0, -1), dtype: x.dtype }),
  vjp: ({ g, inputs: [x], output }) => {
    const column = (t: Tensor) => reshape(t, [...t.shape, 1]);
    return mul(exp(sub(x, column(output))), column(g));
  },
  run: {
    kind: "kernel",
    kernels: rowKernels("log-sum-exp", shaders.logSumExp, 5, { columns: () => 0 }),
    composed: ([x]) => {
      const largest = max(x, -1, last);
      return reshape(add(log(sum(exp(sub(x, largest)), -1, last)), largest), x.shape.slice(0, -1));
    },
  },
});

/**
 * log Σ exp(x) along an axis, which vanishes; shifted by the maximum, so that it does not overflow.
 *
 * @throws ShapeError where there are no elements along the axis
 * @example logSumExp(tensor([[0, Math.log(3)]])) // [1.38629]
 */
export function logSumExp(x: Tensor, axis = -1): Tensor {
  expectFloat("logSumExp", x);
  const at = normalizeAxis("logSumExp", axis, x.rank);
  if (x.shape[at] === 0) throw new ShapeError(`logSumExp: ${showShape(x.shape)} has no elements along axis ${at}`);
  const moved = at === x.rank - 1 ? x : transpose(x, [...x.shape.keys()].filter((i) => i !== at).concat(at));
  return apply(LOG_SUM_EXP, [moved]);
}

/**
 * log softmax(x) along an axis, the last where none is named.
 * @example logSoftmax(tensor([0, Math.log(3)])) // [-1.38629, -0.28768]
 */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  const at = normalizeAxis("logSoftmax", axis, x.rank);
  return sub(
    x,
    reshape(
      logSumExp(x, at),
      x.shape.map((n, i) => (i === at ? 1 : n)),
    ),
  );
}

const moments = (x: Tensor) => {
  const centred = sub(x, mean(x, -1, last));
  return { centred, variance: mean(square(centred), -1, last) };
};
const widthOf = (x: Tensor): number => x.shape[x.rank - 1];
const epsilonOf = (attrs: Attrs): number => attrs.epsilon as number;
const epsilonField = ({ attrs }: KernelCall) => ({ EPSILON: epsilonOf(attrs) });

const STANDARDIZE = defineOp({
  name: "standardize",
  result: ([x]) => x,
  vjp: ({ g, inputs: [x], attrs }) => apply(LAYER_NORM_GRAD, [x, ones([widthOf(x)], x.dtype), g], attrs),
  run: {
    kind: "kernel",
    kernels: rowKernels("standardize", shaders.standardize, 6, { fields: epsilonField }),
    composed: ([x], attrs) => {
      const { centred, variance } = moments(x);
      return mul(centred, rsqrt(add(variance, epsilonOf(attrs))));
    },
  },
});

/** (x, gain [D], g) → the gradient of gain · standardize(x) with respect to x. */
const LAYER_NORM_GRAD = defineOp({
  name: "layerNormGrad",
  result: ([x]) => x,
  run: {
    kind: "kernel",
    kernels: rowKernels("layer-norm-grad", shaders.layerNormGrad, 15, { fields: epsilonField, slowToCompile: true }),
    composed: ([x, gain, g], attrs) => {
      const { centred, variance } = moments(x);
      const scale = rsqrt(add(variance, epsilonOf(attrs)));
      const y = mul(centred, scale);
      const gy = mul(g, gain);
      return mul(sub(sub(gy, mean(gy, -1, last)), mul(y, mean(mul(gy, y), -1, last))), scale);
    },
  },
});

/** (x, weight [D], bias [D]). Forward, weight and bias are fused into the kernel of standardize. */
const LAYER_NORM: Op = defineOp({
  name: "layerNorm",
  result: ([x]) => x,
  vjp: ({ g, wrt, inputs: [x, weight], attrs }) => {
    if (wrt === 0) return apply(LAYER_NORM_GRAD, [x, weight, g], attrs);
    return sumTo(wrt === 1 ? mul(g, apply(STANDARDIZE, [x], attrs)) : g, weight.shape);
  },
  run: {
    kind: "kernel",
    kernels: [],
    composed: ([x, weight, bias], attrs) => add(mul(apply(STANDARDIZE, [x], attrs), weight), bias),
  },
});

/**
 * Mean 0 and variance 1 along the last axis.
 *
 * @param x [..., D]
 * @returns [..., D]
 * @example standardize(tensor([1, 3])) // [-1, 1]
 */
export function standardize(x: Tensor, epsilon = 1e-5): Tensor {
  expectFloat("standardize", x);
  if (x.rank === 0) throw new ShapeError("standardize: takes a tensor of rank 1 and more, not []");
  return x.size === 0 ? x : apply(STANDARDIZE, [x], { epsilon });
}

/**
 * Layer normalisation over the last axis (Ba et al., arXiv 1607.06450).
 *
 * @param x [..., D]
 * @param weight [D]
 * @param bias [D]
 * @returns [..., D]
 * @throws ShapeError where weight or bias are not [D]
 * @example layerNorm(tensor([[1, 3]]), tensor([2, 2]), tensor([0, 1])) // [-2, 3]
 */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, epsilon = 1e-5): Tensor {
  for (const [name, p] of Object.entries({ weight, bias })) {
    if (p.rank !== 1 || p.shape[0] !== x.shape[x.rank - 1]) {
      throw new ShapeError(
        `layerNorm: ${name} has shape ${showShape(p.shape)}, not [${x.shape[x.rank - 1]}] as the last axis of ${showShape(x.shape)}`,
      );
    }
  }
  expectFloat("layerNorm", x);
  if (x.size === 0) return x;
  const dtype = promote("layerNorm", promote("layerNorm", x.dtype, weight.dtype), bias.dtype);
  return apply(LAYER_NORM, [cast(x, dtype), cast(weight, dtype), cast(bias, dtype)], { epsilon });
}

const inverseLength = (x: Tensor, attrs: Attrs): Tensor => rsqrt(add(sum(square(x), -1, last), epsilonOf(attrs)));

const L2_NORMALIZE = defineOp({
  name: "l2Normalize",
  result: ([x]) => x,
  vjp: ({ g, inputs: [x], attrs }) => apply(L2_NORMALIZE_GRAD, [x, g], attrs),
  run: {
    kind: "kernel",
    kernels: rowKernels("l2-normalize", shaders.l2Normalize, 3, { fields: epsilonField }),
    composed: ([x], attrs) => mul(x, inverseLength(x, attrs)),
  },
});

/** (x, g) → the gradient of l2Normalize: a function of its own, so that second derivatives exist. */
const L2_NORMALIZE_GRAD = defineOp({
  name: "l2NormalizeGrad",
  result: ([x]) => x,
  run: {
    kind: "kernel",
    kernels: rowKernels("l2-normalize-grad", shaders.l2NormalizeGrad, 8, { fields: epsilonField }),
    composed: ([x, g], attrs) => {
      const scale = inverseLength(x, attrs);
      const y = mul(x, scale);
      return mul(sub(g, mul(y, sum(mul(g, y), -1, last))), scale);
    },
  },
});

/**
 * x / ‖x‖₂ along an axis, the last where none is named; `epsilon` is the least ‖x‖² that is divided by.
 * @example l2Normalize(tensor([[3, 4]])) // [0.6, 0.8]
 */
export const l2Normalize = (x: Tensor, axis = -1, epsilon = 1e-24): Tensor =>
  onAxis("l2Normalize", x, axis, (t) => apply(L2_NORMALIZE, [t], { epsilon }));
