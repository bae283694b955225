import fc from "fast-check";
import * as coop from "../src/tensor/index.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { valuesOf } from "./arguments.ts";

/** A random program as plain data: what each step does is decided by numbers, so that every one is a program. */
export interface ProgramSpec {
  readonly leaves: readonly { readonly shape: readonly number[]; readonly seed: number }[];
  readonly steps: readonly {
    readonly op: string;
    readonly on: readonly number[];
    readonly numbers: readonly number[];
  }[];
}

const LARGEST = 300;
const { abs, add, cos, div, exp, mul, sin, sub, tanh } = coop;

type Step = (a: Tensor, b: Tensor, numbers: readonly number[]) => Tensor;

/** Where two shapes do not broadcast, one of them becomes its mean. */
const fitting =
  (f: (a: Tensor, b: Tensor) => Tensor): Step =>
  (a, b) => {
    const rank = Math.max(a.rank, b.rank);
    const extent = (x: Tensor, i: number) => x.shape[i - rank + x.rank] ?? 1;
    const pairs = Array.from({ length: rank }, (_, i) => [extent(a, i), extent(b, i)]);
    const fits = pairs.every(([m, n]) => m === n || m === 1 || n === 1);
    return fits && sizeOf(pairs.map(([m, n]) => Math.max(m, n))) <= LARGEST ? f(a, b) : f(a, coop.mean(b));
  };

const axisOf = (x: Tensor, n: number): number => n % Math.max(1, x.rank);
const scalarOr =
  (f: Step): Step =>
  (a, b, numbers) =>
    a.rank === 0 ? tanh(a) : f(a, b, numbers);

/** Smooth steps; all keep values near 1, however often they are applied. */
const SMOOTH: Record<string, Step> = {
  tanh: (a) => tanh(a),
  sigmoid: (a) => coop.sigmoid(a),
  sinOf: (a) => sin(mul(a, 1.5)),
  cosOf: (a) => cos(a),
  exp: (a) => exp(tanh(a)),
  log: (a) => coop.log(add(sin(a), 1.5)),
  sqrt: (a) => coop.sqrt(add(cos(a), 1.25)),
  rsqrt: (a) => coop.rsqrt(add(coop.square(tanh(a)), 0.5)),
  square: (a) => coop.square(tanh(a)),
  gelu: (a) => coop.gelu(a),
  quickGelu: (a) => coop.quickGelu(a),
  neg: (a) => coop.neg(a),
  add: fitting((a, b) => mul(add(a, b), 0.7)),
  sub: fitting((a, b) => mul(sub(a, b), 0.7)),
  mul: fitting((a, b) => mul(a, tanh(b))),
  div: fitting((a, b) => div(a, add(sin(b), 2))),
  mask: fitting((a, b) => coop.where(coop.lessEqual(coop.arange(b.shape.at(-1) ?? 1), 1), a, sin(b))),
  sum: scalarOr((a, _, [n]) => mul(coop.sum(a, axisOf(a, n)), a.shape[axisOf(a, n)] ** -0.5)),
  mean: scalarOr((a, _, [n]) => coop.mean(a, axisOf(a, n), { keepDims: true })),
  centred: scalarOr((a, _, [n]) => sub(a, coop.mean(a, axisOf(a, n), { keepDims: true }))),
  softmax: scalarOr((a, _, [n]) => mul(coop.softmax(a, axisOf(a, n)), 2)),
  logSumExp: scalarOr((a, _, [n]) => tanh(coop.logSumExp(a, axisOf(a, n)))),
  standardize: scalarOr((a) => coop.standardize(a, 0.5)),
  matmul: (a, b) => {
    if (a.rank === 0 || b.rank !== 2) return coop.square(tanh(a));
    const right = b.shape[0] === a.shape.at(-1) ? b : b.shape[1] === a.shape.at(-1) ? coop.transpose(b) : undefined;
    return right && (a.size / right.shape[0]) * right.shape[1] <= LARGEST
      ? mul(coop.matmul(a, right), right.shape[0] ** -0.5)
      : sin(a);
  },
  gram: (a) => (a.rank < 2 ? cos(a) : mul(coop.matmul(a, a, { transposeB: true }), 1 / a.shape.at(-1)!)),
  attention: (a) => (a.rank < 2 ? sin(a) : coop.attention(a, sin(a), cos(a), { causal: true })),
  transpose: (a, _, numbers) =>
    coop.transpose(
      a,
      a.shape.map((_n, i) => i).sort((i, j) => (numbers[i] % 7) - (numbers[j] % 7)),
    ),
  reshape: (a, _, [n]) => coop.reshape(a, a.size % 2 === 0 ? (n % 2 ? [2, -1] : [a.size / 2, 1, 2]) : [a.size]),
  flip: scalarOr((a, _, [n]) => coop.flip(a, [axisOf(a, n)])),
  slice: scalarOr((a, _, [n]) => (a.shape[0] < 2 ? a : coop.slice(a, [n % 2], [n % 2 ? undefined : -1]))),
  pad: scalarOr((a, _, [n]) =>
    a.size * 2 > LARGEST
      ? a
      : coop.pad(
          a,
          a.shape.map((_n, i) => (i === axisOf(a, n) ? [1, n % 2] : [0, 0])),
        ),
  ),
  concat: scalarOr((a, _, [n]) => (a.size * 2 > LARGEST ? tanh(a) : coop.concat([a, cos(a)], axisOf(a, n)))),
  broadcast: (a) => (a.size * 3 > LARGEST ? a : coop.broadcastTo(a, [3, ...a.shape])),
  gather: scalarOr((a, _, [n]) => coop.gather(a, coop.cast(mul(coop.arange(3, "f32"), n % 3), "i32"))),
};

