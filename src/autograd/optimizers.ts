import { CoopError } from "../tensor/errors.ts";
import { zerosLike } from "../tensor/ops/basic.ts";
import { add, div, minimum, mul, pow, sqrt, square, sub } from "../tensor/ops/elementwise.ts";
import { sum } from "../tensor/ops/reduce.ts";
import { type Tensor, type TensorLike, tensor } from "../tensor/tensor.ts";
import { treeLeaves, treeMap } from "../tensor/tree.ts";

/** An optimizer as two pure functions over trees of parameters. */
export interface Optimizer<State> {
  /** The state before the first step. */
  init<P>(params: P): State;
  /**
   * New parameters and state. `learningRate` replaces the one given at construction: pass it as an argument of a
   * compiled step to follow a schedule.
   */
  update<P>(grads: P, state: State, params: P, learningRate?: TensorLike): [P, State];
}

/** Options of `sgd`: no momentum and no decay where not given. */
export interface SgdOptions {
  readonly learningRate: number;
  readonly momentum?: number;
  /** λ of the term λp that is added to the gradient. */
  readonly weightDecay?: number;
  readonly nesterov?: boolean;
}

/** What `sgd` keeps between steps. */
export interface SgdState {
  /** The running sum of gradients; absent without momentum. */
  readonly velocity: unknown;
}

function checkRate(name: string, value: number, below = Number.POSITIVE_INFINITY): void {
  if (!(value >= 0 && value < below))
    throw new CoopError(`${name} is ${value}; it is ≥ 0 and ${below === 1 ? "below 1" : "finite"}`);
}

const map = <P>(f: (...leaves: Tensor[]) => Tensor, tree: P, ...rest: unknown[]): P =>
  treeMap(f as (leaf: Tensor) => Tensor, tree, ...rest) as P;

/**
 * Stochastic gradient descent as PyTorch defines it: g ← g + λp; v ← μv + g (v = g at the first step);
 * p ← p − lr·v, or p − lr·(g + μv) with Nesterov's momentum.
 *
 * @throws CoopError for a learning rate or decay that is no number ≥ 0
 * @example const optimizer = sgd({ learningRate: 0.002, momentum: 0.9, weightDecay: 5e-4 }); // CoOp's recipe
 */
export function sgd({
  learningRate,
  momentum = 0,
  weightDecay = 0,
  nesterov = false,
}: SgdOptions): Optimizer<SgdState> {
  checkRate("sgd: learningRate", learningRate);
  checkRate("sgd: momentum", momentum);
  checkRate("sgd: weightDecay", weightDecay);
  return {
    init: (params) => ({ velocity: momentum > 0 ? map(zerosLike, params) : null }),
    update: (grads, state, params, rate = learningRate) => {
      if (momentum > 0 && !state.velocity)
        throw new CoopError(
          "sgd: the state has no velocity, so it is not of an optimizer with momentum; make it with init",
        );
      const decayed = weightDecay > 0 ? map((g, p) => add(g, mul(p, weightDecay)), grads, params) : grads;
      // starting from zero velocity, μ·0 + g = g is PyTorch's first step
      const velocity =
        momentum > 0 ? map((v, g) => add(mul(v, momentum), g), state.velocity as typeof grads, decayed) : null;
      const direction =
        velocity === null ? decayed : nesterov ? map((g, v) => add(g, mul(v, momentum)), decayed, velocity) : velocity;
      return [map((p, d) => sub(p, mul(d, rate)), params, direction), { velocity }];
    },
  };
}

/** Options of `adamw`: β₁ 0.9, β₂ 0.999, ε 1e-8 and λ 0.01 where not given. */
export interface AdamWOptions {
  readonly learningRate: number;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Decoupled: p shrinks by lr·λ·p. */
  readonly weightDecay?: number;
  /** Which parameters decay; those of rank ≥ 2 where not given (gains, biases and scales do not). */
  readonly decays?: (parameter: Tensor) => boolean;
}

/**
 * What `adamw` keeps between steps: how many there were (f32), and running means of the gradients and their squares.
 */
export interface AdamWState {
  readonly step: Tensor;
  readonly mean: unknown;
  readonly variance: unknown;
}

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2).
 *
 * @throws CoopError for a learning rate or decay that is no number ≥ 0
 * @example
 * const optimizer = adamw({ learningRate: 1e-3 });
 * let state = optimizer.init(params);
 * [params, state] = optimizer.update(grads, state, params);
 */
export function adamw(options: AdamWOptions): Optimizer<AdamWState> {
  const {
    learningRate,
    beta1 = 0.9,
    beta2 = 0.999,
    epsilon = 1e-8,
    weightDecay = 0.01,
    decays = (p) => p.rank >= 2,
  } = options;
  checkRate("adamw: learningRate", learningRate);
  checkRate("adamw: weightDecay", weightDecay);
  checkRate("adamw: beta1", beta1, 1);
  checkRate("adamw: beta2", beta2, 1);
  checkRate("adamw: epsilon", epsilon);
  return {
    init: (params) => ({ step: tensor(0), mean: map(zerosLike, params), variance: map(zerosLike, params) }),
    update: (grads, state, params, rate = learningRate) => {
      type P = typeof params;
      const step = add(state.step, 1);
      const mean = map((m, g) => add(mul(m, beta1), mul(g, 1 - beta1)), state.mean as P, grads);
      const variance = map((v, g) => add(mul(v, beta2), mul(square(g), 1 - beta2)), state.variance as P, grads);
      const correction1 = sub(1, pow(beta1, step));
      const correction2 = sqrt(sub(1, pow(beta2, step)));
      const updated = map(
        (p, m, v) => {
          const shrunk = weightDecay > 0 && decays(p) ? mul(p, sub(1, mul(rate, weightDecay))) : p;
          const direction = div(div(m, correction1), add(div(sqrt(v), correction2), epsilon));
          return sub(shrunk, mul(direction, rate));
        },
        params,
        mean,
        variance,
      );
      return [updated, { step, mean, variance }];
    },
  };
}

/**
 * √Σ‖leaf‖²: the length of a whole tree.
 * @example globalNorm([tensor([3]), tensor([4])]) // [5]
 */
export function globalNorm(tree: unknown): Tensor {
  const squares = treeLeaves<Tensor>(tree).map((leaf) => sum(square(leaf)));
  if (squares.length === 0) throw new CoopError("globalNorm: there is no tensor in the tree");
  return sqrt(squares.reduce((a, b) => add(a, b)));
}

/**
 * Gradients scaled down together where their global norm exceeds `limit` (Pascanu et al., arXiv 1211.5063).
 * @example clipByGlobalNorm({ w: tensor([3, 4]) }, 1).w // [0.6, 0.8]
 */
export function clipByGlobalNorm<P>(grads: P, limit: number): P {
  if (!(limit >= 0)) throw new CoopError(`clipByGlobalNorm: limit is ${limit}; it is a number ≥ 0`);
  const scale = minimum(div(limit, add(globalNorm(grads), 1e-6)), 1);
  return map((g) => mul(g, scale), grads);
}
