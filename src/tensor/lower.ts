import { elementwiseKernel, type Names, outermostFold, reduceKernel } from "./codegen.ts";
import { DTYPES, type DType } from "./dtype.ts";
import type { Finish } from "./epilogue.ts";
import { CoopError } from "./errors.ts";
import { buffersOf, changeExpr, costOf, type Expr, isCheap, type Load, repeats, type VirtualBuffer } from "./expr.ts";
import { codeFor, fitting, kernelsFor, type LowerOptions, nothingLeft, packParams, pick, sourceOf } from "./kernel.ts";
import { type Dispatch, Launches, LONGEST_EXPRESSION } from "./launch.ts";
import type { Kernel, KernelCall } from "./op.ts";
import { countReaders, countUses, lastReaders, schedule } from "./schedule.ts";
import { type Shape, sizeOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";
import { contiguous, isContiguous } from "./view.ts";
import { expressionWork, kernelWork } from "./work.ts";

export type { Dispatch };

export interface Lowered {
  readonly dispatches: readonly Dispatch[];
  /** Tensors outside the graph whose storage the program borrows, with the buffer each becomes. */
  readonly borrowed: ReadonlyMap<Tensor, VirtualBuffer>;
  /** One buffer for each root, in order. */
  readonly results: readonly VirtualBuffer[];
}

/** Outputs below this, folding more than this many elements each, are folded in two steps. */
const FEW_OUTPUTS = 2048;
const LONG_FOLD = 512;

/**
 * Turns a graph into kernel launches: views vanish into index arithmetic, elementwise ops fuse with what reads them or
 * with the kernel that computes what they read, equal nodes are computed once.
 *
 * @param arguments_ placeholders of a traced function with the place each value will be found in
 */
export function lower(roots: readonly Tensor[], arguments_: ReadonlyMap<Tensor, Load>, options: LowerOptions): Lowered {
  const isLeaf = (node: Tensor): boolean =>
    node.op.run.kind === "leaf" || (node.storage !== undefined && !options.compute?.has(node));
  const { order, canonical } = schedule(roots, isLeaf, options);
  const uses = countUses(order, roots, isLeaf, canonical);
  const readers = countReaders(order, roots, isLeaf, canonical);
  const lastReader = lastReaders(order, isLeaf, canonical);
  const launches = new Launches(options.maxBindings, !options.composedOnly);
  const borrowed = new Map<Tensor, VirtualBuffer>();
  const exprs = new Map<Tensor, Expr>();
  let buffers = 0;

  const newBuffer = (shape: Shape, dtype: DType, kind: VirtualBuffer["kind"] = "slot"): VirtualBuffer => ({
    id: buffers++,
    kind,
    bytes: bytesOf(shape, dtype),
    dtype,
  });

  /** Lets a launch that is under way compute an expression, where one can. */
  const joined = (expr: Expr, node: Tensor): Load | undefined => {
    const { shape, dtype } = node;
    const buffer = newBuffer(shape, dtype);
    const load: Load = { kind: "load", buffer, view: contiguous(shape), dtype };
    const done = launches.extend(expr, buffer, dtype, sizeOf(shape), labelOf(expr), lastReader.get(node)!);
    return done ? load : undefined;
  };

  const store = (expr: Expr, node: Tensor): Load => {
    const { shape, dtype } = node;
    const load = joined(expr, node);
    if (load) return load;
    const buffer = newBuffer(shape, dtype);
    if (sizeOf(shape) > 0) {
      const label = labelOf(expr);
      const base = {
        label,
        reads: [...buffersOf(expr)],
        buffer,
        dtype,
        count: sizeOf(shape),
        places: { kind: "constants" } as const,
        readOnce: false,
        work: expressionWork(label, node, expr, shape, shape),
        generate: (names: Names, finish?: Finish) => elementwiseKernel(expr, shape, dtype, names, finish),
      };
      launches.start(base, lastReader.get(node)!);
    }
    return { kind: "load", buffer, view: contiguous(shape), dtype };
  };

  /** A node as a load, stored first where it is more than that. */
  const loaded = (node: Tensor, mayBeStrided: boolean): Load => {
    const expr = exprs.get(node)!;
    if (expr.kind === "load" && !expr.view.bounds && (mayBeStrided || isContiguous(expr.view))) return expr;
    const load = store(expr, node);
    if (expr.kind !== "load") exprs.set(node, load);
    return load;
  };

  const lowerNode = (node: Tensor): Expr => {
    const { run } = node.op;
    if (isLeaf(node) || run.kind === "leaf") return lowerLeaf(node);
    const inputs = node.inputs.map((input) => canonical.get(input)!);
    switch (run.kind) {
      case "view": {
        const source = exprs.get(inputs[0])!;
        const change = run.change(node.attrs, node);
        if (!change) return source;
        if (!(repeats(change, inputs[0].shape, node.shape) && !isCheap(source))) {
          const seen = changeExpr(source, change);
          if (seen) return seen;
        }
        return changeExpr(loaded(inputs[0], false), change)!;
      }
      case "expression": {
        let args = inputs.map((input) => exprs.get(input)!);
        while (countBuffers(args) > options.maxBindings - 1) {
          const counts = inputs.map((input) => buffersOf(exprs.get(input)!).size);
          loaded(inputs[counts.indexOf(Math.max(...counts))], false);
          args = inputs.map((input) => exprs.get(input)!);
        }
        return { kind: "apply", op: node.op, attrs: node.attrs, args, dtype: node.dtype };
      }
      case "reduce":
        return lowerReduce(node, inputs[0], run.fold);
      case "kernel":
        return lowerKernel(node, inputs);
    }
  };

  const lowerLeaf = (node: Tensor): Expr => {
    const argument = arguments_.get(node);
    if (argument) return argument;
    if (node.storage && !options.compute?.has(node)) {
      const buffer = newBuffer(node.shape, node.dtype, "input");
      borrowed.set(node, buffer);
      return { kind: "load", buffer, view: contiguous(node.shape), dtype: node.dtype };
    }
    if (node.op.name === "literal") return { kind: "literal", value: node.attrs.value as number, dtype: node.dtype };
    if (node.op.name === "iota") return { kind: "iota", view: contiguous(node.shape), dtype: node.dtype };
    throw new CoopError(`${node} has no value: an argument of a compiled function was read in it or used outside`);
  };

  const lowerReduce = (node: Tensor, input: Tensor, fold: "sum" | "max" | "min"): Expr => {
    const axes = node.attrs.axes as number[];
    const kept = input.shape.map((_, i) => i).filter((i) => !axes.includes(i));
    const outputs = sizeOf(node.shape);
    const folded = sizeOf(input.shape) / Math.max(1, outputs);
    const wanted =
      outputs < FEW_OUTPUTS && folded >= LONG_FOLD
        ? Math.min(Math.ceil(FEW_OUTPUTS / Math.max(1, outputs)), Math.ceil(folded / 64))
        : 1;
    const ordered = (folding: readonly number[]) => {
      const perm = [...kept, ...folding];
      const expr = changeExpr(exprs.get(input)!, { kind: "transpose", perm })!;
      const shape = perm.map((i) => input.shape[i]);
      return { expr, shape, chunks: Math.min(wanted, outermostFold(expr, shape, kept.length)) };
    };
    // parts are cut along the outermost loop: where that is too short, the longest axis goes there
    const asIs = ordered(axes);
    const { expr, shape, chunks } =
      asIs.chunks === wanted ? asIs : ordered(axes.toSorted((a, b) => input.shape[b] - input.shape[a]));
    const emit = (source: Expr, from: Shape, parts: number, to: Shape): Load => {
      const buffer = newBuffer(to, node.dtype);
      if (sizeOf(to) > 0) {
        const label = joinLabels(labelOf(source), node.op.name);
        const base = {
          label,
          reads: [...buffersOf(source)],
          buffer,
          dtype: node.dtype,
          count: sizeOf(to),
          places: { kind: "constants" } as const,
          readOnce: readers.get(node) === 1,
          work: expressionWork(label, node, source, from, to),
          generate: (names: Names, finish?: Finish) =>
            reduceKernel(source, from, kept.length, fold, node.dtype, parts, names, finish),
        };
        launches.start(base, lastReader.get(node)!);
      }
      return { kind: "load", buffer, view: contiguous(to), dtype: node.dtype };
    };
    if (chunks <= 1) return emit(expr, shape, 1, node.shape);
    const partial = emit(expr, shape, chunks, [chunks, ...node.shape]);
    const last = [...node.shape.map((_, i) => i + 1), 0];
    return emit(changeExpr(partial, { kind: "transpose", perm: last })!, [...node.shape, chunks], 1, node.shape);
  };

  const lowerKernel = (node: Tensor, inputs: readonly Tensor[]): Expr => {
    const kernels = kernelsFor(node, options);
    if (kernels.length === 0) nothingLeft(node.op);
    const loads = inputs.slice(0, kernels[0].binds).map((input, i) =>
      loaded(
        input,
        kernels.every(({ strided = 0 }) => i < strided),
      ),
    );
    const call: KernelCall = {
      inputs: loads.map((load, i) => ({
        shape: inputs[i].shape,
        dtype: inputs[i].dtype,
        strides: load.view.strides,
        offset: load.view.offset,
      })),
      output: node,
      attrs: node.attrs,
    };
    const buffer = newBuffer(node.shape, node.dtype);
    if (sizeOf(node.shape) > 0) {
      const choice = { op: node.op, call, kernels: fitting(kernels, call) };
      const kernel = pick(choice, options);
      const bound = inputs.slice(0, kernel.binds);
      const finishes = sourceOf(kernel, bound, options).includes("finish(");
      const columns = kernel.columns?.(call) ?? node.shape.at(-1) ?? 1;
      const base = {
        label: kernel.name,
        reads: loads.map((l) => l.buffer),
        buffer,
        dtype: node.dtype,
        count: sizeOf(node.shape),
        places: finishes ? ({ kind: "fields", columns } as const) : undefined,
        grows: !(kernel.slowToCompile && options.adapter === "software"),
        readOnce: readers.get(node) === 1,
        work: kernelWork(kernel, node, call, loads),
        choice: choice.kernels.length > 1 ? choice : undefined,
        render: (finish?: Finish, instead: Kernel = kernel) => {
          const code = codeFor(instead, sourceOf(instead, bound, options), bound, node, finish);
          const params = packParams(instead, code, call, options, finish?.fields);
          return { code, params, workgroups: instead.workgroups(call) };
        },
      };
      launches.start(base, lastReader.get(node)!);
    }
    return { kind: "load", buffer, view: contiguous(node.shape), dtype: node.dtype };
  };

  const wanted = new Set(roots.map((root) => canonical.get(root)!));
  for (const [at, node] of order.entries()) {
    const expr = lowerNode(node);
    exprs.set(node, expr);
    if (expr.kind === "apply") {
      const shared = uses.get(node)! > 1;
      if ((shared && !isCheap(expr)) || wanted.has(node) || costOf(expr) >= LONGEST_EXPRESSION)
        exprs.set(node, store(expr, node));
      else if (shared && launches.isWaitingFor(expr)) exprs.set(node, joined(expr, node) ?? expr);
    }
    launches.settleUntil(at);
  }

  const taken = new Set<VirtualBuffer>();
  const results = roots.map((root) => {
    const node = canonical.get(root)!;
    const expr = exprs.get(node)!;
    const own =
      expr.kind === "load" &&
      expr.buffer.kind === "slot" &&
      isContiguous(expr.view) &&
      expr.buffer.bytes === bytesOf(node.shape, node.dtype);
    const buffer = own && !taken.has((expr as Load).buffer) ? (expr as Load).buffer : store(expr, node).buffer;
    taken.add(buffer);
    return buffer;
  });
  for (const buffer of taken) buffer.kind = "output";
  return { dispatches: launches.finish(taken), borrowed, results };
}

/** Bytes of a tensor in a buffer: at least 4, and a multiple of 4. */
export const bytesOf = (shape: Shape, dtype: DType): number =>
  Math.max(4, Math.ceil((sizeOf(shape) * DTYPES[dtype].bytes) / 4) * 4);

const countBuffers = (args: readonly Expr[]): number => {
  const all = new Set<VirtualBuffer>();
  for (const arg of args) buffersOf(arg, all);
  return all.size;
};

function labelOf(expr: Expr): string {
  const names: string[] = [];
  const visit = (at: Expr) => {
    if (at.kind !== "apply") return;
    for (const arg of at.args) visit(arg);
    names.push(at.op.name);
  };
  visit(expr);
  return names.length > 0 ? [...new Set(names)].join("+") : "copy";
}

const joinLabels = (a: string, b: string): string => (a === "copy" ? b : `${a}+${b}`);
