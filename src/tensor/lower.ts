import { elementwiseKernel, outermostFold, reduceKernel } from "./codegen.ts";
import { DTYPES, type DType } from "./dtype.ts";
import { buffersOf, changeExpr, costOf, type Expr, isCheap, type Load, repeats, type VirtualBuffer } from "./expr.ts";
import type { Kernel, KernelCall } from "./op.ts";
import { type Shape, sizeOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";
import { contiguous, isContiguous } from "./view.ts";

/** One kernel launch of a program. */
export interface Dispatch {
  /** What it computes, for profiles and plans: op names joined by "+". */
  readonly label: string;
  readonly code: string;
  /** Contents of the uniform buffer bound last; absent where the sizes stand in the code. */
  readonly params?: ArrayBuffer;
  readonly workgroups: readonly [number, number, number];
  readonly reads: readonly VirtualBuffer[];
  readonly writes: VirtualBuffer;
}

export interface Lowered {
  readonly dispatches: readonly Dispatch[];
  /** Tensors outside the graph whose storage the program borrows, with the buffer each becomes. */
  readonly borrowed: ReadonlyMap<Tensor, VirtualBuffer>;
  /** One buffer for each root, in order. */
  readonly results: readonly VirtualBuffer[];
}

export interface LowerOptions {
  /** Lanes of a subgroup, 0 where the device has none. */
  readonly subgroupLanes: number;
  /** Storage buffers that one kernel may bind. */
  readonly maxBindings: number;
  /** Tensors to compute although they have (still empty) storage. */
  readonly compute?: ReadonlySet<Tensor>;
  /** Use composed definitions wherever an op has one. */
  readonly composedOnly?: boolean;
}

/** Outputs below this, folding more than this many elements each, are folded in two steps. */
const FEW_OUTPUTS = 2048;
const LONG_FOLD = 512;
/** Operations in one kernel: chains of more, such as many steps that nobody read, are cut. */
const LONGEST_EXPRESSION = 128;

/**
 * Turns a graph into kernel launches: views vanish into index arithmetic, elementwise ops fuse with what reads them,
 * equal nodes are computed once.
 *
 * @param arguments_ placeholders of a traced function with the place each value will be found in
 */
export function lower(roots: readonly Tensor[], arguments_: ReadonlyMap<Tensor, Load>, options: LowerOptions): Lowered {
  const isLeaf = (node: Tensor): boolean => node.op.run.kind === "leaf" || (node.storage !== undefined && !options.compute?.has(node));
  const { order, canonical } = schedule(roots, isLeaf, options);
  const uses = countUses(order, roots, isLeaf, canonical);
  const dispatches: Dispatch[] = [];
  const borrowed = new Map<Tensor, VirtualBuffer>();
  const exprs = new Map<Tensor, Expr>();
  let buffers = 0;

  const newBuffer = (shape: Shape, dtype: DType, kind: VirtualBuffer["kind"] = "slot"): VirtualBuffer => ({
    id: buffers++,
    kind,
    bytes: bytesOf(shape, dtype),
    dtype,
  });

  const store = (expr: Expr, shape: Shape, dtype: DType, kind?: VirtualBuffer["kind"]): Load => {
    const buffer = newBuffer(shape, dtype, kind);
    if (sizeOf(shape) > 0) {
      const { code, reads, workgroups } = elementwiseKernel(expr, shape, dtype);
      dispatches.push({ label: labelOf(expr), code, workgroups, reads, writes: buffer });
    }
    return { kind: "load", buffer, view: contiguous(shape), dtype };
  };

  /** A node as a load, stored first where it is more than that. */
  const loaded = (node: Tensor, mayBeStrided: boolean): Load => {
    const expr = exprs.get(node)!;
    if (expr.kind === "load" && !expr.view.bounds && (mayBeStrided || isContiguous(expr.view))) return expr;
    const load = store(expr, node.shape, node.dtype);
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
    if (node.storage) {
      const buffer = newBuffer(node.shape, node.dtype, "input");
      borrowed.set(node, buffer);
      return { kind: "load", buffer, view: contiguous(node.shape), dtype: node.dtype };
    }
    if (node.op.name === "literal") return { kind: "literal", value: node.attrs.value as number, dtype: node.dtype };
    if (node.op.name === "iota") return { kind: "iota", view: contiguous(node.shape), dtype: node.dtype };
    throw new Error(`${node.op.name} has no value here: a traced argument was used outside its function`);
  };

  const lowerReduce = (node: Tensor, input: Tensor, fold: "sum" | "max" | "min"): Expr => {
    const axes = node.attrs.axes as number[];
    const kept = input.shape.map((_, i) => i).filter((i) => !axes.includes(i));
    const outputs = sizeOf(node.shape);
    const folded = sizeOf(input.shape) / Math.max(1, outputs);
    const wanted = outputs < FEW_OUTPUTS && folded >= LONG_FOLD ? Math.min(Math.ceil(FEW_OUTPUTS / Math.max(1, outputs)), Math.ceil(folded / 64)) : 1;
    const ordered = (folding: readonly number[]) => {
      const perm = [...kept, ...folding];
      const expr = changeExpr(exprs.get(input)!, { kind: "transpose", perm })!;
      const shape = perm.map((i) => input.shape[i]);
      return { expr, shape, chunks: Math.min(wanted, outermostFold(expr, shape, kept.length)) };
    };
    // parts are cut along the outermost loop: where that is too short, the longest axis goes there
    const asIs = ordered(axes);
    const { expr, shape, chunks } = asIs.chunks === wanted ? asIs : ordered(axes.toSorted((a, b) => input.shape[b] - input.shape[a]));
    const emit = (source: Expr, from: Shape, parts: number, to: Shape): Load => {
      const buffer = newBuffer(to, node.dtype);
      if (sizeOf(to) > 0) {
        const { code, reads, workgroups } = reduceKernel(source, from, kept.length, fold, node.dtype, parts);
        dispatches.push({ label: joinLabels(labelOf(source), node.op.name), code, workgroups, reads, writes: buffer });
      }
      return { kind: "load", buffer, view: contiguous(to), dtype: node.dtype };
    };
    if (chunks <= 1) return emit(expr, shape, 1, node.shape);
    const partial = emit(expr, shape, chunks, [chunks, ...node.shape]);
    const last = [...node.shape.map((_, i) => i + 1), 0];
    return emit(changeExpr(partial, { kind: "transpose", perm: last })!, [...node.shape, chunks], 1, node.shape);
  };

  const lowerKernel = (node: Tensor, inputs: readonly Tensor[]): Expr => {
    const kernel = kernelFor(node, options)!;
    const loads = inputs.map((input) => loaded(input, kernel.strided === true));
    const call: KernelCall = {
      inputs: loads.map((load, i) => ({ shape: inputs[i].shape, dtype: inputs[i].dtype, strides: load.view.strides, offset: load.view.offset })),
      output: node,
      attrs: node.attrs,
    };
    const buffer = newBuffer(node.shape, node.dtype);
    if (sizeOf(node.shape) > 0) {
      dispatches.push({
        label: kernel.name,
        code: prelude(kernel, loads.map((l) => l.dtype), node.dtype) + kernel.source,
        params: packParams(kernel, call),
        workgroups: kernel.workgroups(call),
        reads: loads.map((l) => l.buffer),
        writes: buffer,
      });
    }
    return { kind: "load", buffer, view: contiguous(node.shape), dtype: node.dtype };
  };

  for (const node of order) {
    exprs.set(node, lowerNode(node));
    const expr = exprs.get(node)!;
    if ((uses.get(node)! > 1 && !isCheap(expr)) || costOf(expr) >= LONGEST_EXPRESSION) exprs.set(node, store(expr, node.shape, node.dtype));
  }

  const taken = new Set<VirtualBuffer>();
  const results = roots.map((root) => {
    const node = canonical.get(root)!;
    const expr = exprs.get(node)!;
    const own = expr.kind === "load" && expr.buffer.kind === "slot" && isContiguous(expr.view) && expr.buffer.bytes === bytesOf(node.shape, node.dtype);
    const buffer = own && !taken.has((expr as Load).buffer) ? (expr as Load).buffer : store(expr, node.shape, node.dtype).buffer;
    taken.add(buffer);
    return buffer;
  });
  for (const buffer of taken) buffer.kind = "output";
  return { dispatches, borrowed, results };
}

/** Bytes of a tensor in a buffer: at least 4, and a multiple of 4. */
export const bytesOf = (shape: Shape, dtype: DType): number => Math.max(4, Math.ceil((sizeOf(shape) * DTYPES[dtype].bytes) / 4) * 4);

const countBuffers = (args: readonly Expr[]): number => {
  const all = new Set<VirtualBuffer>();
  for (const arg of args) buffersOf(arg, all);
  return all.size;
};

/** What a hand-written kernel leaves open: its extensions and the types `In0`, `In1`, … and `Out`. */
function prelude(kernel: Kernel, inputs: readonly DType[], output: DType): string {
  const half = [...inputs, output].includes("f16") ? "enable f16;\n" : "";
  const subgroups = kernel.subgroup ? "enable subgroups;\n" : "";
  const aliases = inputs.map((dtype, i) => `alias In${i} = ${DTYPES[dtype].stored};\n`).join("");
  return `${half}${subgroups}${aliases}alias Out = ${DTYPES[output].stored};\n`;
}

/** The fields of `struct Params` in the kernel's source, in order, filled from its `params`. */
function packParams(kernel: Kernel, call: KernelCall): ArrayBuffer {
  const values = kernel.params(call);
  const fields = [...kernel.source.match(/struct Params \{([^}]*)\}/)![1].matchAll(/(\w+): (\w+)/g)];
  const view = new DataView(new ArrayBuffer(Math.ceil(fields.length / 4) * 16));
  fields.forEach(([, name, type], i) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${kernel.name}: no value for P.${name}`);
    if (type === "f32") view.setFloat32(4 * i, value, true);
    else view.setInt32(4 * i, value, true);
  });
  return view.buffer;
}

const kernelFor = (node: Tensor, options: LowerOptions) =>
  node.op.run.kind === "kernel"
    ? node.op.run.kernels.find((k) => (k.subgroup ?? 0) <= options.subgroupLanes && (k.applies?.(node.inputs, node.attrs) ?? true))
    : undefined;

/** Inputs before users; composed definitions in place of ops without a kernel; one node for all that are equal. */
function schedule(roots: readonly Tensor[], isLeaf: (node: Tensor) => boolean, options: LowerOptions) {
  const order: Tensor[] = [];
  const canonical = new Map<Tensor, Tensor>();
  const known = new Map<string, Tensor>();
  const expanded = new Map<Tensor, Tensor>();
  const stack: Tensor[] = [...roots].reverse();
  while (stack.length > 0) {
    const node = stack.at(-1)!;
    if (canonical.has(node)) {
      stack.pop();
      continue;
    }
    const { run } = node.op;
    if (!isLeaf(node) && run.kind === "kernel" && run.composed && (options.composedOnly || !kernelFor(node, options))) {
      const body = expanded.get(node) ?? run.composed(node.inputs, node.attrs);
      expanded.set(node, body);
      if (!canonical.has(body)) stack.push(body);
      else {
        canonical.set(node, canonical.get(body)!);
        stack.pop();
      }
      continue;
    }
    const inputs = isLeaf(node) ? [] : node.inputs;
    const waiting = inputs.filter((input) => !canonical.has(input));
    if (waiting.length > 0) {
      stack.push(...waiting.reverse());
      continue;
    }
    stack.pop();
    const key = isLeaf(node) && node.op.name !== "literal" && node.op.name !== "iota" ? `#${node.id}` : `${node.op.name} ${keyOf(node)} ${inputs.map((i) => canonical.get(i)!.id)}`;
    const twin = known.get(key);
    canonical.set(node, twin ?? node);
    if (!twin) {
      known.set(key, node);
      order.push(node);
    }
  }
  return { order, canonical };
}

/** JSON has no infinity, NaN or negative zero; a literal's value may be one. */
const keyOf = (node: Tensor): string =>
  JSON.stringify(node.attrs, (_, v) => (typeof v === "number" && (!Number.isFinite(v) || Object.is(v, -0)) ? `${1 / v} ${v}` : v));

function countUses(
  order: readonly Tensor[],
  roots: readonly Tensor[],
  isLeaf: (node: Tensor) => boolean,
  canonical: ReadonlyMap<Tensor, Tensor>,
): Map<Tensor, number> {
  const uses = new Map<Tensor, number>(order.map((node) => [node, 0]));
  const count = (node: Tensor) => uses.set(canonical.get(node)!, uses.get(canonical.get(node)!)! + 1);
  for (const node of order) if (!isLeaf(node)) for (const input of node.inputs) count(input);
  for (const root of roots) count(root);
  return uses;
}

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
