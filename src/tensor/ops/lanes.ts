import { gridFor } from "../codegen.ts";
import type { Aval, Kernel, KernelCall } from "../op.ts";
import { sizeOf } from "../shape.ts";

/** Invocations of a workgroup where each works alone. */
export const ALONE = 64;

/** The lanes that share a unit of work are a subgroup: no barrier, and sums over them are one instruction. */
export const shared = (lanes: number): string => `
const WORKGROUP = ${lanes};
const LANES = ${lanes}u;
fn unitOf(group: vec3u, local: u32, grid: u32) -> u32 { return group.x + group.y * grid; }
fn laneOf(local: u32) -> u32 { return local; }
fn across(x: f32) -> f32 { return subgroupAdd(x); }
fn highest(x: f32) -> f32 { return subgroupMax(x); }
`;
export const alone = `
const WORKGROUP = ${ALONE};
const LANES = 1u;
fn unitOf(group: vec3u, local: u32, grid: u32) -> u32 { return (group.x + group.y * grid) * ${ALONE}u + local; }
fn laneOf(local: u32) -> u32 { return 0u; }
fn across(x: f32) -> f32 { return x; }
fn highest(x: f32) -> f32 { return x; }
`;

/** Rows shorter than this have too little to share. */
const WORTH_SHARING = 16;

const widthOf = (x: Aval): number => x.shape[x.shape.length - 1];
const rowsOf = ({ inputs: [x] }: KernelCall): number => sizeOf(x.shape) / widthOf(x);

/**
 * The ways to run a kernel whose unit of work is a row of its first input: by the lanes of a subgroup, or alone.
 *
 * @param perElement its operations, for profiles
 * @param fields of `Params` besides UNITS, GRID and WIDTH
 */
export function rowKernels(
  name: string,
  source: string,
  perElement: number,
  { fields, ...more }: { fields?: Kernel["params"] } & Pick<Partial<Kernel>, "columns" | "slowToCompile"> = {},
): Kernel[] {
  const variant = (perGroup: number, rest: Pick<Kernel, "name" | "source"> & Partial<Kernel>): Kernel => ({
    ...rest,
    ...more,
    params: (call, target) => ({
      UNITS: rowsOf(call),
      GRID: gridFor(rowsOf(call), perGroup)[0],
      WIDTH: widthOf(call.inputs[0]),
      ...fields?.(call, target),
    }),
    workgroups: (call) => gridFor(rowsOf(call), perGroup),
    cost: ({ inputs: [x] }) => ({ flops: perElement * sizeOf(x.shape) }),
  });
  return [
    variant(1, {
      name,
      subgroup: 8,
      suits: ({ inputs: [x] }) => widthOf(x) >= WORTH_SHARING,
      source: (_, { subgroupLanes }) => shared(subgroupLanes) + source,
    }),
    variant(ALONE, { name: `${name}-alone`, source: alone + source }),
  ];
}
