import { compile } from "./compile.ts";
import { type Device, device } from "./device.ts";
import type { KernelCall } from "./op.ts";
import { attention } from "./ops/attention.ts";
import { conv2d } from "./ops/conv.ts";
import { add, exp, mul, quickGelu, sub } from "./ops/elementwise.ts";
import { gather, scatterAdd } from "./ops/gather.ts";
import { crossEntropy } from "./ops/loss.ts";
import { MATMUL_KERNELS, matmul } from "./ops/matmul.ts";
import { max, sum } from "./ops/reduce.ts";
import { layerNorm, softmax, standardize } from "./ops/rows.ts";
import { TOP_K_KERNELS, topKIndices } from "./ops/top-k.ts";
import { concat, reshape, slice, swapAxes } from "./ops/view.ts";
import { unfold } from "./ops/window.ts";
import { bits, key } from "./random.ts";
import { referenceOf } from "./reference.ts";
import type { Shape } from "./shape.ts";
import { sizeOf } from "./shape.ts";
import { type Tensor, tensor } from "./tensor.ts";

/** How one kernel did on this adapter. */
export interface SelfTest {
  readonly name: string;
  /** ‖GPU − float64‖ / ‖float64‖. */
  readonly error: number;
  readonly allowed: number;
  readonly passed: boolean;
}

/** Numbers between −1 and 1 that look random and are the same every time. */
function numbers(shape: Shape, salt: number): Tensor {
  return tensor(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin((i + 1) * 12.9898 + salt * 78.233) * 0.98),
    shape,
  );
}

const FLOAT = 2e-5;

interface Case {
  readonly name: string;
  readonly value: Tensor;
  readonly allowed: number;
  /** The kernel to compute it with, where there are several. */
  readonly kernel?: string;
}

function cases(): Case[] {
  const a = numbers([3, 33, 17], 1);
  const b = numbers([3, 17, 37], 2);
  const table = numbers([9, 5], 3);
  const index = tensor(Int32Array.of(8, 0, 3, 3, 7, 1), [6]);
  const x = numbers([29, 65], 4);
  const image = numbers([2, 3, 9, 8], 5);
  const float = (name: string, value: Tensor) => ({ name, value, allowed: FLOAT });
  const exact = (name: string, value: Tensor) => ({ name, value, allowed: 0 });
  return [
    float("elementwise", add(mul(exp(x), 0.5), sub(quickGelu(x), numbers([65], 6)))),
    float("sum of columns", sum(x, 0)),
    float("sum of all", sum(exp(numbers([150, 140], 7)))),
    exact("max of rows", max(x, 1)),
    float("batched products", matmul(a, b)),
    float("softmax", softmax(x)),
    float("layer norm", layerNorm(x, numbers([65], 8), numbers([65], 9))),
    float("standardize", standardize(x)),
    float("attention", attention(a, numbers([3, 33, 17], 10), numbers([3, 33, 21], 11), { causal: true })),
    float("cross entropy", crossEntropy(x, tensor(Int32Array.from({ length: 29 }, (_, i) => (7 * i) % 65)))),
    exact("gather", gather(table, index)),
    float("scatter-add", scatterAdd(numbers([6, 5], 12), index, 9)),
    exact("concat", concat([x, numbers([29, 3], 13)], 1)),
    exact("windows", unfold(image, [3, 2], { stride: 2, padding: 1 })),
    float("convolution", conv2d(image, numbers([4, 3, 3, 3], 14), { padding: 1 })),
    float("convolution of 4 channels", conv2d(numbers([2, 4, 7, 9], 19), numbers([33, 4, 3, 3], 20), { padding: 1 })),
    ...TOP_K_KERNELS.map(({ name }) => ({ ...exact(name.replaceAll("-", " "), topKIndices(x, 3)), kernel: name })),
    exact("top k of a long row", topKIndices(numbers([2, 5003], 15), 7)),
    exact("random bits", bits(key(7), [40])),
  ];
}

/** Products in every orientation, whose extents are multiples of four, and an odd one: each variant fits some of them. */
function products(m: number, n: number, k: number): Tensor {
  const left = [numbers([m, k], 15), swapAxes(numbers([k, m], 16), 0, 1)];
  const right = [numbers([k, n], 17), swapAxes(numbers([n, k], 18), 0, 1)];
  const odd = matmul(slice(left[0], [1, 1]), slice(right[0], [1, 1]));
  const all = [...left.flatMap((a) => right.map((b) => matmul(a, b))), odd];
  return concat(all.map((x) => reshape(x, [x.size])));
}

/** The variants of the matrix product that a device would use for one shape or another. */
function variants(on: Device): Case[] {
  const value = products(36, 68, 20);
  const adapter = on.isSoftware ? "software" : "hardware";
  const calls = [4096, 16].map((n): KernelCall => {
    const output = { shape: [n, n], dtype: "f32" } as const;
    const operand = { ...output, strides: [n, 1], offset: 0 };
    return { inputs: [operand, operand], output, attrs: {} };
  });
  return MATMUL_KERNELS.filter(({ subgroup = 0 }) => subgroup <= on.subgroupLanes)
    .filter(({ suits }) => !suits || calls.some((call) => suits(call, adapter)))
    .map(({ name }) => ({ name, value, allowed: FLOAT, kernel: name }));
}

/** Runs every kernel of the forward passes on the device and compares it with float64 on the CPU. */
export async function selfTest(): Promise<SelfTest[]> {
  const tests = [...cases(), ...variants(await device())];
  const expected = await referenceOf(tests.map(({ value }) => value));
  return Promise.all(
    tests.map(async ({ name, value, allowed, kernel }, i) => {
      const computed = kernel ? compile(() => value, { choose: () => kernel })() : value;
      const error = distance(await computed.data(), expected[i]);
      return { name, error, allowed, passed: error <= allowed };
    }),
  );
}

function distance(got: ArrayLike<number>, expected: Float64Array): number {
  let difference = 0;
  let length = 0;
  for (let i = 0; i < expected.length; i++) {
    // what the device stores is float32: only what it adds to that rounding counts
    difference += (got[i] - (Number.isInteger(expected[i]) ? expected[i] : Math.fround(expected[i]))) ** 2;
    length += expected[i] ** 2;
  }
  return Math.sqrt(difference / Math.max(length, Number.MIN_VALUE));
}
