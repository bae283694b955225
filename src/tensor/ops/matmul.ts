import { isFloat, promote } from "../dtype.ts";
import { DTypeError, ShapeError } from "../errors.ts";
import { type Attrs, type Aval, defineOp, type Kernel, type KernelCall, type Op, type Values } from "../op.ts";
import { shaders } from "../shaders.ts";
import { broadcastShapes, type Shape, showShape, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { add, cast } from "./elementwise.ts";
import { broadcastTo, reshape, swapAxes } from "./view.ts";

/** Sizes of a product of [..., M, K] and [..., K, N] whose batch axes agree. */
function sizes(a: Shape, b: Shape) {
  const batch = a.slice(0, -2);
  return { batch, m: a[a.length - 2], k: a[a.length - 1], n: b[b.length - 1] };
}

const kernel = (name: string, source: string, rows: number, extra: Partial<Kernel>): Kernel => ({
  name,
  source,
  strided: 2,
  ...extra,
  params: ({ inputs: [a, b] }: KernelCall) => {
    const { batch, m, k, n } = sizes(a.shape, b.shape);
    const lead = 3 - batch.length;
    const stride = (strides: readonly number[], axis: number) => (axis < lead ? 0 : strides[axis - lead]);
    const extent = (axis: number) => (axis < lead ? 1 : batch[axis - lead]);
    const of = (prefix: string, { strides, offset }: { strides: readonly number[]; offset: number }) => ({
      [`${prefix}_OFFSET`]: offset,
      [`${prefix}_BATCH0`]: stride(strides, 0),
      [`${prefix}_BATCH1`]: stride(strides, 1),
      [`${prefix}_BATCH2`]: stride(strides, 2),
      [`${prefix}_ROW`]: strides[batch.length],
      [`${prefix}_COLUMN`]: strides[batch.length + 1],
    });
    return { M: m, N: n, K: k, BATCH1: extent(1), BATCH2: extent(2), ...of("A", a), ...of("B", b) };
  },
  workgroups: ({ inputs: [a, b] }) => {
    const { batch, m, n } = sizes(a.shape, b.shape);
    return [Math.ceil(n / 32), Math.ceil(m / rows), sizeOf(batch)];
  },
});

const turn = (x: Tensor): Tensor => swapAxes(x, -1, -2);

const MATMUL: Op = defineOp({
  name: "matmul",
  result: ([a, b]): Aval => ({ shape: [...a.shape.slice(0, -1), b.shape[b.shape.length - 1]], dtype: a.dtype }),
  reference: ([a, b]: readonly Values[], _attrs: Attrs, output) => {
    const { batch, m, k, n } = sizes(a.shape, b.shape);
    const out = new Float64Array(sizeOf(output.shape));
    for (let z = 0; z < sizeOf(batch); z++) {
      for (let i = 0; i < m; i++) {
        for (let p = 0; p < k; p++) {
          const x = a.data[(z * m + i) * k + p];
          for (let j = 0; j < n; j++) out[(z * m + i) * n + j] += x * b.data[(z * k + p) * n + j];
        }
      }
    }
    return out;
  },
  // the gradient of a transposed matrix is made transposed, so that turning it back leaves it contiguous
  vjp: ({ g, wrt, inputs: [a, b] }) => {
    const turned = (wrt === 0 ? a : b).op.name === "transpose";
    const product = (x: Tensor, y: Tensor) =>
      turned ? turn(apply(MATMUL, [turn(y), turn(x)])) : apply(MATMUL, [x, y]);
    return wrt === 0 ? product(g, turn(b)) : product(turn(a), g);
  },
  run: {
    kind: "kernel",
    kernels: [
      kernel("matmul-subgroup", shaders.matmulSubgroup, 16, { subgroup: 8 }),
      kernel("matmul", shaders.matmul, 8, {}),
    ],
  },
});

/** Most batch axes that the kernel walks; more are merged first. */
const MAX_BATCH_AXES = 3;

export interface MatmulOptions {
  /** Read the last two axes of `a` swapped. */
  readonly transposeA?: boolean;
  /** Read the last two axes of `b` swapped. */
  readonly transposeB?: boolean;
}

/**
 * Matrix product over the last two axes; batch axes broadcast. A vector counts as one row (left) or column (right)
 * that the result loses again. Sums in float32.
 *
 * @param a [..., M, K]
 * @param b [..., K, N]
 * @returns [..., M, N]
 * @throws ShapeError where the inner extents differ, DTypeError for integers
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  if (a.rank === 0 || b.rank === 0)
    throw new ShapeError(
      `matmul: takes tensors of rank 1 and more, not ${showShape(a.shape)} and ${showShape(b.shape)}`,
    );
  const dtype = promote("matmul", a.dtype, b.dtype);
  if (!isFloat(dtype)) throw new DTypeError(`matmul: takes float tensors, not ${dtype}; see cast(x, "f32")`);
  if (a.rank === 1) return squeezeAxis(matmul(reshape(a, [1, a.size]), b, { transposeB: options.transposeB }), -2);
  if (b.rank === 1) return squeezeAxis(matmul(a, reshape(b, [b.size, 1]), { transposeA: options.transposeA }), -1);
  const left = cast(options.transposeA ? swapAxes(a, -1, -2) : a, dtype);
  const right = cast(options.transposeB ? swapAxes(b, -1, -2) : b, dtype);
  const [m, k] = left.shape.slice(-2);
  const [inner, n] = right.shape.slice(-2);
  if (k !== inner)
    throw new ShapeError(
      `matmul: the inner extents of ${showShape(left.shape)} and ${showShape(right.shape)} are ${k} and ${inner}`,
    );
  if (right.rank === 2 && left.rank > 2) {
    // one matrix for the whole batch: its rows are just more rows
    return reshape(apply(MATMUL, [reshape(left, [sizeOf(left.shape.slice(0, -1)), k]), right]), [
      ...left.shape.slice(0, -1),
      n,
    ]);
  }
  const batch = broadcastShapes("matmul", left.shape.slice(0, -2), right.shape.slice(0, -2));
  const flat = batch.length > MAX_BATCH_AXES ? [sizeOf(batch)] : batch;
  const x = reshape(broadcastTo(left, [...batch, m, k]), [...flat, m, k]);
  const y = reshape(broadcastTo(right, [...batch, k, n]), [...flat, k, n]);
  return reshape(apply(MATMUL, [x, y]), [...batch, m, n]);
}

const squeezeAxis = (x: Tensor, axis: number): Tensor =>
  reshape(
    x,
    x.shape.filter((_, i) => i !== x.rank + axis),
  );

/**
 * x Wᵀ + b, as in torch.nn.Linear.
 *
 * @param x [..., in]
 * @param weight [out, in]
 * @param bias [out]
 * @returns [..., out]
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const y = matmul(x, weight, { transposeB: true });
  return bias ? add(y, bias) : y;
}
