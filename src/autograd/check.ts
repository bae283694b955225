import { inline } from "../tensor/compile.ts";
import { isFloat } from "../tensor/dtype.ts";
import { CoopError } from "../tensor/errors.ts";
import { zerosLike } from "../tensor/ops/basic.ts";
import { identity } from "../tensor/ops/view.ts";
import { type Known, readSources, references } from "../tensor/reference.ts";
import { Tensor, tensor } from "../tensor/tensor.ts";
import { treeLeaves, treeMap } from "../tensor/tree.ts";
import { read } from "../tensor/values.ts";
import { backward } from "./backward.ts";

/** How closely gradients are checked. */
export interface CheckOptions {
  /** Of the random directions. */
  readonly seed?: number;
  /** 2 checks the gradient of the gradient as well. */
  readonly order?: 1 | 2;
  /** Step of the differences; the function has to be smooth about ten times that far around the arguments. */
  readonly step?: number;
  /** Largest relative error of a float64 gradient against differences; ten times that for order 2. */
  readonly tolerance?: number;
  /** Largest relative error of the GPU's gradient against the float64 one; Infinity leaves the GPU out. */
  readonly gpuTolerance?: number;
}

/** The largest relative errors that were found. */
export interface GradientReport {
  /** ⟨v, Jᵀw⟩ against ⟨Jv, w⟩, for each order. */
  readonly differences: readonly number[];
  /** The GPU's gradient against the float64 one; NaN where the GPU was left out. */
  readonly gpu: number;
}

/**
 * Checks the gradients of a function along random directions v and w: ⟨v, Jᵀw⟩ = ⟨Jv, w⟩ in float64 on the CPU, with
 * Jv by differences, and Jᵀw of the GPU against float64. (A random projection, as in JAX's check_grads: its cost does
 * not grow with the number of elements.)
 *
 * @param f takes trees of tensors and gives one; everything else among the arguments stays as it is
 * @throws CoopError naming the error where one is too large
 * @example await checkGradients((x, w) => tanh(matmul(x, w)), [x, w]);
 */
export async function checkGradients<Args extends unknown[]>(
  f: (...args: Args) => unknown,
  args: Args,
  options: CheckOptions = {},
): Promise<GradientReport> {
  const { seed = 0, order = 1, step, tolerance = 1e-5, gpuTolerance = 1e-3 } = options;
  const random = normals(seed);
  const first = probe(f, args, random);
  const differences: number[] = [];
  for (let at = first, n = 1; n <= order; at = at.derivative(), n++) {
    const error = differenceError(at, await dataOf(at), random, step);
    differences.push(error);
    refuse(`checkGradients: the gradient of order ${n} against differences`, error, tolerance * 10 ** (n - 1));
  }
  if (gpuTolerance === Number.POSITIVE_INFINITY) return { differences, gpu: Number.NaN };
  const [onGpu, exact] = [await read([...first.gradients]), references(first.gradients, await dataOf(first))];
  const gpu = Math.max(0, ...exact.map((values, i) => distance(onGpu[i], values)));
  refuse("checkGradients: the gradient on the GPU against float64", gpu, gpuTolerance);
  return { differences, gpu };
}

/** @throws CoopError where an error is larger than allowed */
export function refuse(what: string, error: number, allowed: number): void {
  if (error <= allowed) return;
  throw new CoopError(`${what}: the relative error is ${error.toExponential(2)}, more than ${allowed}`);
}

/** A function at a point, with the graph of Jᵀw for a random cotangent w. */
export interface Probe {
  readonly variables: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly cotangents: readonly Tensor[];
  /** Of ⟨outputs, cotangents⟩ with respect to the variables. */
  readonly gradients: readonly Tensor[];
  /** The function from the same point to these gradients, as a probe. */
  derivative(): Probe;
}

/** Takes a function apart for checking; variables are the float tensors among the arguments. */
export function probe<Args extends unknown[]>(f: (...args: Args) => unknown, args: Args, random: () => number): Probe {
  const inside = treeMap((leaf: unknown) => (isVariable(leaf) ? identity(leaf) : leaf), args as unknown[]) as Args;
  const variables = floats(inside);
  const outputs = floats(inline(() => f(...inside)));
  // multiples of 1/64 are exact in every float type
  const cotangents = outputs.map(({ shape, size, dtype }) =>
    tensor(
      Float32Array.from({ length: size }, () => Math.round(random() * 64) / 64),
      shape,
      dtype,
    ),
  );
  const pull = (from: readonly Tensor[], wrt: readonly Tensor[]): Tensor[] =>
    inline(() => backward(from, cotangents, wrt)).map((g, i) => g ?? zerosLike(wrt[i]));
  return {
    variables,
    outputs,
    cotangents,
    gradients: pull(outputs, variables),
    derivative: () => probe((...again: Args) => pull(floats(f(...again)), floats(again)), args, random),
  };
}

const isVariable = (leaf: unknown): leaf is Tensor => leaf instanceof Tensor && isFloat(leaf.dtype);
const floats = (tree: unknown): Tensor[] => treeLeaves(tree).filter(isVariable);

/** Values of every leaf under a probe. */
export const dataOf = (at: Probe, given?: Known): Promise<Map<Tensor, Float64Array>> =>
  readSources([...at.variables, ...at.outputs, ...at.cotangents, ...at.gradients], given);

/** Relative error of ⟨v, Jᵀw⟩ against fourth-order central differences of ⟨f, w⟩ along a random v, in float64. */
export function differenceError(at: Probe, data: Known, random: () => number, step = 5e-4): number {
  const point = references(at.variables, data);
  const weights = references(at.cotangents, data);
  const v = point.map((x) => x.map(random));
  const along = (t: number) => {
    const moved = at.variables.map((variable, i) => [variable, point[i].map((x, j) => x + t * v[i][j])] as const);
    return references(at.outputs, new Map([...data, ...moved])).flatMap((output, i) => [
      ...output.map((y, j) => y * weights[i][j]),
    ]);
  };
  const [near, far] = [1, 2].map((n) => total(along(n * step)) - total(along(-n * step)));
  const byDifferences = (8 * near - far) / (12 * step);
  const terms = references(at.gradients, data).flatMap((g, i) => [...g.map((d, j) => d * v[i][j])]);
  const byRule = total(terms);
  if (byRule === byDifferences) return 0;
  // a gradient that cancels to nothing is compared with the size of the function, and that with its directions'
  const floor = 1e-5 * Math.sqrt(total([...v, ...weights].map((x) => total([...x.map((e) => e * e)]))));
  const size = Math.max(
    total(terms.map(Math.abs)),
    Math.abs(byDifferences),
    1e-3 * total(along(0).map(Math.abs)),
    floor,
  );
  const error = Math.abs(byRule - byDifferences) / size;
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

/** ‖a − b‖ / ‖b‖ with a floor of 1e-3 an element under ‖b‖; infinite where something is not a number. */
export function distance(a: ArrayLike<number>, b: Float64Array): number {
  let [off, size] = [0, 1e-6 * b.length];
  b.forEach((value, i) => {
    off += (a[i] - value) ** 2;
    size += value * value;
  });
  const relative = off === 0 ? 0 : Math.sqrt(off / size);
  return Number.isFinite(relative) ? relative : Number.POSITIVE_INFINITY;
}

const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Standard normal numbers of a seed (mulberry32 with Box and Muller's method). */
export function normals(seed: number): () => number {
  let state = seed | 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
