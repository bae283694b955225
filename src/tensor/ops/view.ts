import { promote } from "../dtype.ts";
import { ShapeError } from "../errors.ts";
import { defineOp, type Op } from "../op.ts";
import {
  broadcastShapes,
  checkShape,
  forEachOffset,
  normalizeAxis,
  rowMajor,
  type Shape,
  sameShape,
  showShape,
  sizeOf,
} from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { zerosLike } from "./basic.ts";
import { add } from "./elementwise.ts";
import { sum } from "./reduce.ts";

/** Reads each output element where these strides put it, from `start` on. */
function strided(data: Float64Array, output: Shape, strides: readonly number[], start = 0): Float64Array {
  const out = new Float64Array(sizeOf(output));
  forEachOffset(output, strides, (from, flat) => (out[flat] = data[from]), start);
  return out;
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((total, v, i) => total + v * b[i], 0);

const RESHAPE = defineOp({
  name: "reshape",
  result: ([x], attrs) => ({ shape: attrs.shape as Shape, dtype: x.dtype }),
  reference: ([x]) => x.data,
  vjp: ({ g, inputs: [x] }) => reshape(g, x.shape),
  run: { kind: "view", change: (attrs) => ({ kind: "reshape", shape: attrs.shape as Shape }) },
});

/**
 * The same elements in another shape, row-major. One extent may be −1: it is what is left.
 *
 * @throws ShapeError where the sizes differ
 * @example reshape(arange(6), [2, -1]).shape // [2, 3]
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((a, n) => (n === -1 ? a : a * n), 1);
  const free = shape.filter((n) => n === -1).length;
  const full = shape.map((n) => (n === -1 ? x.size / known : n));
  if (free > 1 || full.some((n) => !Number.isInteger(n) || n < 0) || sizeOf(full) !== x.size) {
    throw new ShapeError(`reshape: ${showShape(x.shape)} (${x.size} elements) does not fit ${showShape(shape)}`);
  }
  return sameShape(full, x.shape) ? x : apply(RESHAPE, [x], { shape: full });
}

const BROADCAST = defineOp({
  name: "broadcastTo",
  result: ([x], attrs) => ({ shape: attrs.shape as Shape, dtype: x.dtype }),
  reference: ([x], attrs) => {
    const shape = attrs.shape as Shape;
    const strides = rowMajor(x.shape).map((s, i) => (x.shape[i] === 1 ? 0 : s));
    return strided(x.data, shape, [...new Array(shape.length - x.shape.length).fill(0), ...strides]);
  },
  vjp: ({ g, inputs: [x] }) => sumTo(g, x.shape),
  run: { kind: "view", change: (attrs) => ({ kind: "broadcast", shape: attrs.shape as Shape }) },
});

/**
 * The tensor repeated along new leading axes and axes of extent 1.
 *
 * @throws ShapeError where it does not broadcast to the shape
 * @example broadcastTo(tensor([1, 2]), [2, 2]) // [1, 2, 1, 2]
 */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  checkShape("broadcastTo", shape);
  if (!sameShape(broadcastShapes("broadcastTo", x.shape, shape), shape)) {
    throw new ShapeError(`broadcastTo: ${showShape(x.shape)} does not broadcast to ${showShape(shape)}`);
  }
  return apply(BROADCAST, [x], { shape });
}

/** The gradient's way back through a broadcast: sums over the axes that were repeated. */
export function sumTo(g: Tensor, shape: Shape): Tensor {
  const lead = g.rank - shape.length;
  const axes = g.shape.flatMap((n, i) => (i < lead || (shape[i - lead] === 1 && n !== 1) ? [i] : []));
  return reshape(axes.length > 0 ? sum(g, axes) : g, shape);
}

const TRANSPOSE = defineOp({
  name: "transpose",
  result: ([x], attrs) => ({ shape: (attrs.perm as number[]).map((p) => x.shape[p]), dtype: x.dtype }),
  reference: ([x], attrs, output) => {
    const strides = rowMajor(x.shape);
    const order = (attrs.perm as number[]).map((p) => strides[p]);
    return strided(x.data, output.shape, order);
  },
  vjp: ({ g, attrs }) => {
    const perm = attrs.perm as number[];
    return transpose(
      g,
      perm.map((_, i) => perm.indexOf(i)),
    );
  },
  run: { kind: "view", change: (attrs) => ({ kind: "transpose", perm: attrs.perm as number[] }) },
});

