import { compile } from "../tensor/compile.ts";
import { DTypeError } from "../tensor/errors.ts";
import { concat, reshape } from "../tensor/ops/view.ts";
import { Tensor, tensor } from "../tensor/tensor.ts";
import { forEachLeaf, treeLeaves, treeMap } from "../tensor/tree.ts";
import { free, read } from "../tensor/values.ts";
import type { EndReason, LbfgsOptions, LbfgsState, Point } from "./descend.ts";
import { valueAndGrad } from "./grad.ts";

/** Where `minimize` ended. */
export interface Minimum<P> extends Omit<LbfgsState, "iteration"> {
  /** New tensors with the structure of the start. */
  readonly params: P;
  readonly iterations: number;
  /** How often the loss and its gradient were computed. */
  readonly evaluations: number;
  /** Whether the gradient is within the tolerance. */
  readonly converged: boolean;
  readonly reason: EndReason;
}

/** A loss to be minimised any number of times; its program is compiled once for each signature. */
export interface Minimizer<P, Rest extends unknown[]> {
  (params: P, ...rest: Rest): Promise<Minimum<P>>;
  /** Gives back the memory of the program. */
  free(): void;
}

/**
 * Minimises a smooth scalar function of a tree of f32 tensors by L-BFGS (Nocedal & Wright, Numerical Optimization, 2nd
 * ed., algorithms 7.4 and 7.5) with a strong Wolfe line search (3.5 and 3.6).
 *
 * The loss and its gradient are one compiled program, and one read brings both. A line search has to see every value
 * anyway, so the rest is done where the numbers then are: on the host, in float64, which keeps the inner products of
 * near parallel vectors exact. Iterates are rounded to float32 before they are evaluated.
 *
 * @param loss of the parameters and of further arguments, as for `compile`: numbers and tensors may change between calls
 * @throws CoopError where the loss or its gradient is not finite at the start; DTypeError for parameters that are not f32
 * @example
 * const minimum = await minimize((p) => sum(square(sub(p.x, 3))), { x: tensor([0, 0]) }); // .params.x is [3, 3]
 */
export async function minimize<P>(
  loss: (params: P) => Tensor,
  params: P,
  options: LbfgsOptions = {},
): Promise<Minimum<P>> {
  const run = minimizer(loss, options);
  try {
    return await run(params);
  } finally {
    run.free();
  }
}

/**
 * `minimize` for a function that is minimised several times, with other starts and arguments.
 * @example
 * const fit = minimizer((p: { x: Tensor }, goal: number) => sum(square(sub(p.x, goal))));
 * (await fit({ x: tensor([0, 0]) }, 5)).params.x; // [5, 5], by the program that serves any goal
 */
export function minimizer<P, Rest extends unknown[]>(
  loss: (params: P, ...rest: Rest) => Tensor,
  options: LbfgsOptions = {},
): Minimizer<P, Rest> {
  const lossAndGradient = valueAndGrad(loss);
  const program = compile(
    (params: P, rest: Rest) => {
      const [value, gradient] = lossAndGradient(params, ...rest);
      return concat([value, ...treeLeaves<Tensor>(gradient)].map((t) => reshape(t, [t.size])));
    },
    { name: "the loss and gradient of L-BFGS" },
  );
  const run = async (start: P, ...rest: Rest): Promise<Minimum<P>> => {
    checkParams(start);
    let evaluations = 0;
    const evaluate = async (x: Float64Array): Promise<Point> => {
      evaluations++;
      const params = unflatten(start, x);
      const result = program(params, rest);
      try {
        const values = (await result.data()) as Float32Array;
        return { x, value: values[0], gradient: Float64Array.from(values.subarray(1)) };
      } finally {
        free([params, result]);
      }
    };
    const { descend } = await import("./descend.ts"); // a page that minimises nothing does without
    const { point, ...end } = await descend(evaluate, await flatten(start), options);
    return { params: unflatten(start, point.x), ...end, evaluations };
  };
  return Object.assign(run, { free: () => program.free() });
}

function checkParams(params: unknown): void {
  forEachLeaf(params, (leaf, path) => {
    const what = leaf instanceof Tensor ? leaf.dtype : `a ${typeof leaf}`;
    if (what !== "f32")
      throw new DTypeError(`minimize: ${path || "the argument"} is ${what}; parameters are f32 tensors`);
  });
}

/** The values of all leaves, one after another. */
async function flatten(params: unknown): Promise<Float64Array> {
  const values = (await read(treeLeaves<Tensor>(params))) as Float32Array[];
  const flat = new Float64Array(values.reduce((total, leaf) => total + leaf.length, 0));
  let at = 0;
  for (const leaf of values) {
    flat.set(leaf, at);
    at += leaf.length;
  }
  return flat;
}

/** New tensors of these values with the structure of `like`. */
function unflatten<P>(like: P, values: Float64Array): P {
  let at = 0;
  return treeMap(
    (leaf: Tensor) => tensor(Float32Array.from(values.subarray(at, (at += leaf.size))), leaf.shape),
    like,
  ) as P;
}
