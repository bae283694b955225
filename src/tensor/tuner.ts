import { type Measurement, measure } from "./choices.ts";
import { inline } from "./compile.ts";
import { device } from "./device.ts";
import { lower } from "./lower.ts";
import { optionsFor } from "./program.ts";
import { Tensor } from "./tensor.ts";
import { treeLeaves } from "./tree.ts";

/**
 * Measures every kernel that could run a step of `f` where there are several, and remembers the fastest for calls like
 * it: for this adapter, in this process and (in Node) in the user's cache, in a browser in localStorage. Programs traced
 * from then on use it. Nothing of `f` itself is run. COOP_TUNE=1 does the same for every program when it is first built.
 *
 * @example await tune(step, params, state, batch);
 */
export async function tune<Args extends unknown[]>(
  f: (...args: Args) => unknown,
  ...args: Args
): Promise<Measurement[]> {
  const on = await device();
  const roots = treeLeaves(inline(() => f(...args))).filter((leaf) => leaf instanceof Tensor);
  return measure(on, lower(roots, new Map(), optionsFor(on)).dispatches);
}
