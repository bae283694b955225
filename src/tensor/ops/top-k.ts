import { gridFor } from "../codegen.ts";
import type { DType } from "../dtype.ts";
import { DTypeError, ShapeError } from "../errors.ts";
import { type AdapterKind, type Aval, defineOp, type Kernel, type KernelCall, type Values } from "../op.ts";
import * as shaders from "../shaders.ts";
import { normalizeAxis, type Shape, showShape, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { arange } from "./basic.ts";
import { add, less, mul, neg, where } from "./elementwise.ts";
import { gatherElements } from "./gather.ts";
import { max } from "./reduce.ts";
import { pad, reshape, swapAxes } from "./view.ts";

/** WGSL of a function to u32 that keeps the order of an element type: NaN below all numbers, both zeros equal. */
const keyFunction = (name: string, dtype: DType, type: string): string => {
  if (dtype === "u32") return `fn ${name}(v: u32) -> u32 { return v; }`;
  if (dtype === "i32") return `fn ${name}(v: i32) -> u32 { return bitcast<u32>(v) ^ 0x80000000u; }`;
  return `fn ${name}(v: ${type}) -> u32 {
  let bits = bitcast<u32>(f32(v));
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return 0u; }
  return select(0x80000000u + magnitude, 0x80000000u - magnitude, bits > magnitude);
}`;
};

const word = new DataView(new ArrayBuffer(4));
function keyOf(value: number, dtype: DType): number {
  if (dtype === "u32") return value;
  if (dtype === "i32") return value + 2 ** 31;
  if (Number.isNaN(value)) return 0;
  word.setFloat32(0, Math.abs(value));
  return 2 ** 31 + (value < 0 ? -1 : 1) * word.getUint32(0);
}

const ORDER_KEY = defineOp({
  name: "orderKey",
  result: ([x]) => ({ shape: x.shape, dtype: "u32" }),
  reference: ([x]) => x.data.map((v) => keyOf(v, x.dtype)),
  stops: true,
  run: {
    kind: "expression",
    wgsl: ([x], _attrs, _output, [{ dtype }]) => `orderKeyOf${dtype}(${x})`,
    functions: (["f32", "f16", "i32", "u32"] as const)
      .map((dtype) => keyFunction(`orderKeyOf${dtype}`, dtype, "f32"))
      .join("\n"),
  },
});

const widthOf = (x: Aval): number => x.shape[x.shape.length - 1];
const rowsOf = (x: Aval): number => sizeOf(x.shape) / widthOf(x);

/** Invocations that an adapter runs at once, roughly. */
const PARALLEL: Record<AdapterKind, number> = { hardware: 16384, software: 16 };

/** Whether passes over the rows, one invocation each, end before one invocation an element has counted its row. */
function passesAreFaster({ inputs: [x], attrs }: KernelCall, adapter: AdapterKind = "hardware"): boolean {
  const turns = (invocations: number) => Math.ceil(invocations / PARALLEL[adapter]);
  return (attrs.k as number) * turns(rowsOf(x)) <= turns(sizeOf(x.shape));
}

const withKey =
  (source: string) =>
  ([x]: readonly Aval[]): string =>
    `${keyFunction("keyOf", x.dtype, "In0")}\n${source}`;

/** One with little work, one with much of it in parallel. */
export const TOP_K_KERNELS: readonly Kernel[] = [
  {
    name: "top-k",
    source: withKey(shaders.topK),
    suits: passesAreFaster,
    params: ({ inputs: [x], attrs }) => ({
      ROWS: rowsOf(x),
      WIDTH: widthOf(x),
      K: attrs.k as number,
      GRID: gridFor(rowsOf(x))[0] * 64,
    }),
    workgroups: ({ inputs: [x] }) => gridFor(rowsOf(x)),
    cost: ({ inputs: [x], attrs }) => ({ flops: (attrs.k as number) * sizeOf(x.shape) }),
  },
  {
    name: "top-k-ranks",
    source: withKey(shaders.topKRanks),
    params: ({ inputs: [x], attrs }) => ({
      COUNT: sizeOf(x.shape),
      WIDTH: widthOf(x),
      K: attrs.k as number,
      GRID: gridFor(sizeOf(x.shape))[0] * 64,
    }),
    workgroups: ({ inputs: [x] }) => gridFor(sizeOf(x.shape)),
    cost: ({ inputs: [x] }) => ({ flops: widthOf(x) * sizeOf(x.shape) }),
  },
];

const TOP_K = defineOp({
  name: "topKIndices",
  result: ([x], attrs) => ({ shape: [...x.shape.slice(0, -1), attrs.k as number], dtype: "i32" as DType }),
  reference: ([x]: readonly Values[], attrs) => {
    const width = widthOf(x);
    const k = attrs.k as number;
    const out = new Float64Array(rowsOf(x) * k);
    for (let row = 0; row < rowsOf(x); row++) {
      const values = x.data.subarray(row * width, (row + 1) * width);
      const order = [...values.keys()].sort((i, j) => descending(values[i], values[j]) || i - j);
      out.set(order.slice(0, k), row * k);
    }
    return out;
  },
  stops: true,
  run: { kind: "kernel", kernels: TOP_K_KERNELS },
});

const descending = (a: number, b: number): number =>
  a === b ? 0 : a > b ? -1 : a < b ? 1 : Number(Number.isNaN(a)) - Number(Number.isNaN(b));

/** Rows up to here are ordered at once. */
const SHORT = 4096;
/** Rows up to so many times k are not worth being cut into chunks: too little would be left out. */
const FEW = 4;
const LARGEST_K = 16384;

/**
 * The k largest of a long row lie in the k chunks of it with the largest maxima: every other chunk comes behind k that
 * hold something at least as large, at a lower index where equal. So there are two shorter rows to order instead, the
 * maxima and the elements of those chunks, of about √(N·k) each.
 *
 * @param x [R, N]
 * @returns i32 [R, k]
 */
function largest(x: Tensor, k: number): Tensor {
  const [rows, width] = x.shape;
  if (width <= Math.max(SHORT, FEW * k)) return apply(TOP_K, [x], { k });
  const length = Math.max(FEW, Math.round(Math.sqrt(width / k)));
  const count = Math.ceil(width / length);
  const padded = pad(x, [
    [0, 0],
    [0, count * length - width],
  ]);
  const maxima = max(reshape(keysUpTo(width, arange(count * length), padded), [rows, count, length]), 2);
  const chunks = inOrder(largest(maxima, k));
  const places = reshape(add(mul(reshape(chunks, [rows, k, 1]), length), arange(length)), [rows, k * length]);
  const chosen = largest(keysUpTo(width, places, gatherElements(x, places)), k);
  return gatherElements(places, chosen);
}

/** Keys of elements by their places in a row; behind its end the lowest key, whatever stands there. */
const keysUpTo = (width: number, places: Tensor, x: Tensor): Tensor =>
  where(less(places, width), apply(ORDER_KEY, [x]), 0);

/** Rows of different indices [R, k], each in ascending order: the candidates must keep the order of the elements. */
const inOrder = (x: Tensor): Tensor => gatherElements(x, largest(neg(x), x.shape[1]));

/** The largest elements of rows. */
export interface TopK {
  /** [..., k], largest first. */
  readonly values: Tensor;
  /** i32 [..., k]: where each stands in its row. */
  readonly indices: Tensor;
}

/**
 * The k largest along the last axis, largest first, the lower index first among equals; NaN counts as smaller than any
 * number. Exact for rows of any length. The gradient of `values` goes to the elements that were taken.
 *
 * @param x [..., N]
 * @param k 1 to N, and 16384 at most
 * @throws ShapeError for another k, DTypeError for bool
 * @example topK(tensor([1, 5, 2]), 2).values // [5, 2]
 */
export function topK(x: Tensor, k: number): TopK {
  const indices = topKIndices(x, k);
  const rows = rowsOf(x);
  const values = gatherElements(reshape(x, [rows, widthOf(x)]), reshape(indices, [rows, k]));
  return { values: reshape(values, indices.shape), indices };
}

/**
 * The indices of `topK` (i32) alone.
 * @example topKIndices(tensor([1, 5, 2]), 2) // [1, 2]
 */
export const topKIndices = (x: Tensor, k: number): Tensor => chosen("topKIndices", x, k);

function chosen(op: string, x: Tensor, k: number): Tensor {
  const width: number | undefined = (x.shape as Shape)[x.rank - 1];
  if (width === undefined || !Number.isInteger(k) || k < 1 || k > width) {
    throw new ShapeError(`${op}: ${k} of ${showShape(x.shape)} cannot be chosen; 1 to the last extent can`);
  }
  if (k > LARGEST_K) throw new ShapeError(`${op}: k = ${k} is too many; k is ${LARGEST_K} at most`);
  if (x.dtype === "bool") throw new DTypeError(`${op}: takes numbers, not bool`);
  const shape = [...x.shape.slice(0, -1), k];
  return reshape(largest(reshape(x, [rowsOf(x), width]), k), shape);
}

/**
 * Index (i32) of the largest element along an axis; the lowest among equals.
 *
 * @returns i32, the shape of `x` without that axis
 * @example argmax(tensor([[1, 5, 2], [7, 0, 7]])) // [1, 0]
 */
export function argmax(x: Tensor, axis = -1): Tensor {
  const at = normalizeAxis("argmax", axis, x.rank);
  const moved = at === x.rank - 1 ? x : swapAxes(x, at, -1);
  const index = chosen("argmax", moved, 1);
  return reshape(
    at === x.rank - 1 ? index : swapAxes(index, at, -1),
    x.shape.filter((_, i) => i !== at),
  );
}
