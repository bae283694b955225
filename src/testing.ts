/**
 * Checks of gradients and of ops against float64, for tests of losses and ops of one's own.
 *
 * @module coop/testing
 */
export { type CheckOptions, checkGradients, type GradientReport } from "./autograd/check.ts";
export { checkOp, type OpReport } from "./autograd/check-op.ts";
