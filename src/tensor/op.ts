import type { DType } from "./dtype.ts";
import { CoopError } from "./errors.ts";
import type { Shape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";
import type { ViewChange } from "./view.ts";

/** What is known of a tensor before it is computed. */
export interface Aval {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Everything that makes one node of an op differ from another, apart from its inputs: plain JSON data. */
export type Attrs = Readonly<Record<string, unknown>>;

/** A tensor on the CPU in float64 (row-major), for the references. */
export interface Values extends Aval {
  readonly data: Float64Array;
}

/** Whether an adapter computes on a GPU or on the CPU. */
export type AdapterKind = "hardware" | "software";

/** What code is made for. */
export interface Target {
  /** Lanes of a subgroup, 0 where the device has none. */
  readonly subgroupLanes: number;
  /** What the kernels should suit. */
  readonly adapter?: AdapterKind;
}

/** A hand-written kernel that can compute an op. Inputs arrive contiguous unless `strided`. */
export interface Kernel {
  /** Names the variant in profiles and tests. */
  readonly name: string;
  /**
   * WGSL, or a function that makes it where something must be known when the kernel is compiled. Its inputs are bound at
   * 0, 1, … as `array<In0>`, `array<In1>`, …, then the output as `array<Out>`, then `var<uniform> P: Params`, a struct of
   * u32, i32 and f32; the entry point is `main`. A source that stores with `y[i] = finish(value, i, column)` lets ops
   * behind it be computed as it stores (see `columns`).
   */
  readonly source: string | ((inputs: readonly Aval[], target: Target) => string);
  /** Needs the WGSL extension `subgroups` with at least this many lanes. */
  readonly subgroup?: number;
  /** How many of the inputs, from the first, may be any strided view, which the kernel reads through its parameters. */
  readonly strided?: number;
  /** How many of the inputs, from the first, it binds: the rest serve the gradient only. All where not given. */
  readonly binds?: number;
  /**
   * Extent of the `column` that its source passes to `finish(value, i, column)`, where i is the flat index of the
   * output; the output's last extent where not given. A source that stores this way lets ops behind it be fused.
   */
  readonly columns?: (call: KernelCall) => number;
  /**
   * Takes a CPU driver so long to compile that it should not be compiled anew for each kind of op that could be fused
   * into it: there, what follows gets a launch of its own.
   */
  readonly slowToCompile?: boolean;
  /** Whether it can compute these inputs at all: their shapes, dtypes and attributes. */
  readonly applies?: (inputs: readonly Aval[], attrs: Attrs) => boolean;
  /** Whether it can read inputs that lie like these. */
  readonly fits?: (call: KernelCall) => boolean;
  /** Whether it is worth taking where it fits; where it is not, only `tune` or a test takes it. */
  readonly suits?: (call: KernelCall, adapter: AdapterKind | undefined) => boolean;
  /** Values of the fields of the file's `Params`: sizes are not baked in, so that one pipeline serves all shapes. */
  readonly params: (call: KernelCall, target: Target) => Record<string, number>;
  /** The workgroups of its launch. */
  readonly workgroups: (call: KernelCall) => readonly [number, number, number];
  /** For profiles: arithmetic operations (one an element of the result unless said), bytes where not all inputs are read. */
  readonly cost?: (call: KernelCall) => { readonly flops: number; readonly bytes?: number };
}

/** A call that a kernel is to compute. Strides and offsets count elements. */
export interface KernelCall {
  readonly inputs: readonly (Aval & { readonly strides: readonly number[]; readonly offset: number })[];
  readonly output: Aval;
  readonly attrs: Attrs;
}

/** How an op runs. */
export type Run =
  /** Elementwise: WGSL in terms of its arguments, fused with its neighbours. All inputs have the output's shape. */
  | {
      readonly kind: "expression";
      /** The WGSL expression, its arguments being expressions of the inputs' elements. */
      readonly wgsl: (args: readonly string[], attrs: Attrs, output: Aval, inputs: readonly Aval[]) => string;
      /** WGSL functions that the expression calls. */
      readonly functions?: string;
    }
  /** Another way to look at its first input: free. */
  | {
      readonly kind: "view";
      /** How indices into the input change; undefined where they do not. */
      readonly change: (attrs: Attrs, output: Aval) => ViewChange | undefined;
    }
  /** A fold over some axes of its one input. */
  | { readonly kind: "reduce"; readonly fold: "sum" | "max" | "min" }
  /** Hand-written kernels in order of preference, or else a definition in simpler ops. */
  | {
      readonly kind: "kernel";
      readonly kernels: readonly Kernel[];
      /** The same made of simpler ops: what runs where no kernel can, the float64 reference, and the gradient's source. */
      readonly composed?: (inputs: readonly Tensor[], attrs: Attrs) => Tensor;
      /** Calls so small that the composed definition does better, since it fuses with its neighbours. */
      readonly isTiny?: (inputs: readonly Aval[]) => boolean;
    }
  /** A leaf: data, a number, the index along an axis, an argument of a traced function. */
  | { readonly kind: "leaf" };

/** One op: everything the library knows of it stands in this record. */
export interface Op {
  readonly name: string;
  /** Shape and dtype of the result; throws ShapeError or DTypeError. */
  readonly result: (inputs: readonly Aval[], attrs: Attrs) => Aval;
  /** The result in float64 on the CPU; ops with a composed definition may leave it out. */
  readonly reference?: (inputs: readonly Values[], attrs: Attrs, output: Aval) => Float64Array;
  /**
   * Gradient with respect to input `wrt`, made of ops; ops with a composed definition may leave it out. Undefined for
   * an input that only repeats what the others say, such as a sum that was kept.
   */
  readonly vjp?: (call: VjpCall) => Tensor | undefined;
  /** The gradient is zero everywhere: nothing is differentiated through the op. */
  readonly stops?: boolean;
  readonly run: Run;
}

/** What a gradient is made of. */
export interface VjpCall {
  /** Gradient of the loss with respect to the output. */
  readonly g: Tensor;
  readonly wrt: number;
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  readonly attrs: Attrs;
}

const registry = new Map<string, Op>();

/**
 * Declares an op, the library's own or anyone's; `apply` puts it into a graph, where it is differentiated, compiled and
 * fused like any other, and `checkOp` (of `coop/testing`) tests it. Functions that can be said in terms of other ops need none: those fuse
 * by themselves.
 *
 * Bundlers may drop an op that nothing applies.
 *
 * @throws CoopError where the name is taken
 * @example
 * const CUBE = defineOp({
 *   name: "cube",
 *   result: ([x]) => x,
 *   reference: ([x]) => x.data.map((v) => v ** 3),
 *   vjp: ({ g, inputs: [x] }) => mul(g, mul(square(x), 3)),
 *   run: { kind: "expression", wgsl: ([x]) => `${x} * ${x} * ${x}` },
 * });
 * const cube = (x: Tensor) => apply(CUBE, [x]);
 */
/* @__NO_SIDE_EFFECTS__ */
export function defineOp(op: Op): Op {
  if (registry.has(op.name))
    throw new CoopError(`defineOp: there is an op called ${op.name} already; give this one another name`);
  registry.set(op.name, op);
  return op;
}

/** Every op of the library, in order of declaration: tests and documentation are generated from this list. */
export const allOps = (): Op[] => [...registry.values()];