/**
 * Axes in another order; reversed where none is given.
 *
 * @throws ShapeError where `perm` does not name each axis once
 * @example transpose(tensor([[1, 2], [3, 4]])) // [1, 3, 2, 4]
 */
export function transpose(x: Tensor, perm: readonly number[] = x.shape.map((_, i) => x.rank - 1 - i)): Tensor {
  const order = perm.map((p) => normalizeAxis("transpose", p, x.rank));
  if (order.length !== x.rank || new Set(order).size !== x.rank) {
    throw new ShapeError(`transpose: [${perm.join(", ")}] does not name each axis of ${showShape(x.shape)} once`);
  }
  return order.every((p, i) => p === i) ? x : apply(TRANSPOSE, [x], { perm: order });
}

/**
 * Swaps two axes.
 * @example swapAxes(zeros([2, 3, 5]), 0, -1).shape // [5, 3, 2]
 */
export function swapAxes(x: Tensor, a: number, b: number): Tensor {
  const [i, j] = [normalizeAxis("swapAxes", a, x.rank), normalizeAxis("swapAxes", b, x.rank)];
  return transpose(
    x,
    x.shape.map((_, k) => (k === i ? j : k === j ? i : k)),
  );
}

const SLICE = defineOp({
  name: "slice",
  result: ([x], attrs) => {
    const [starts, ends] = [attrs.starts as number[], attrs.ends as number[]];
    return { shape: starts.map((s, i) => ends[i] - s), dtype: x.dtype };
  },
  reference: ([x], attrs, output) => {
    const strides = rowMajor(x.shape);
    return strided(x.data, output.shape, strides, dot(strides, attrs.starts as number[]));
  },
  vjp: ({ g, attrs, inputs: [x] }) =>
    pad(
      g,
      (attrs.starts as number[]).map((s, i) => [s, x.shape[i] - (attrs.ends as number[])[i]]),
    ),
  run: {
    kind: "view",
    change: (attrs, output) => ({ kind: "slice", starts: attrs.starts as number[], shape: output.shape }),
  },
});

/**
 * The block from `starts` up to `ends` (exclusive; the extent where left out), one entry an axis from the first on.
 * Negative positions count from the end.
 *
 * @throws ShapeError where it reaches outside the tensor
 * @example slice(tensor([[1, 2, 3], [4, 5, 6]]), [0, 1], [2]) // [2, 3, 5, 6], x[0:2, 1:]
 */
export function slice(x: Tensor, starts: readonly number[], ends: readonly (number | undefined)[] = []): Tensor {
  if (starts.length > x.rank || ends.length > x.rank)
    throw new ShapeError(
      `slice: ${Math.max(starts.length, ends.length)} positions are more than the axes of ${showShape(x.shape)}`,
    );
  const from = x.shape.map((n, i) => ((starts[i] ?? 0) < 0 ? n + starts[i] : (starts[i] ?? 0)));
  const to = x.shape.map((n, i) => ((ends[i] ?? n) < 0 ? n + ends[i]! : (ends[i] ?? n)));
  x.shape.forEach((n, i) => {
    if (!Number.isInteger(from[i]) || !Number.isInteger(to[i]) || from[i] < 0 || to[i] > n || from[i] > to[i]) {
      throw new ShapeError(`slice: [${from[i]}, ${to[i]}) is outside axis ${i} of ${showShape(x.shape)}`);
    }
  });
  return from.every((f) => f === 0) && sameShape(to, x.shape) ? x : apply(SLICE, [x], { starts: from, ends: to });
}

