import { DTYPES, type DType } from "./dtype.ts";
import type { AdapterKind, Kernel, KernelCall, Op } from "./op.ts";
import type { Tensor } from "./tensor.ts";

export interface LowerOptions {
  /** Lanes of a subgroup, 0 where the device has none. */
  readonly subgroupLanes: number;
  /** What the kernels should suit. */
  readonly adapter?: AdapterKind;
  /** Names the kernel to take for a call where several can run; undefined leaves it to their order. */
  readonly choose?: (op: Op, call: KernelCall) => string | undefined;
  /** Storage buffers that one kernel may bind. */
  readonly maxBindings: number;
  /** Tensors to compute although they have (still empty) storage. */
  readonly compute?: ReadonlySet<Tensor>;
  /** Use composed definitions wherever an op has one. */
  readonly composedOnly?: boolean;
}

/** What a hand-written kernel leaves open: its extensions and the types `In0`, `In1`, … and `Out`. */
export function prelude(kernel: Kernel, inputs: readonly DType[], output: DType): string {
  const half = [...inputs, output].includes("f16") ? "enable f16;\n" : "";
  const subgroups = kernel.subgroup ? "enable subgroups;\n" : "";
  const aliases = inputs.map((dtype, i) => `alias In${i} = ${DTYPES[dtype].stored};\n`).join("");
  return `${half}${subgroups}${aliases}alias Out = ${DTYPES[output].stored};\n`;
}

/** The fields of `struct Params` in the kernel's source, in order, filled from its `params`. */
export function packParams(kernel: Kernel, call: KernelCall): ArrayBuffer {
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

/** The kernels of a node's op that can run here, whatever its inputs' strides, in order of preference. */
export const kernelsFor = (node: Tensor, options: LowerOptions): Kernel[] =>
  node.op.run.kind === "kernel"
    ? node.op.run.kernels.filter(
        (k) => (k.subgroup ?? 0) <= options.subgroupLanes && (k.applies?.(node.inputs, node.attrs) ?? true),
      )
    : [];

/** The kernels that can run a call. */
export const fitting = (kernels: readonly Kernel[], call: KernelCall): Kernel[] =>
  kernels.filter((k) => k.fits?.(call) ?? true);

/** The kernel to run a call with: the one that `options.choose` names, or the first that suits it. */
export function pick(
  { op, call, kernels }: { op: Op; call: KernelCall; kernels: readonly Kernel[] },
  options: Pick<LowerOptions, "adapter" | "choose">,
): Kernel {
  const name = options.choose?.(op, call);
  return kernels.find((k) => k.name === name) ?? kernels.find((k) => k.suits?.(call, options.adapter) ?? true)!;
}

/** What launches a kernel for a call. */
export const launchOf = (kernel: Kernel, call: KernelCall) => ({
  label: kernel.name,
  code:
    prelude(
      kernel,
      call.inputs.map(({ dtype }) => dtype),
      call.output.dtype,
    ) + kernel.source,
  params: packParams(kernel, call),
  workgroups: kernel.workgroups(call),
});
