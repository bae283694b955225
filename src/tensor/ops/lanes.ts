import { gridFor } from "../codegen.ts";
import type { Aval, Kernel, KernelCall } from "../op.ts";
import { sizeOf } from "../shape.ts";

/** Invocations of a workgroup where each works alone. */
const ALONE = 64;

/** The lanes that share a unit of work are a subgroup: no barrier, and sums over them are one instruction. */
const shared = (lanes: number): string => `
const WORKGROUP = ${lanes};
const LANES = ${lanes}u;
fn unitOf(group: vec3u, local: u32, grid: u32) -> u32 { return group.x + group.y * grid; }
fn laneOf(local: u32) -> u32 { return local; }
fn across(x: f32) -> f32 { return subgroupAdd(x); }
fn highest(x: f32) -> f32 { return subgroupMax(x); }
`;
const alone = `
const WORKGROUP = ${ALONE};
const LANES = 1u;
fn unitOf(group: vec3u, local: u32, grid: u32) -> u32 { return (group.x + group.y * grid) * ${ALONE}u + local; }
fn laneOf(local: u32) -> u32 { return 0u; }
fn across(x: f32) -> f32 { return x; }
fn highest(x: f32) -> f32 { return x; }
`;

/** A kernel whose work is cut into units, each done by the lanes of a subgroup together or by one invocation. */
export interface LaneKernel extends Omit<Kernel, "source" | "subgroup" | "workgroups"> {
  /** A file that names its unit by `unitOf` and strides by `LANES`; `Params` begins with `UNITS` and `GRID`. */
  readonly source: string;
  readonly units: (call: KernelCall) => number;
  /** WGSL before the file, for so many lanes a unit. */
  readonly constants?: (inputs: readonly Aval[], lanes: number) => string;
  /** Where lanes would have too little to share, each works alone. */
  readonly worthSharing?: (inputs: readonly Aval[]) => boolean;
}

/** Both ways to run such a kernel; the second is called `name-alone`. */
export function laneKernels(kernel: LaneKernel): Kernel[] {
  const { units, constants = () => "", worthSharing = () => true, ...common } = kernel;
  const variant = (perGroup: number, rest: Pick<Kernel, "name" | "source"> & Partial<Kernel>): Kernel => ({
    ...common,
    ...rest,
    params: (call) => ({
      UNITS: units(call),
      GRID: gridFor(units(call), perGroup)[0],
      ...kernel.params(call),
    }),
    workgroups: (call) => gridFor(units(call), perGroup),
  });
  return [
    variant(1, {
      name: kernel.name,
      subgroup: 8,
      applies: (inputs, attrs) => worthSharing(inputs) && (kernel.applies?.(inputs, attrs) ?? true),
      source: (inputs, lanes) => shared(lanes) + constants(inputs, lanes) + kernel.source,
    }),
    variant(ALONE, {
      name: `${kernel.name}-alone`,
      source: (inputs) => alone + constants(inputs, 1) + kernel.source,
    }),
  ];
}

const widthOf = (x: Aval): number => x.shape[x.shape.length - 1];

/** A kernel whose units are the rows of the last axis of its first input. */
export const rowKernels = (
  name: string,
  source: string,
  more: Partial<LaneKernel> & { readonly fields?: (call: KernelCall) => Record<string, number> } = {},
): Kernel[] => {
  const { fields = () => ({}), ...rest } = more;
  return laneKernels({
    name,
    source,
    units: ({ inputs: [x] }) => sizeOf(x.shape) / widthOf(x),
    params: (call) => ({ WIDTH: widthOf(call.inputs[0]), ...fields(call) }),
    worthSharing: ([x]) => widthOf(x) >= 16,
    ...rest,
  });
};
