import { DTYPES } from "./dtype.ts";
import type { Field, Finish } from "./epilogue.ts";
import { CoopError, DeviceError } from "./errors.ts";
import type { Aval, Kernel, KernelCall, Op, Target } from "./op.ts";
import type { Tensor } from "./tensor.ts";
import { hidden } from "./writer.ts";

export interface LowerOptions extends Target {
  /** Names the kernel to take for a call where several can run; undefined leaves it to their order. */
  readonly choose?: (op: Op, call: KernelCall) => string | undefined;
  /** Kernels that are not to be used: on this adapter they give wrong numbers. */
  readonly refused?: ReadonlySet<string>;
  /** Storage buffers that one kernel may bind. */
  readonly maxBindings: number;
  /** Tensors to compute although they have (still empty) storage. */
  readonly compute?: ReadonlySet<Tensor>;
  /** Use composed definitions wherever an op has one, and let every kernel store just what it computes. */
  readonly composedOnly?: boolean;
  /** Use kernels for the smallest calls too. */
  readonly kernelsOnly?: boolean;
}

/** The kernel's own text; one that calls `finish` lets other ops compute as it stores. */
export const sourceOf = (kernel: Kernel, inputs: readonly Aval[], target: Target): string =>
  typeof kernel.source === "string" ? kernel.source : kernel.source(inputs, target);

/**
 * The whole text of a kernel: its extensions, the types `In0`, `In1`, …, `Value` (what it computes) and `Out` (what it
 * stores), the function `finish` with its bindings and fields, its source.
 */
export function codeFor(
  kernel: Kernel,
  source: string,
  inputs: readonly Aval[],
  output: Aval,
  finish?: Finish,
): string {
  const half = finish?.half || [...inputs, output].some(({ dtype }) => dtype === "f16") ? "enable f16;\n" : "";
  const subgroups = kernel.subgroup ? "enable subgroups;\n" : "";
  const { stored, computed } = DTYPES[output.dtype];
  const aliases = inputs.map(({ dtype }, i) => `alias In${i} = ${DTYPES[dtype].stored};\n`).join("");
  const head = `${half}${subgroups}${aliases}alias Out = ${finish?.stored ?? stored};\n`;
  if (!finish) return `${head}${source}`;
  const bindings = finish.reads.length + finish.writes.length - 1;
  const own = source
    .replace(/struct Params\s*\{[^}]*/, (params) => withFields(params, finish.fields))
    .replace(/@binding\((\d+)\)\s*var<uniform>/, (_, at) => `@binding(${Number(at) + bindings}) var<uniform>`);
  const before = [...hidden(finish.code), ...finish.functions, finish.code].map((text) => `${text}\n`).join("");
  return `${head}alias Value = ${computed};\n${before}${own}`;
}

const withFields = (params: string, fields: readonly Field[]): string =>
  fields.length === 0
    ? params
    : `${params.trimEnd().replace(/,?$/, ",\n")}${fields.map(({ name, type }) => `  ${name}: ${type},\n`).join("")}`;

/** The fields of `struct Params` in the kernel's code, in order, filled from its `params` and `more`. */
export function packParams(
  kernel: Kernel,
  code: string,
  call: KernelCall,
  target: Target,
  more: readonly Field[] = [],
): ArrayBuffer {
  const values = {
    ...kernel.params(call, target),
    ...Object.fromEntries(more.map(({ name, value }) => [name, value])),
  };
  const struct = code.match(/struct Params\s*\{([^}]*)\}/);
  if (!struct) throw new CoopError(`${kernel.name}: its WGSL has no struct Params, through which it is told sizes`);
  const fields = [...struct[1].matchAll(/(\w+):\s*(\w+)/g)];
  const view = new DataView(new ArrayBuffer(Math.ceil(fields.length / 4) * 16));
  fields.forEach(([, name, type], i) => {
    const value = values[name];
    if (value === undefined) throw new CoopError(`${kernel.name}: its params give no value for P.${name}`);
    if (type === "f32") view.setFloat32(4 * i, value, true);
    else view.setInt32(4 * i, value, true);
  });
  return view.buffer;
}

/** The kernels of a node's op that can run here, whatever its inputs' strides, in order of preference. */
export function kernelsFor(node: Tensor, options: LowerOptions): Kernel[] {
  if (node.op.run.kind !== "kernel") return [];
  const found = node.op.run.kernels.filter(
    (k) =>
      !options.refused?.has(k.name) &&
      (k.subgroup ?? 0) <= options.subgroupLanes &&
      (k.binds ?? node.inputs.length) < options.maxBindings &&
      (k.applies?.(node.inputs, node.attrs) ?? true),
  );
  // where the one that fits every call is refused, the others are no choice
  return found.some((k) => !k.fits) ? found : [];
}

/** The kernels that can run a call. */
export const fitting = (kernels: readonly Kernel[], call: KernelCall): Kernel[] =>
  kernels.filter((k) => k.fits?.(call) ?? true);

/** A call and the kernels that can run it. */
export interface Choice {
  readonly op: Op;
  readonly call: KernelCall;
  readonly kernels: readonly Kernel[];
}

/** The kernel to run a call with: the one that `options.choose` names, or the first that suits it, or else the first. */
export function pick({ op, call, kernels }: Choice, options: Pick<LowerOptions, "adapter" | "choose">): Kernel {
  const name = options.choose?.(op, call);
  const suiting = kernels.find((k) => k.suits?.(call, options.adapter) ?? true);
  return kernels.find((k) => k.name === name) ?? suiting ?? kernels[0];
}

/** @throws DeviceError where none of the kernels of an op that has no other definition can be used */
export function nothingLeft(op: Op): never {
  throw new DeviceError(
    `${op.name}: none of its op's kernels can run here, or gives right numbers on this adapter (coop doctor), and it has no composed definition; COOP_ADAPTER chooses another adapter`,
  );
}