const PAD = defineOp({
  name: "pad",
  result: ([x], attrs) => {
    const widths = attrs.widths as [number, number][];
    return { shape: x.shape.map((n, i) => n + widths[i][0] + widths[i][1]), dtype: x.dtype };
  },
  reference: ([x], attrs, output) => {
    const strides = rowMajor(output.shape);
    const before = (attrs.widths as [number, number][]).map(([b]) => b);
    const out = new Float64Array(sizeOf(output.shape));
    forEachOffset(x.shape, strides, (to, flat) => (out[to] = x.data[flat]), dot(strides, before));
    return out;
  },
  vjp: ({ g, attrs, inputs: [x] }) => {
    const before = (attrs.widths as [number, number][]).map(([b]) => b);
    return slice(
      g,
      before,
      before.map((b, i) => b + x.shape[i]),
    );
  },
  run: {
    kind: "view",
    change: (attrs, output) => ({
      kind: "pad",
      before: (attrs.widths as [number, number][]).map(([b]) => b),
      shape: output.shape,
    }),
  },
});

/**
 * Zeros around the tensor: `[before, after]` for each axis.
 *
 * @throws ShapeError where there are not two widths ≥ 0 for each axis
 * @example pad(tensor([1, 2]), [[1, 2]]) // [0, 1, 2, 0, 0]
 */
export function pad(x: Tensor, widths: readonly (readonly [number, number] | readonly number[])[]): Tensor {
  if (
    widths.length !== x.rank ||
    widths.some((w) => w.length !== 2) ||
    widths.flat().some((w) => !Number.isInteger(w) || w < 0)
  ) {
    throw new ShapeError(
      `pad: ${JSON.stringify(widths)} does not give two widths ≥ 0 for each axis of ${showShape(x.shape)}`,
    );
  }
  return widths.flat().every((w) => w === 0) ? x : apply(PAD, [x], { widths });
}

const FLIP = defineOp({
  name: "flip",
  result: ([x]) => x,
  reference: ([x], attrs, output) => {
    const strides = rowMajor(x.shape);
    const lasts = x.shape.map((n, i) => ((attrs.axes as number[]).includes(i) ? n - 1 : 0));
    const signs = strides.map((s, i) => ((attrs.axes as number[]).includes(i) ? -s : s));
    return strided(x.data, output.shape, signs, dot(strides, lasts));
  },
  vjp: ({ g, attrs }) => flip(g, attrs.axes as number[]),
  run: { kind: "view", change: (attrs) => ({ kind: "flip", axes: attrs.axes as number[] }) },
});

/**
 * The tensor read backwards along some axes.
 * @example flip(tensor([1, 2, 3]), [0]) // [3, 2, 1]
 */
export const flip = (x: Tensor, axes: readonly number[]): Tensor =>
  apply(FLIP, [x], { axes: axes.map((a) => normalizeAxis("flip", a, x.rank)) });

/**
 * Tensors one after another along an axis; the other extents agree.
 *
 * @throws ShapeError where they differ elsewhere, or there is none
 * @example concat([tensor([1, 2]), tensor([3])]) // [1, 2, 3]
 */
export const concat = (parts: readonly Tensor[], axis = 0): Tensor => join("concat", parts, axis);

function join(op: string, parts: readonly Tensor[], axis: number): Tensor {
  if (parts.length === 0) throw new ShapeError(`${op}: takes at least one tensor`);
  const at = normalizeAxis(op, axis, parts[0].rank);
  const total = parts.reduce((n, p) => n + p.shape[at], 0);
  let before = 0;
  return parts
    .map((part) => {
      if (part.rank !== parts[0].rank || part.shape.some((n, i) => i !== at && n !== parts[0].shape[i])) {
        throw new ShapeError(`${op}: ${parts.map((p) => showShape(p.shape)).join(", ")} differ outside axis ${at}`);
      }
      promote(op, parts[0].dtype, part.dtype);
      const after = total - before - part.shape[at];
      const padded = pad(
        part,
        part.shape.map((_, i) => (i === at ? [before, after] : [0, 0])),
      );
      before += part.shape[at];
      return padded;
    })
    .reduce((a, b) => add(a, b));
}

/**
 * Tensors of one shape along a new axis.
 * @example stack([tensor([1, 2]), tensor([3, 4])], 1) // [1, 3, 2, 4]
 */
