export type { Buffers, MemoryReport, Owner } from "./buffers.ts";
export type { Measurement } from "./choices.ts";
export { type Compiled, type CompileOptions, compile, type ProgramReport } from "./compile.ts";
export { type Device, device } from "./device.ts";
export type { DType, HostArray } from "./dtype.ts";
export * from "./errors.ts";
export type { VirtualBuffer } from "./expr.ts";
export {
  type AdapterKind,
  type Attrs,
  type Aval,
  defineOp,
  type Kernel,
  type KernelCall,
  type Op,
  type Run,
  type Target,
  type Values,
  type VjpCall,
} from "./op.ts";
export { type AttentionOptions, attend, attention } from "./ops/attention.ts";
export { type AttentionPattern, attentionPattern, densePattern, type Spans } from "./ops/attention-pattern.ts";
export { arange, full, ones, zeros, zerosLike } from "./ops/basic.ts";
export { conv2d } from "./ops/conv.ts";
export * from "./ops/elementwise.ts";
export { gather, gatherElements, gatherRows, oneHot, type RowIndex, row, rowIndex, scatterAdd } from "./ops/gather.ts";
export { type CrossEntropyOptions, crossEntropy } from "./ops/loss.ts";
export { linear, type MatmulOptions, matmul } from "./ops/matmul.ts";
export { type Axes, max, mean, min, type ReduceOptions, sum } from "./ops/reduce.ts";
export { type Direction, type Resampling, resample } from "./ops/resample.ts";
export {
  l2Normalize,
  layerNorm,
  logSoftmax,
  logSumExp,
  softmax,
  standardize,
} from "./ops/rows.ts";
export { argmax, type TopK, topK, topKIndices } from "./ops/top-k.ts";
export {
  broadcastTo,
  concat,
  expandDims,
  flip,
  pad,
  reshape,
  slice,
  split,
  squeeze,
  stack,
  stopGradient,
  swapAxes,
  transpose,
} from "./ops/view.ts";
export { avgPool2d, unfold, type WindowOptions } from "./ops/window.ts";
export type { Peaks } from "./peaks.ts";
export type { Plan } from "./plan.ts";
export {
  bits,
  foldIn,
  type Key,
  key,
  type NormalOptions,
  normal,
  splitKey,
  type UniformOptions,
  uniform,
} from "./random.ts";
export { type RetryOptions, retryOnLoss } from "./retry-on-loss.ts";
export type { GpuOptions } from "./runtime.ts";
export type { Shape } from "./shape.ts";
export { apply, type Nested, Tensor, type TensorLike, tensor } from "./tensor.ts";
export { type MapTree, treeLeaves, treeMap } from "./tree.ts";
export { tune } from "./tuner.ts";
export { free, type Put, read, realize, upload } from "./values.ts";
export type { ViewChange } from "./view.ts";
export type { Work } from "./work.ts";
