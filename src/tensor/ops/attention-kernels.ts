import { gridFor } from "../codegen.ts";
import type { Attrs, Aval, Kernel, KernelCall } from "../op.ts";
import { ALONE, alone, shared } from "./lanes.ts";

/** Elements of a row of one head. */
export const widthOf = (x: Aval): number => x.shape[2];
export const scaleOf = (attrs: Attrs): number => attrs.scale as number;

/** Whether the elements of each row and head lie in whole groups of four, one after the other. */
const inFours = ({ shape, strides, offset }: KernelCall["inputs"][number]): boolean =>
  shape[2] % 4 === 0 && strides[2] === 1 && [offset, strides[0], strides[1]].every((n) => n % 4 === 0);

/**
 * The ways to run one of the shaders: by the lanes of a subgroup or alone, four numbers at a time or one. A unit of
 * work is a row and head of input `unit`; `value` is an input of the values' width.
 */
export function attentionKernels(
  name: string,
  source: string,
  { unit, value, strided = 3, binds }: { unit: number; value: number; strided?: number; binds?: number },
): Kernel[] {
  const variant = (suffix: string, piece: 1 | 4, together: boolean): Kernel => {
    const perGroup = together ? 1 : ALONE;
    const units = ({ inputs }: KernelCall) => inputs[unit].shape[0] * inputs[unit].shape[1];
    return {
      name: name + suffix,
      subgroup: together ? 8 : undefined,
      strided,
      binds,
      fits:
        piece === 1
          ? undefined
          : ({ inputs }) => widthOf(inputs[value]) % 4 === 0 && inputs.slice(0, strided).every(inFours),
      // a GPU's subgroups are wide enough for a number a lane
      suits: piece === 4 && together ? (_, adapter) => adapter !== "hardware" : undefined,
      source: (inputs, { subgroupLanes }) =>
        (together ? shared(subgroupLanes) : alone) +
        pieces(piece, together ? subgroupLanes : 1, inputs, widthOf(inputs[value])) +
        source,
      params: (call) => {
        const strides = ["Q", "K", "V"].slice(0, strided).flatMap((letter, i) => {
          const { offset, strides } = call.inputs[i];
          const steps = { OFFSET: offset / piece, ROW: strides[0] / piece, HEAD: strides[1] / piece, DIM: strides[2] };
          return Object.entries(steps).map(([key, n]) => [`${letter}_${key}`, n]);
        });
        return {
          UNITS: units(call),
          GRID: gridFor(units(call), perGroup)[0],
          HEADS: call.inputs[unit].shape[1],
          SCALE: scaleOf(call.attrs),
          ...Object.fromEntries(strides),
        };
      },
      workgroups: (call) => gridFor(units(call), perGroup),
    };
  };
  return [
    variant("", 4, true),
    variant("-single", 1, true),
    variant("-alone", 4, false),
    variant("-alone-single", 1, false),
  ];
}

const SINGLES = `fn sumOf(x: Piece) -> f32 { return x; }
fn finished(x: Piece, at: u32, d: u32) -> OutPiece { return finish(x, at, d); }
`;
const FOURS = `fn sumOf(x: Piece) -> f32 { return (x.x + x.y) + (x.z + x.w); }
fn finished(x: Piece, at: u32, d: u32) -> OutPiece {
  let i = 4u * at;
  let e = 4u * d;
  return OutPiece(finish(x.x, i, e), finish(x.y, i + 1u, e + 1u), finish(x.z, i + 2u, e + 2u), finish(x.w, i + 3u, e + 3u));
}
`;

/** How rows lie in pieces, and how many of them a lane holds. */
function pieces(piece: 1 | 4, lanes: number, inputs: readonly Aval[], valueWidth: number): string {
  const [count, valueCount] = [widthOf(inputs[0]) / piece, valueWidth / piece];
  const stored = (type: string) => (piece === 4 ? `vec4<${type}>` : type);
  return `
const PIECES = ${count}u;
const OWN = ${Math.ceil(count / lanes)}u;
const VALUE_PIECES = ${valueCount}u;
const VALUE_OWN = ${Math.ceil(valueCount / lanes)}u;
alias Piece = ${stored("f32")};
${inputs.map((_, i) => `alias Piece${i} = ${stored(`In${i}`)};\n`).join("")}alias OutPiece = ${stored("Out")};
${piece === 4 ? FOURS : SINGLES}`;
}
