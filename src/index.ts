/**
 * Tensors, compilation and memory; gradients, optimizers and schedules. CLIP is in `coop/clip`, CoOp in `coop/prompt`.
 *
 * @module coop
 */
export * from "./autograd/index.ts";
export * from "./tensor/index.ts";
