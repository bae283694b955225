import { CoopError } from "../tensor/errors.ts";

/** A learning rate for each step, counted from 0; plain numbers on the host. */
export type Schedule = (step: number) => number;

/**
 * The same rate at every step.
 * @example constant(0.1)(7) // 0.1
 */
export function constant(rate: number): Schedule {
  check("constant: rate", rate);
  return () => rate;
}

/**
 * From `rate` down to `final` along half a cosine over `steps` steps (Loshchilov & Hutter, arXiv 1608.03983, eq. 5).
 * @example cosine(0.1, 100)(50) // 0.05
 */
export function cosine(rate: number, steps: number, final = 0): Schedule {
  check("cosine: rate", rate);
  check("cosine: steps", steps, 1);
  check("cosine: final", final);
  return (step) => final + (rate - final) * 0.5 * (1 + Math.cos((Math.PI * Math.min(step, steps)) / steps));
}

/**
 * Rises in a line to what `then` gives at its first step, for `steps` steps; `then` counts from the end of the rise.
 * @example linearWarmup(4, constant(0.1))(1) // 0.05
 */
export function linearWarmup(steps: number, then: Schedule): Schedule {
  check("linearWarmup: steps", steps);
  return (step) => (step < steps ? (then(0) * (step + 1)) / steps : then(step - steps));
}

/**
 * One fixed rate for `steps` steps; `then` counts from there.
 * @example constantWarmup(1e-5, 1, constant(0.1))(0) // 0.00001
 */
export function constantWarmup(rate: number, steps: number, then: Schedule): Schedule {
  check("constantWarmup: rate", rate);
  check("constantWarmup: steps", steps);
  return (step) => (step < steps ? rate : then(step - steps));
}

function check(what: string, value: number, least = 0): void {
  if (!(value >= least && value < Number.POSITIVE_INFINITY))
    throw new CoopError(`${what} is ${value}; it is a number ≥ ${least}`);
}