/** Steps where differences have no business, most for their kinks; `decides` has its kink where it is 0. */
const KINKED: Record<string, { readonly step: Step; readonly decides: Step }> = {
  stop: { step: fitting((a, b) => mul(a, add(coop.stopGradient(tanh(b)), 1))), decides: () => coop.ones([]) },
  relu: { step: (a) => coop.relu(a), decides: (a) => a },
  abs: { step: (a) => abs(a), decides: (a) => a },
  maximum: { step: fitting((a, b) => coop.maximum(a, b)), decides: fitting(sub) },
  select: { step: fitting((a, b) => coop.where(coop.greater(a, b), sin(a), cos(b))), decides: fitting(sub) },
  max: {
    step: scalarOr((a, _, [n]) => coop.max(a, axisOf(a, n))),
    decides: (a) => sub(coop.reshape(a, [a.size, 1]), coop.reshape(a, [a.size])),
  },
};

const stepOf = (op: string): Step => SMOOTH[op] ?? KINKED[op].step;

const SHAPES: readonly (readonly number[])[] = [[], [4], [5, 4], [1, 4], [5, 1], [2, 5, 4], [4, 3], [3, 2, 2, 2]];

/** Programs of 5 to 30 steps that share what they compute. */
export const program = (kinks: boolean): fc.Arbitrary<ProgramSpec> =>
  fc.record({
    leaves: fc.array(fc.record({ shape: fc.constantFrom(...SHAPES), seed: fc.nat(1e6) }), {
      minLength: 1,
      maxLength: 3,
    }),
    steps: fc.array(
      fc.record({
        op: fc.constantFrom(...Object.keys(SMOOTH), ...(kinks ? Object.keys(KINKED) : [])),
        on: fc.tuple(fc.nat(30), fc.nat(30)),
        numbers: fc.array(fc.nat(1000), { minLength: 6, maxLength: 6 }),
      }),
      { minLength: 5, maxLength: 30, size: "max" },
    ),
  });

/** The leaves of a program, with their values. */
export const leavesOf = ({ leaves }: ProgramSpec): { tensors: Tensor[]; data: Map<Tensor, Float64Array> } => {
  const made = leaves.map(({ shape, seed }) => {
    const data = valuesOf("unit", "f32", sizeOf(shape), seed);
    return [coop.tensor(Float32Array.from(data), shape), data] as const;
  });
  return { tensors: made.map(([t]) => t), data: new Map(made) };
};

/** A scalar that depends on everything that no later step uses, and the tensors that decide something by their sign. */
export function runProgram({ steps }: ProgramSpec, leaves: readonly Tensor[]): { loss: Tensor; decisions: Tensor[] } {
  const nodes: Tensor[] = [...leaves];
  const used = new Set<Tensor>();
  const decisions: Tensor[] = [];
  for (const { op, on, numbers } of steps) {
    // the newest nodes are used most
    const [a, b] = on.map((n) => nodes[nodes.length - 1 - (n % Math.min(nodes.length, 6))]);
    nodes.push(stepOf(op)(a, b, numbers));
    used.add(a).add(b);
    if (op in KINKED) decisions.push(KINKED[op].decides(a, b, numbers));
  }
  const ends = nodes.filter((node, i) => i === nodes.length - 1 || !used.has(node));
  const loss = ends.map((end) => coop.mean(sin(end))).reduce((x, y) => add(x, y));
  return { loss, decisions };
}
