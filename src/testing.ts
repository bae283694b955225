/**
 * Checks of gradients and of ops against float64, and the search for the op that made a number that is not finite: for
 * losses and ops of one's own.
 *
 * @module coop/testing
 */
export { type CheckOptions, checkGradients, type GradientReport } from "./autograd/check.ts";
export { checkOp, type OpReport } from "./autograd/check-op.ts";
export { findNonFinite, type NonFinite } from "./tensor/non-finite.ts";
