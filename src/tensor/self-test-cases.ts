import type { Device } from "./device.ts";
import { type Attrs, allOps, type Op } from "./op.ts";
import { densePattern } from "./ops/attention-pattern.ts";
import * as elementwise from "./ops/elementwise.ts";
import { gelu } from "./ops/elementwise.ts";
import { rowIndex } from "./ops/gather.ts";
import { matmul } from "./ops/matmul.ts";
import { max, sum } from "./ops/reduce.ts";
import { resample } from "./ops/resample.ts";
import { layerNorm } from "./ops/rows.ts";
import { topKIndices } from "./ops/top-k.ts";
import { concat, pad, reshape, slice, swapAxes, transpose } from "./ops/view.ts";
import { unfold } from "./ops/window.ts";
import { bits, key } from "./random.ts";
import { referenceOf } from "./reference.ts";
import { type Shape, sizeOf } from "./shape.ts";
import { apply, type Tensor, tensor } from "./tensor.ts";

const { abs, add, cast, cos, exp, log, mul, pow, quickGelu, rsqrt, sigmoid, sin, sqrt, sub, tanh } = elementwise;

/** What an adapter is tested with. */
export interface SelfTestCase {
  readonly name: string;
  readonly value: Tensor;
  /** Largest relative error, of the norms. */
  readonly allowed: number;
  /** The op whose kernels are tried one after another; generated kernels where there is none. */
  readonly op?: string;
}

const FLOAT = 2e-5;

/** Numbers between −1 and 1 that look random and are the same every time. */
export function numbers(shape: Shape, salt: number): Tensor {
  return tensor(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin((i + 1) * 12.9898 + salt * 78.233) * 0.98),
    shape,
  );
}

/** Exact in half precision. */
const sixteenths = (shape: Shape): Tensor =>
  tensor(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => (((7 * i) % 31) - 15) / 16),
    shape,
  );

const whole = (shape: Shape, below: number, salt: number): Tensor =>
  tensor(
    Int32Array.from({ length: sizeOf(shape) }, (_, i) => (7 * i + salt) % below),
    shape,
  );

/** Kernels that are generated: expressions, folds, fused ones, views. */
export function generatedCases(): SelfTestCase[] {
  const x = numbers([29, 65], 4);
  const positive = add(abs(x), 0.25);
  const float = (name: string, value: Tensor, allowed = FLOAT) => ({ name, value, allowed });
  const exact = (name: string, value: Tensor) => ({ name, value, allowed: 0 });
  return [
    float("elementwise", add(mul(exp(x), 0.5), sub(quickGelu(x), numbers([65], 6)))),
    float("exp, log, powers", concat([exp(x), log(positive), sqrt(positive), rsqrt(positive), pow(positive, 1.7)], 0)),
    float("sin, cos", concat([sin(mul(x, 3)), cos(mul(x, 3))], 0)),
    float("activations", concat([tanh(x), sigmoid(x), gelu(x), quickGelu(x)], 0)),
    exact("comparisons", cast(elementwise.less(x, numbers([65], 21)), "f32")),
    exact("finite", cast(elementwise.finite(mul(x, 1e38)), "f32")),
    float("sum of columns", sum(x, 0)),
    float("sum of all", sum(exp(numbers([150, 140], 7)))),
    exact("max of rows", max(x, 1)),
    float(
      "fused into a product",
      quickGelu(add(matmul(numbers([37, 40], 8), numbers([40, 36], 9)), numbers([36], 10))),
    ),
    float("layer norm", layerNorm(x, numbers([65], 8), numbers([65], 9))),
    exact(
      "views",
      concat(
        [
          transpose(
            pad(x, [
              [1, 2],
              [0, 3],
            ]),
          ),
          swapAxes(numbers([32, 5], 13), 0, 1),
        ].map((t) => reshape(t, [t.size])),
      ),
    ),
    exact("random bits", bits(key(7), [40])),
  ];
}

