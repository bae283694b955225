import { gridFor } from "../codegen.ts";
import { isFloat, promote } from "../dtype.ts";
import { DTypeError, ShapeError } from "../errors.ts";
import { type Attrs, type Aval, defineOp, type Kernel, type KernelCall, type Op, type Values } from "../op.ts";
import * as shaders from "../shaders.ts";
import { broadcastShapes, type Shape, showShape, sizeOf } from "../shape.ts";
import { apply, expectTensors, type Tensor } from "../tensor.ts";
import { add, cast, mul } from "./elementwise.ts";
import { sum } from "./reduce.ts";
import { broadcastTo, reshape, swapAxes } from "./view.ts";

/** Sizes of a product of [..., M, K] and [..., K, N] whose batch axes agree. */
function sizes(a: Shape, b: Shape) {
  const batch = a.slice(0, -2);
  return { batch, m: a[a.length - 2], k: a[a.length - 1], n: b[b.length - 1] };
}

type Input = KernelCall["inputs"][number];

/** How a kernel reads one operand: one number at a time, or four that lie side by side, along k or across it. */
type Reads = "single" | "alongK" | "acrossK";

const WIDTH: Record<Reads, number> = { single: 1, alongK: 4, acrossK: 4 };

/** Whether an operand's elements lie in whole groups of four along an axis, counted from the end: 1 or 2. */
function inFours({ shape, strides, offset }: Input, axis: 1 | 2): boolean {
  const along = shape.length - axis;
  return (
    strides[along] === 1 &&
    shape[along] % 4 === 0 &&
    offset % 4 === 0 &&
    strides.every((stride, i) => i === along || stride % 4 === 0)
  );
}

const fits = ([a, b]: readonly Input[], readsA: Reads, readsB: Reads): boolean =>
  (readsA === "single" || inFours(a, readsA === "alongK" ? 1 : 2)) &&
  (readsB === "single" || inFours(b, readsB === "alongK" ? 2 : 1));

interface Variant extends Partial<Kernel> {
  /** Rows and columns of a workgroup's part of the result. */
  readonly tile: readonly [number, number];
  readonly reads?: readonly [Reads, Reads];
}

const kernel = (
  name: string,
  source: string,
  { tile, reads: [readsA, readsB] = ["single", "single"], ...extra }: Variant,
): Kernel => ({
  name,
  source,
  strided: 2,
  slowToCompile: true,
  fits: readsA === "single" && readsB === "single" ? undefined : ({ inputs }) => fits(inputs, readsA, readsB),
  ...extra,
  params: ({ inputs: [a, b] }) => {
    const { batch, m, k, n } = sizes(a.shape, b.shape);
    const lead = 3 - batch.length;
    const extent = (axis: number) => (axis < lead ? 1 : batch[axis - lead]);
    /** Strides in elements of the kernel's array; an axis that runs inside of them has none of its own. */
    const of = (prefix: string, { strides, offset }: Input, reads: Reads) => {
      const stride = (axis: number) => (axis < lead ? 0 : Math.trunc(strides[axis - lead] / WIDTH[reads]));
      return {
        [`${prefix}_OFFSET`]: offset / WIDTH[reads],
        [`${prefix}_BATCH0`]: stride(0),
        [`${prefix}_BATCH1`]: stride(1),
        [`${prefix}_BATCH2`]: stride(2),
        [`${prefix}_ROW`]: stride(3),
        [`${prefix}_COLUMN`]: stride(4),
      };
    };
    return { M: m, N: n, K: k, BATCH1: extent(1), BATCH2: extent(2), ...of("A", a, readsA), ...of("B", b, readsB) };
  },
  workgroups: ({ inputs: [a, b] }) => {
    const { batch, m, n } = sizes(a.shape, b.shape);
    return [Math.ceil(n / tile[1]), Math.ceil(m / tile[0]), sizeOf(batch)];
  },
  cost: ({ inputs: [a], output }) => ({ flops: 2 * sizeOf(output.shape) * a.shape[a.shape.length - 1] }),
});

const CODE: Record<Reads, string> = { single: "SINGLE", alongK: "ALONG_K", acrossK: "ACROSS_K" };

const lanes = (readsA: Reads, readsB: Reads): Kernel => {
  const head = [readsA, readsB].map((reads, i) => {
    const operand = "AB"[i];
    const [element, float] = reads === "single" ? [`In${i}`, "f32(x)"] : [`vec4<In${i}>`, "x"];
    return `const ${operand}_READS = ${CODE[reads]};
alias ${operand}Element = ${element};
fn float${operand}(x: ${operand}Element) -> vec4f { return vec4f(${float}); }
`;
  });
  return kernel(`matmul-lanes ${readsA} ${readsB}`, head.join("") + shaders.matmulLanes, {
    tile: [32, 32],
    reads: [readsA, readsB],
    subgroup: 8,
    suits: (_, adapter) => adapter === "software",
  });
};

/** Workgroups that keep a GPU busy: for fewer, smaller tiles are better. */
const ENOUGH_TILES = 128;

const tiles = (blocks: 1 | 2): Kernel => {
  const tile = 64 * blocks;
  return kernel(`matmul-tiles-${tile}`, `const BLOCKS = ${blocks};\n${shaders.matmulTiles}`, {
    tile: [tile, tile],
    suits: ({ output: { shape } }, adapter) =>
      adapter === "hardware" && sizeOf(shape) >= (blocks - 1) * ENOUGH_TILES * tile ** 2,
  });
};

