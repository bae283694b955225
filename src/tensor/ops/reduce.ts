import { isFloat } from "../dtype.ts";
import { DTypeError, ShapeError } from "../errors.ts";
import { type Attrs, type Aval, defineOp, type Op, type Values, type VjpCall } from "../op.ts";
import { forEachOffset, normalizeAxes, rowMajor, type Shape, showShape, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { cast, div, equal, mul } from "./elementwise.ts";
import { broadcastTo, reshape } from "./view.ts";

/** Options of `sum`, `mean`, `max` and `min`. */
export interface ReduceOptions {
  /** Keep the folded axes with extent 1. */
  readonly keepDims?: boolean;
}

const axesOf = (attrs: Attrs): number[] => attrs.axes as number[];
const without = (shape: Shape, axes: readonly number[]): number[] => shape.filter((_, i) => !axes.includes(i));
const withOnes = (shape: Shape, axes: readonly number[]): number[] => shape.map((n, i) => (axes.includes(i) ? 1 : n));

/** A folded result spread over the shape it was folded from. */
const spread = (folded: Tensor, shape: Shape, axes: readonly number[]): Tensor =>
  broadcastTo(reshape(folded, withOnes(shape, axes)), shape);

function reduction(
  name: "sum" | "max" | "min",
  join: (a: number, b: number) => number,
  first: number,
  vjp: (call: VjpCall) => Tensor,
): Op {
  return defineOp({
    name,
    result: ([x], attrs): Aval => {
      if (x.dtype === "bool") throw new DTypeError(`${name}: takes numbers, not bool; cast(x, "i32") counts`);
      const axes = axesOf(attrs);
      if (name !== "sum" && sizeOf(x.shape) === 0)
        throw new ShapeError(`${name}: ${showShape(x.shape)} has no elements to choose from`);
      return { shape: without(x.shape, axes), dtype: x.dtype };
    },
    reference: ([x]: readonly Values[], attrs, output) => {
      const axes = axesOf(attrs);
      const out = new Float64Array(sizeOf(output.shape)).fill(first);
      const strides = rowMajor(withOnes(x.shape, axes)).map((s, i) => (axes.includes(i) ? 0 : s));
      forEachOffset(x.shape, strides, (to, flat) => (out[to] = join(out[to], x.data[flat])));
      return out;
    },
    vjp,
    run: { kind: "reduce", fold: name },
  });
}

/** Shares the gradient among all elements that equal the result. */
const toWinners = ({ g, inputs: [x], output, attrs }: VjpCall): Tensor => {
  const axes = axesOf(attrs);
  const wins = cast(equal(x, spread(output, x.shape, axes)), x.dtype);
  return mul(wins, spread(div(g, apply(SUM, [wins], { axes })), x.shape, axes));
};

const SUM = reduction(
  "sum",
  (a, b) => a + b,
  0,
  ({ g, inputs: [x], attrs }) => spread(g, x.shape, axesOf(attrs)),
);
const MAX = reduction("max", Math.max, Number.NEGATIVE_INFINITY, toWinners);
const MIN = reduction("min", Math.min, Number.POSITIVE_INFINITY, toWinners);

/** Axes to fold: one, several, or all where none is named. Negative ones count from the end. */
export type Axes = number | readonly number[];

const reducer =
  (op: Op) =>
  (x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor => {
    const list = normalizeAxes(op.name, axes, x.rank);
    const folded = apply(op, [x], { axes: list });
    return options.keepDims ? reshape(folded, withOnes(x.shape, list)) : folded;
  };

/**
 * Sum over some axes (all where none is named).
 * @example sum(tensor([[1, 2], [3, 4]]), 0) // [4, 6]
 */
export const sum = reducer(SUM);
/**
 * Largest element over some axes; the gradient is shared among ties.
 * @example max(tensor([[1, 2], [3, 4]]), 1) // [2, 4]
 */
export const max = reducer(MAX);
/**
 * Smallest element over some axes; the gradient is shared among ties.
 * @example min(tensor([[1, 2], [3, 4]]), 1, { keepDims: true }) // [1, 3]
 */
export const min = reducer(MIN);

/**
 * Mean over some axes (all where none is named).
 *
 * @throws DTypeError for integers
 * @example mean(tensor([[1, 2], [3, 4]])) // [2.5]
 */
export function mean(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  if (!isFloat(x.dtype)) throw new DTypeError(`mean: takes float tensors, not ${x.dtype}; see cast(x, "f32")`);
  const total = sum(x, axes, options);
  return div(total, x.size / Math.max(1, total.size));
}
