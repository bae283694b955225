export { checkpoint, customVjp, grad, jvp, valueAndGrad, vjp } from "./grad.ts";
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
