export type { EndReason, LbfgsOptions, LbfgsState } from "./descend.ts";
export { checkpoint, customVjp, grad, jvp, valueAndGrad, valueAndGradWith, vjp } from "./grad.ts";
export { type Minimizer, type Minimum, minimize, minimizer } from "./lbfgs.ts";
export { type LinePoint, type LineSearchOptions, strongWolfe } from "./line-search.ts";
export {
  type AdamWOptions,
  type AdamWState,
  adamw,
  clipByGlobalNorm,
  globalNorm,
  type Optimizer,
  type SgdOptions,
  type SgdState,
  sgd,
} from "./optimizers.ts";
export { constant, constantWarmup, cosine, linearWarmup, type Schedule } from "./schedules.ts";