export const stack = (parts: readonly Tensor[], axis = 0): Tensor =>
  join(
    "stack",
    parts.map((p) => expandDims(p, axis)),
    axis,
  );

/**
 * A new axis of extent 1.
 * @example expandDims(tensor([1, 2]), 0).shape // [1, 2]
 */
export function expandDims(x: Tensor, axis: number): Tensor {
  const at = normalizeAxis("expandDims", axis, x.rank + 1);
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/**
 * Without the axes of extent 1, or without one of them.
 *
 * @throws ShapeError where the named axis has another extent
 * @example squeeze(ones([1, 3, 1]), 0).shape // [3, 1]
 */
export function squeeze(x: Tensor, axis?: number): Tensor {
  if (axis === undefined)
    return reshape(
      x,
      x.shape.filter((n) => n !== 1),
    );
  const at = normalizeAxis("squeeze", axis, x.rank);
  if (x.shape[at] !== 1)
    throw new ShapeError(`squeeze: axis ${axis} of ${showShape(x.shape)} has extent ${x.shape[at]}, not 1`);
  return reshape(
    x,
    x.shape.filter((_, i) => i !== at),
  );
}

/**
 * Equal parts along an axis.
 *
 * @throws ShapeError where the extent does not divide
 * @example split(tensor([1, 2, 3, 4]), 2)[1] // [3, 4]
 */
export function split(x: Tensor, parts: number, axis = 0): Tensor[] {
  const at = normalizeAxis("split", axis, x.rank);
  const width = x.shape[at] / parts;
  if (!Number.isInteger(width) || !Number.isInteger(parts) || parts < 1)
    throw new ShapeError(`split: axis ${axis} of ${showShape(x.shape)} does not divide into ${parts} equal parts`);
  return Array.from({ length: parts }, (_, p) =>
    slice(
      x,
      x.shape.map((_n, i) => (i === at ? p * width : 0)),
      x.shape.map((n, i) => (i === at ? (p + 1) * width : n)),
    ),
  );
}

/** A node that is its first input to the executor and something more to the gradient. */
const passThrough = (name: string, more: Partial<Op>): Op =>
  defineOp({
    name,
    result: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
    reference: ([x]) => x.data,
    run: { kind: "view", change: () => undefined },
    ...more,
  });

const IDENTITY = passThrough("identity", { vjp: ({ g }) => g });
const STOP = passThrough("stopGradient", { stops: true });
const AFTER = passThrough("after", { vjp: ({ g, wrt, inputs }) => (wrt === 0 ? g : zerosLike(inputs[wrt])) });
const CUSTOM = passThrough("custom", {
  vjp: ({ g, wrt, output, attrs }) => (attrs.rule as CustomRule)(g, output)[wrt - 1],
});

/** Gradients of a custom node's arguments, given the output's and the node. */
export type CustomRule = (g: Tensor, output: Tensor) => readonly Tensor[];

/** The same tensor as a node of its own. */
export const identity = (x: Tensor): Tensor => apply(IDENTITY, [x]);
/**
 * The same value, through which no gradient flows.
 * @example grad((x) => mul(x, stopGradient(x)))(tensor(3)) // [3]
 */
export const stopGradient = (x: Tensor): Tensor => apply(STOP, [x]);
/** The same value, not computed before `other` is. */
export const after = (x: Tensor, other: Tensor): Tensor => apply(AFTER, [x, other]);
/** A value whose gradient with respect to `args` is given by a rule instead of by the ops that made it. */
export const custom = (value: Tensor, args: readonly Tensor[], rule: CustomRule): Tensor =>
  apply(CUSTOM, [stopGradient(value), ...args], { rule: once(rule) });

/** The gradients of all arguments are made together, and asked for one by one. */
function once(rule: CustomRule): CustomRule {
  let made: { g: Tensor; gradients: readonly Tensor[] } | undefined;
  return (g, output) => {
    if (made?.g !== g) made = { g, gradients: rule(g, output) };
    return made.gradients;
  };
}
