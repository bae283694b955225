/** A learning rate for each step, counted from 0; plain numbers on the host. */
export type Schedule = (step: number) => number;

/**
 * The same rate at every step.
 * @example constant(0.1)(7) // 0.1
 */
export const constant =
  (rate: number): Schedule =>
  () =>
    rate;

/**
 * From `rate` down to `final` along half a cosine over `steps` steps (Loshchilov & Hutter, arXiv 1608.03983, eq. 5).
 * @example cosine(0.1, 100)(50) // 0.05
 */
export const cosine =
  (rate: number, steps: number, final = 0): Schedule =>
  (step) =>
    final + (rate - final) * 0.5 * (1 + Math.cos((Math.PI * Math.min(step, steps)) / steps));

/**
 * Rises in a line to what `then` gives at its first step, for `steps` steps; `then` counts from the end of the rise.
 * @example linearWarmup(4, constant(0.1))(1) // 0.05
 */
export const linearWarmup =
  (steps: number, then: Schedule): Schedule =>
  (step) =>
    step < steps ? (then(0) * (step + 1)) / steps : then(step - steps);

/**
 * One fixed rate for `steps` steps; `then` counts from there.
 * @example constantWarmup(1e-5, 1, constant(0.1))(0) // 0.00001
 */
export const constantWarmup =
  (rate: number, steps: number, then: Schedule): Schedule =>
  (step) =>
    step < steps ? rate : then(step - steps);
