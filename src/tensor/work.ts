import { DTYPES, type DType } from "./dtype.ts";
import { costOf, type Expr, type Load, type VirtualBuffer } from "./expr.ts";
import type { Kernel, KernelCall } from "./op.ts";
import { type Shape, sizeOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** What one kernel launch does, counted and not measured. */
export interface Work {
  /** The op, or the ops that were fused, joined by "+". */
  readonly op: string;
  /** Where in the caller's code the result was made, if call sites were captured. */
  readonly site?: string;
  /** Arithmetic operations: 2MNK for a matrix product, operations times elements for what is generated. */
  readonly flops: number;
  /** Bytes of the elements read and written, each counted once. */
  readonly bytes: number;
}

/** The work of a generated kernel that evaluates `expr` at every index of `shape`, and folds it where `fold` is given. */
export function expressionWork(op: string, node: Tensor, expr: Expr, shape: Shape, result: Shape): Work {
  const folds = sizeOf(shape) > sizeOf(result) ? 1 : 0;
  return {
    op,
    site: node.site,
    flops: (costOf(expr) + folds) * sizeOf(shape),
    bytes: touched(loadsOf(expr)) + written(result, node.dtype),
  };
}

/** The work of a hand-written kernel: its own count, else one operation for each element of the result. */
export function kernelWork(kernel: Kernel, node: Tensor, call: KernelCall, loads: readonly Load[]): Work {
  return {
    op: node.op.name,
    site: node.site,
    flops: sizeOf(node.shape),
    bytes: touched(loads) + written(node.shape, node.dtype),
    ...kernel.cost?.(call),
  };
}

/** The work of a launch that computes more as it stores: `added` at every element of its result. */
export function finishedWork(
  { work, count, dtype, buffer }: { work: Work; count: number; dtype: DType; buffer: VirtualBuffer },
  added: readonly Expr[],
  finish?: { readonly reads: readonly VirtualBuffer[]; readonly writes: readonly VirtualBuffer[] },
): Work {
  if (!finish || added.length === 0) return work;
  const bytesOf = (buffers: readonly VirtualBuffer[]) =>
    buffers.reduce((sum, b) => sum + Math.min(b.bytes, count * DTYPES[b.dtype].bytes), 0);
  const unwritten = finish.writes.includes(buffer) ? 0 : count * DTYPES[dtype].bytes;
  return {
    ...work,
    op: [...new Set([work.op, ...added.flatMap((expr) => (expr.kind === "apply" ? expr.op.name : []))])].join("+"),
    flops: work.flops + count * added.reduce((sum, expr) => sum + costOf(expr), 0),
    bytes: work.bytes - unwritten + bytesOf([...finish.reads, ...finish.writes.filter((b) => b !== buffer)]),
  };
}

/** The work of launches side by side. */
export const sumOfWork = (all: readonly Work[]): Work => ({
  op: all.map(({ op }) => op).join(" | "),
  site: all[0].site,
  flops: all.reduce((sum, { flops }) => sum + flops, 0),
  bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
});

const written = (shape: Shape, dtype: DType): number => sizeOf(shape) * DTYPES[dtype].bytes;

function loadsOf(expr: Expr): Load[] {
  if (expr.kind === "load") return [expr];
  return expr.kind === "apply" ? expr.args.flatMap(loadsOf) : [];
}

/** Bytes that these loads read; of a buffer never more than it has. */
function touched(loads: readonly Load[]): number {
  const views = new Map<string, Load>();
  for (const load of loads) views.set(`${load.buffer.id} ${JSON.stringify(load.view)}`, load);
  const perBuffer = new Map<VirtualBuffer, number>();
  for (const { buffer, view } of views.values()) {
    const elements = view.shape.reduce((n, extent, i) => (view.strides[i] === 0 ? n : n * extent), 1);
    perBuffer.set(buffer, (perBuffer.get(buffer) ?? 0) + elements * DTYPES[buffer.dtype].bytes);
  }
  return [...perBuffer].reduce((sum, [buffer, bytes]) => sum + Math.min(bytes, buffer.bytes), 0);
}