/** The pairs of loads worth a pipeline: four numbers at a time for both operands. */
const FOURS: readonly (readonly [Reads, Reads])[] = [
  ["alongK", "alongK"], // x Wᵀ
  ["alongK", "acrossK"], // x W
  ["acrossK", "acrossK"], // xᵀ y
];

/** Multiplications of a product that is a sum like any other. */
const TINIEST = 2 ** 13;

/** Multiplications of a product that one invocation an element does best, and of one where it does as the only choice. */
const TINY = 2 ** 15;
const SMALL = 2 ** 20;

const plain = kernel("matmul", shaders.matmul, { tile: [8, 32] });

const small: Kernel = {
  ...plain,
  name: "matmul-small",
  source: shaders.matmulSmall,
  slowToCompile: false,
  params: (call, target) => ({
    COUNT: sizeOf(call.output.shape),
    GRID: gridFor(sizeOf(call.output.shape))[0] * 64,
    ...plain.params(call, target),
  }),
  workgroups: ({ output }) => gridFor(sizeOf(output.shape)),
  suits: ({ inputs, output }, adapter) => {
    const [a] = inputs;
    const work = sizeOf(output.shape) * a.shape[a.shape.length - 1];
    const most = FOURS.some(([readsA, readsB]) => fits(inputs, readsA, readsB)) ? TINY : SMALL;
    return adapter === "software" && work <= most;
  },
};

/** The variants, in order of preference. */
export const MATMUL_KERNELS: readonly Kernel[] = [
  small,
  ...FOURS.map(([readsA, readsB]) => lanes(readsA, readsB)),
  lanes("single", "single"), // other pairs gain little, and each takes a driver half a second to compile
  tiles(2),
  tiles(1),
  plain,
];

const turn = (x: Tensor): Tensor => swapAxes(x, -1, -2);

const MATMUL: Op = defineOp({
  name: "matmul",
  result: ([a, b]): Aval => ({
    shape: [...a.shape.slice(0, -1), b.shape[b.shape.length - 1]],
    dtype: promote("matmul", a.dtype, b.dtype),
  }),
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
    return wrt === 0 ? cast(product(g, turn(b)), a.dtype) : cast(product(turn(a), g), b.dtype);
  },
  run: {
    kind: "kernel",
    kernels: MATMUL_KERNELS,
    composed: ([a, b]) => {
      const { batch, m, k, n } = sizes(a.shape, b.shape);
      const shape = [...batch, m, n, k];
      const rows = broadcastTo(reshape(a, [...batch, m, 1, k]), shape);
      const columns = broadcastTo(reshape(swapAxes(b, -1, -2), [...batch, 1, n, k]), shape);
      return sum(cast(mul(rows, columns), promote("matmul", a.dtype, b.dtype)), -1);
    },
    isTiny: ([a, b]) => sizeOf(a.shape) * b.shape[b.shape.length - 1] <= TINIEST,
  },
});

/** Most batch axes that the kernel walks; more are merged first. */
const MAX_BATCH_AXES = 3;

/** How `matmul` reads its operands. */
export interface MatmulOptions {
  /** Read the last two axes of `a` swapped. */
  readonly transposeA?: boolean;
  /** Read the last two axes of `b` swapped. */
  readonly transposeB?: boolean;
}

/**
 * Matrix product over the last two axes; batch axes broadcast. A vector counts as one row (left) or column (right)
 * that the result loses again. Sums in float32. Operands may be of different float types: f16 weights are read as they
 * lie, and the result of f32 and f16 is f32.
 *
 * @param a [..., M, K]
 * @param b [..., K, N]
 * @returns [..., M, N]
 * @throws ShapeError where the inner extents differ, DTypeError for integers
 * @example matmul(tensor([[1, 2], [3, 4]]), tensor([1, 10])) // [21, 43]
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  expectTensors("matmul", a, b);
  if (a.rank === 0 || b.rank === 0)
    throw new ShapeError(
      `matmul: takes tensors of rank 1 and more, not ${showShape(a.shape)} and ${showShape(b.shape)}`,
    );
  const dtype = promote("matmul", a.dtype, b.dtype);
  if (!isFloat(dtype)) throw new DTypeError(`matmul: takes float tensors, not ${dtype}; see cast(x, "f32")`);
  if (a.rank === 1) return squeezeAxis(matmul(reshape(a, [1, a.size]), b, { transposeB: options.transposeB }), -2);
  if (b.rank === 1) return squeezeAxis(matmul(a, reshape(b, [b.size, 1]), { transposeA: options.transposeA }), -1);
  const left = options.transposeA ? swapAxes(a, -1, -2) : a;
  const right = options.transposeB ? swapAxes(b, -1, -2) : b;
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
  const batch = broadcastShapes("matmul, axes before the last two", left.shape.slice(0, -2), right.shape.slice(0, -2));
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
 * @example linear(tensor([[1, 2]]), tensor([[3, 4], [5, 6]]), tensor([0.5, 0])) // [11.5, 17]
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  if (x.shape.at(-1) !== weight.shape.at(-1))
    throw new ShapeError(
      `linear: the weight ${showShape(weight.shape)} takes ${weight.shape.at(-1)} numbers; x is ${showShape(x.shape)}`,
    );
  const y = matmul(x, weight, { transposeB: true });
  return bias ? add(y, bias) : y;
}
