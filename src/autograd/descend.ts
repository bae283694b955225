import { CoopError } from "../tensor/errors.ts";
import { type LinePoint, strongWolfe } from "./line-search.ts";

/** Options of `minimize`: by default 10 pairs of history, 1000 iterations and a largest gradient of 1e-5. */
export interface LbfgsOptions {
  /** Pairs of steps and gradient changes that stand for the curvature. */
  readonly history?: number;
  readonly maxIterations?: number;
  /** Done where no element of the gradient is larger. */
  readonly gradientTolerance?: number;
  /** Called after each iteration; "stop" ends the minimisation there. */
  readonly onIteration?: (state: LbfgsState) => "stop" | undefined | void;
}

/** Where a minimisation stands. */
export interface LbfgsState {
  /** Steps taken. */
  readonly iteration: number;
  readonly loss: number;
  /** Euclidean length of the gradient. */
  readonly gradientNorm: number;
  /** Largest element of the gradient by size. */
  readonly gradientMax: number;
}

/** "precision": float32 shows no way further down; "stopped": `onIteration` said so. */
export type EndReason = "gradient" | "precision" | "iterations" | "stopped";

/** Iterations without a better loss or gradient after which rounding is all that is left. */
const PATIENCE = 50;
/** Relative errors of the loss to reckon with, one after another as line searches fail: large terms may cancel in it. */
const NOISE = [1e-6, 1e-5, 1e-4, 1e-3];

/** A function and its gradient at a place. */
export interface Point {
  readonly x: Float64Array;
  readonly value: number;
  readonly gradient: Float64Array;
}

/** x[k + 1] − x[k], the change of the gradient, and the inverse of their product. */
interface Pair {
  readonly step: Float64Array;
  readonly change: Float64Array;
  readonly rho: number;
}

/** Algorithm 7.5 on flat vectors. */
export async function descend(evaluate: (x: Float64Array) => Promise<Point>, x: Float64Array, options: LbfgsOptions) {
  const { history = 10, maxIterations = 1000, gradientTolerance = 1e-5, onIteration = () => {} } = options;
  for (const [name, value] of Object.entries({ history, maxIterations }))
    if (!(value >= 0)) throw new CoopError(`minimize: ${name} is ${value}; it is a number ≥ 0`);
  let point = await evaluate(x);
  if (!allFinite(point))
    throw new CoopError(
      `minimize: the loss at the start is ${point.value}${Number.isFinite(point.value) ? ", but its gradient is not finite" : ""}; start elsewhere or scale the loss`,
    );
  const pairs: Pair[] = [];
  let level = 0;
  const best = { loss: point.value, gradient: Number.POSITIVE_INFINITY, iteration: 0 };
  const ended = (reason: EndReason, iterations: number) => {
    const { loss, gradientNorm, gradientMax } = stateOf(point, iterations);
    return { point, loss, gradientNorm, gradientMax, iterations, reason, converged: gradientMax <= gradientTolerance };
  };
  for (let iteration = 0; ; iteration++) {
    const state = stateOf(point, iteration);
    if (iteration > 0 && onIteration(state) === "stop") return ended("stopped", iteration);
    if (state.gradientMax <= gradientTolerance) return ended("gradient", iteration);
    if (iteration >= maxIterations) return ended("iterations", iteration);
    if (state.loss < best.loss - 1e-7 * Math.abs(best.loss)) [best.loss, best.iteration] = [state.loss, iteration];
    if (state.gradientNorm < 0.9 * best.gradient) [best.gradient, best.iteration] = [state.gradientNorm, iteration];
    if (iteration - best.iteration > PATIENCE) return ended("precision", iteration);

    let next = await search(evaluate, point, pairs, NOISE[level]);
    while (!next && level + 1 < NOISE.length) next = await search(evaluate, point, pairs, NOISE[++level]);
    if (!next && pairs.length > 0) {
      pairs.length = 0; // what was learned of the curvature may be wrong: once more, straight down
      next = await search(evaluate, point, pairs, NOISE[level]);
    }
    if (!next) return ended("precision", iteration);
    const { x: from, gradient: before } = point;
    const step = next.x.map((v, i) => v - from[i]);
    const change = next.gradient.map((v, i) => v - before[i]);
    const product = dot(step, change);
    if (product > 1e-12 * Math.sqrt(dot(step, step) * dot(change, change))) {
      pairs.push({ step, change, rho: 1 / product });
      if (pairs.length > history) pairs.shift();
    }
    point = next;
  }
}

/** The next point along −H g, or undefined where none is lower. */
async function search(
  evaluate: (x: Float64Array) => Promise<Point>,
  { x, value, gradient }: Point,
  pairs: readonly Pair[],
  noise: number,
): Promise<Point | undefined> {
  const direction = descent(gradient, pairs);
  const slope = dot(direction, gradient);
  if (!(slope < 0)) return undefined;
  const at = async (step: number): Promise<Point & LinePoint> => {
    const moved = await evaluate(x.map((v, i) => Math.fround(v + step * direction[i])));
    return { ...moved, step, slope: dot(moved.gradient, direction) };
  };
  // without pairs the direction has the length of the gradient, which says nothing about how far to go
  const first = pairs.length > 0 ? 1 : Math.min(1, 1 / Math.sqrt(-slope));
  return strongWolfe(at, { step: 0, value, slope }, { first, noise });
}

/** −H g, the two-loop recursion: algorithm 7.4, with H₀ of equation 7.20. */
function descent(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  const q = gradient.map((v) => -v);
  const alphas = pairs.map(() => 0);
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { step, change, rho } = pairs[i];
    alphas[i] = rho * dot(step, q);
    addScaled(q, change, -alphas[i]);
  }
  if (pairs.length > 0) {
    const { change, rho } = pairs[pairs.length - 1];
    const scale = 1 / (rho * dot(change, change));
    for (let j = 0; j < q.length; j++) q[j] *= scale;
  }
  pairs.forEach(({ step, change, rho }, i) => {
    addScaled(q, step, alphas[i] - rho * dot(change, q));
  });
  return q;
}

const stateOf = ({ value, gradient }: Point, iteration: number): LbfgsState => ({
  iteration,
  loss: value,
  gradientNorm: Math.sqrt(dot(gradient, gradient)),
  gradientMax: gradient.reduce((most, v) => Math.max(most, Math.abs(v)), 0),
});

const allFinite = ({ value, gradient }: Point): boolean => Number.isFinite(value) && gradient.every(Number.isFinite);

function dot(a: Float64Array, b: Float64Array): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
}

function addScaled(to: Float64Array, x: Float64Array, scale: number): void {
  for (let i = 0; i < to.length; i++) to[i] += scale * x[i];
}