/** Calls of every op that has kernels of its own, of shapes that between them fit each kernel. */
export async function kernelCases(on: Device): Promise<SelfTestCase[]> {
  const rows = numbers([29, 65], 4);
  const row = numbers([65], 8);
  const above = numbers([29, 65], 22);
  const image = numbers([2, 3, 9, 8], 5);
  const size = { sizeY: 3, sizeX: 2 };
  const patches = unfold(image, [size.sizeY, size.sizeX], { stride: 2, padding: 1 });
  const index = tensor(Int32Array.of(8, 0, 3, 3, 7, -1), [6]);
  const places = rowIndex(Int32Array.of(8, 0, 3, 3, 7, -1), 9);
  const labels = whole([29], 65, 0);
  const lse = await known(call("logSumExp", [rows]));
  const float = (op: string, value: Tensor) => ({ name: op, op, value, allowed: FLOAT });
  const exact = (op: string, value: Tensor) => ({ name: op, op, value, allowed: 0 });
  const half = on.gpu.features.has("shader-f16");
  return [
    float("softmax", call("softmax", [rows])),
    float("logSumExp", call("logSumExp", [rows])),
    float("standardize", call("standardize", [rows], { epsilon: 1e-5 })),
    float("layerNormGrad", call("layerNormGrad", [rows, row, above], { epsilon: 1e-5 })),
    float("l2Normalize", call("l2Normalize", [rows], { epsilon: 1e-24 })),
    float("l2NormalizeGrad", call("l2NormalizeGrad", [rows, above], { epsilon: 1e-24 })),
    float("crossEntropy", call("crossEntropy", [rows, labels, lse], { smoothing: 0.1 })),
    ...(await attentionCases(16, 24)),
    ...(await attentionCases(17, 21)),
    float("matmul", products(36, 68, 20)),
    ...(half ? [float("matmul", matmul(numbers([36, 20], 15), cast(sixteenths([20, 68]), "f16")))] : []),
    float("conv2d", call("conv2d", [numbers([2, 4, 7, 9], 19), numbers([33, 4, 3, 3], 20)], patches3(7, 9))),
    exact("gather", call("gather", [numbers([9, 5], 3), index])),
    float("scatterAdd", call("scatterAdd", [numbers([6, 5], 12), index], { rows: 9 })),
    float("segmentSum", call("segmentSum", [numbers([6, 5], 12), places.places, places.starts, places.index])),
    exact("unfold", patches),
    float("fold", call("fold", [numbers(patches.shape, 23)], patches.attrs)),
    exact("topKIndices", topKIndices(rows, 3)),
    exact("topKIndices", topKIndices(numbers([2, 5003], 15), 7)),
    exact("resample", halved()),
  ];
}

const opCalled = (name: string): Op => allOps().find((op) => op.name === name)!;
const call = (name: string, inputs: readonly Tensor[], attrs: Attrs = {}): Tensor =>
  apply(opCalled(name), inputs, attrs);

/** A value computed in float64, so that a test of what reads it is a test of that alone. */
const known = async (x: Tensor): Promise<Tensor> => tensor(Float32Array.from((await referenceOf([x]))[0]), x.shape);

/** The attributes of windows of 3 × 3, one apart, with a border of 1. */
const patches3 = (height: number, width: number): Attrs =>
  unfold(numbers([2, 4, height, width], 0), [3, 3], { padding: 1 }).attrs;

/** Causal attention of two heads whose rows hold so many numbers, and its gradients. */
async function attentionCases(width: number, valueWidth: number): Promise<SelfTestCase[]> {
  const { spans, readers } = densePattern(2, 9, 11, { causal: true });
  const [q, k] = [numbers([18, 2, width], 1), numbers([22, 2, width], 10)];
  const [v, g] = [numbers([22, 2, valueWidth], 11), numbers([18, 2, valueWidth], 12)];
  const attrs = { scale: width ** -0.5 };
  const output = call("attention", [q, k, v, spans, readers], attrs);
  const lse = await known(call("attentionLogSum", [q, k, spans], attrs));
  const delta = await known(sum(mul(g, output), -1));
  const float = (op: string, value: Tensor) => ({ name: op, op, value, allowed: FLOAT });
  return [
    float("attention", output),
    float("attentionLogSum", call("attentionLogSum", [q, k, spans], attrs)),
    float("attentionGradQuery", call("attentionGradQuery", [q, k, v, g, lse, delta, spans], attrs)),
    float("attentionGradKey", call("attentionGradKey", [q, k, v, g, lse, delta, readers], attrs)),
    float("attentionGradValue", call("attentionGradValue", [q, k, g, lse, readers], attrs)),
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

/** A line of 12 pixels at half its length, each the mean of two. */
function halved(): Tensor {
  const outputs = 6;
  const taps = Array.from({ length: outputs }, (_, i) => [2 * i, 2 * i]).flat();
  return resample(
    {
      pixels: tensor(Uint32Array.from({ length: 12 }, (_, i) => (i * 0x0a1723) % 2 ** 24)),
      lines: tensor(Int32Array.of(0, 0), [1, 2]),
      taps: tensor(Int32Array.from([...taps, 0, 2 * outputs]), [outputs + 1, 2]),
      weights: tensor(new Int32Array(2 * outputs).fill(2 ** 21)),
    },
    "across",
    outputs,
  );
}
