import { ShapeError } from "./errors.ts";

/** Extents of a tensor, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

export const sizeOf = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((n, i) => n === b[i]);

export const showShape = (shape: Shape): string => `[${shape.join(", ")}]`;

/** Row-major strides, in elements. */
export function rowMajor(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

export function checkShape(op: string, shape: Shape): void {
  if (!Array.isArray(shape) || shape.some((n) => !Number.isSafeInteger(n) || n < 0))
    throw new ShapeError(
      `${op}: ${Array.isArray(shape) ? showShape(shape) : shape} is not a shape: a list of whole numbers ≥ 0`,
    );
}

/** NumPy's rule: align at the end; extents agree or one of them is 1. */
export function broadcastShapes(op: string, ...shapes: Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    shape.forEach((n, i) => {
      const at = rank - shape.length + i;
      if (n === 1 || n === out[at]) return;
      if (out[at] !== 1) throw new ShapeError(`${op}: shapes ${shapes.map(showShape).join(" and ")} do not broadcast`);
      out[at] = n;
    });
  }
  return out;
}

/** One axis, counted from the end where negative. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || at < 0 || at >= rank) {
    throw new ShapeError(`${op}: axis ${axis} is outside a tensor of rank ${rank}`);
  }
  return at;
}

/** A list of axes in increasing order without repeats; all of them where none is named. */
export function normalizeAxes(op: string, axes: number | readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = (typeof axes === "number" ? [axes] : [...axes]).map((a) => normalizeAxis(op, a, rank));
  if (new Set(list).size !== list.length) throw new ShapeError(`${op}: axes [${list.join(", ")}] name one twice`);
  return list.sort((a, b) => a - b);
}

/** Calls `visit(coordinates, flatIndex)` for every element in row-major order; the array is reused. */
export function forEachIndex(shape: Shape, visit: (at: readonly number[], flat: number) => void): void {
  const at = new Array<number>(shape.length).fill(0);
  const count = sizeOf(shape);
  for (let flat = 0; flat < count; flat++) {
    visit(at, flat);
    for (let d = shape.length - 1; d >= 0; d--) {
      if (++at[d] < shape[d]) break;
      at[d] = 0;
    }
  }
}

/**
 * Calls `visit(offset, flatIndex)` for every element in row-major order: where it lies in data that begins at `start`
 * and has these strides, which may be 0 or negative.
 */
export function forEachOffset(
  shape: Shape,
  strides: readonly number[],
  visit: (offset: number, flat: number) => void,
  start = 0,
): void {
  const at = new Array<number>(shape.length).fill(0);
  const count = sizeOf(shape);
  for (let flat = 0, offset = start; flat < count; flat++) {
    visit(offset, flat);
    for (let d = shape.length - 1; d >= 0; d--) {
      offset += strides[d];
      if (++at[d] < shape[d]) break;
      offset -= strides[d] * shape[d];
      at[d] = 0;
    }
  }
}
