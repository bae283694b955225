import { isFloat } from "../src/tensor/dtype.ts";
import { type Known, references, type Visit } from "../src/tensor/reference.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { mulberry } from "./arguments.ts";
import { EPS } from "./gpu-settings.ts";

/** Ops whose float32 result is one of their inputs or nothing that can be rounded. */
const EXACT = new Set([
  "max",
  "min",
  "maximum",
  "minimum",
  "abs",
  "neg",
  "sign",
  "floor",
  "relu",
  "where",
  "literal",
  "iota",
  "gather",
  "unfold",
]);

/** Ops that compute exponentials, which WGSL allows an error of 3 + 2|x| units in the last place. */
const EXPONENTIAL = /^(exp|softmax|logSumExp|crossEntropy|attention.*)$/;

/** A number from 0 to 1 of each number: what is computed twice is rounded twice alike. */
function hashed(seed: number): (value: number) => number {
  const float = new Float32Array(1);
  const bits = new Int32Array(float.buffer);
  return (value) => {
    float[0] = value;
    return mulberry(Math.imul(bits[0] ^ seed, 0x9e3779b1))();
  };
}

/** Rounds every result a little wrong, at random: what float32 (or half precision) does to a graph. */
function roundings(seed: number, half: boolean): Visit {
  const random = hashed(seed);
  const relative = half ? 2 ** -11 : EPS;
  return (node, data) => {
    const { kind } = node.op.run;
    if (kind === "view" || !isFloat(node.dtype) || EXACT.has(node.op.name)) return;
    // sums gather errors of their terms; tanh, sin, erf … keep an absolute error near 0
    const size = kind === "expression" ? 0 : 0.25 * relative * data.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
    const units = EXPONENTIAL.test(node.op.name) ? 6 : 2;
    const always = /^(sin|cos)$/.test(node.op.name) ? 2 ** -24 : 2 ** -27;
    for (let i = 0; i < data.length; i++) {
      data[i] += (2 * random(data[i]) - 1) * (units * relative * Math.abs(data[i]) + size + always);
    }
  };
}

export const norm = (values: ArrayLike<number>): number => Math.sqrt(Array.from(values).reduce((a, v) => a + v * v, 0));

/**
 * Norm of the error that rounding may leave in each tensor: what it did in trial evaluations with random roundings,
 * times a margin. A graph that cancels gets much, one that does not gets little.
 */
export function roundingErrors(
  roots: readonly Tensor[],
  data: Known,
  exact: readonly Float64Array[],
  half = false,
): number[] {
  const trials = [1, 2, 3].map((seed) => references(roots, data, roundings(seed, half)));
  return exact.map((values, i) => {
    const off = trials.map((trial) => norm(values.map((v, j) => trial[i][j] - v)));
    return 3 * Math.max(...off) + (half ? 2 ** -10 : 4 * EPS) * norm(values) + 1e-12;
  });
}
