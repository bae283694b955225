import { gridFor } from "../codegen.ts";
import { DTYPES, isFloat } from "../dtype.ts";
import { DTypeError, ShapeError } from "../errors.ts";
import { defineOp } from "../op.ts";
import * as shaders from "../shaders.ts";
import { checkShape, type Shape, showShape, sizeOf } from "../shape.ts";
import { apply, expectTensors, type Tensor, tensor } from "../tensor.ts";
import { arange, expectFloat } from "./basic.ts";
import { add, cast, equal, mul } from "./elementwise.ts";
import { custom, reshape, slice } from "./view.ts";

const GATHER = defineOp({
  name: "gather",
  result: ([table, index]) => ({ shape: [...index.shape, ...table.shape.slice(1)], dtype: table.dtype }),
  reference: ([table, index], _attrs, output) => {
    const width = sizeOf(table.shape.slice(1));
    const out = new Float64Array(sizeOf(output.shape));
    index.data.forEach((row, i) => {
      if (row >= 0 && row < table.shape[0]) out.set(table.data.subarray(row * width, (row + 1) * width), i * width);
    });
    return out;
  },
  vjp: ({ g, inputs: [table, index] }) => scatterAdd(g, index, table.shape[0]),
  run: {
    kind: "kernel",
    kernels: [
      {
        name: "gather",
        source: shaders.gather,
        columns: ({ inputs: [table] }) => sizeOf(table.shape.slice(1)),
        params: ({ inputs: [table], output }) => ({
          COUNT: sizeOf(output.shape),
          ROWS: table.shape[0],
          WIDTH: sizeOf(table.shape.slice(1)),
          GRID: gridFor(sizeOf(output.shape))[0] * 64,
        }),
        workgroups: ({ output }) => gridFor(sizeOf(output.shape)),
        cost: ({ inputs: [table, index], output }) => ({
          flops: 0,
          bytes: 4 * sizeOf(index.shape) + 2 * DTYPES[table.dtype].bytes * sizeOf(output.shape),
        }),
      },
    ],
  },
});

/**
 * Rows of a table by index; an index outside the table gives zeros.
 *
 * @param table [V, ...]
 * @param indices any shape, i32 or u32
 * @returns [...indices, ...]
 * @example gather(tensor([[1, 2], [3, 4]]), tensor(Int32Array.of(1, 1))) // [3, 4, 3, 4]
 */
export function gather(table: Tensor, indices: Tensor): Tensor {
  expectIndices("gather", indices);
  if (table.rank === 0) throw new ShapeError("gather: the table is a scalar; it needs rows");
  return apply(GATHER, [table, indices]);
}

/**
 * One element of a row for each index: y[r, j] = x[r, at[r, j]].
 *
 * @param x [R, N]
 * @param at i32 [R, K], 0 to N − 1; another index gives 0 or an element of another row
 * @returns [R, K]
 * @example gatherElements(tensor([[1, 2], [3, 4]]), tensor(Int32Array.of(1, 0), [2, 1])) // [2, 3]
 */
export function gatherElements(x: Tensor, at: Tensor): Tensor {
  expectIndices("gatherElements", at);
  const [rows, width] = x.shape;
  if (x.rank !== 2 || at.rank !== 2 || at.shape[0] !== rows)
    throw new ShapeError(
      `gatherElements: ${showShape(at.shape)} are not indices for each row of ${showShape(x.shape)}`,
    );
  const flat = rows === 1 ? at : add(at, reshape(mul(arange(rows, at.dtype), width), [rows, 1]));
  return gather(reshape(x, [x.size]), flat);
}

const SCATTER_ADD = defineOp({
  name: "scatterAdd",
  result: ([updates, index], attrs) => ({
    shape: [attrs.rows as number, ...updates.shape.slice(index.shape.length)],
    dtype: updates.dtype,
  }),
  reference: ([updates, index], attrs, output) => {
    const width = sizeOf(updates.shape.slice(index.shape.length));
    const out = new Float64Array(sizeOf(output.shape));
    index.data.forEach((row, i) => {
      if (row < 0 || row >= (attrs.rows as number)) return;
      for (let j = 0; j < width; j++) out[row * width + j] += updates.data[i * width + j];
    });
    return out;
  },
  vjp: ({ g, inputs: [, index] }) => gather(g, index),
  run: {
    kind: "kernel",
    kernels: [
      {
        name: "scatter-add",
        source: shaders.scatterAdd,
        columns: ({ output }) => sizeOf(output.shape.slice(1)),
        params: ({ inputs: [, index], output }) => ({
          COUNT: sizeOf(output.shape),
          UPDATES: sizeOf(index.shape),
          WIDTH: sizeOf(output.shape.slice(1)),
          GRID: gridFor(sizeOf(output.shape))[0] * 64,
        }),
        workgroups: ({ output }) => gridFor(sizeOf(output.shape)),
      },
    ],
  },
});

/**
 * A table whose row r is the sum of the updates that name it; the transpose of `gather`.
 *
 * @param updates [...indices, ...]
 * @param indices any shape, i32 or u32; those outside the table count for nothing
 * @param rows rows of the result
 * @example scatterAdd(tensor([1, 2, 4]), tensor(Int32Array.of(1, 1, 0)), 3) // [4, 3, 0]
 */
export function scatterAdd(updates: Tensor, indices: Tensor, rows: number): Tensor {
  expectIndices("scatterAdd", indices);
  expectFloat("scatterAdd", updates);
  if (indices.shape.some((n, i) => updates.shape[i] !== n)) {
    throw new ShapeError(
      `scatterAdd: updates ${showShape(updates.shape)} do not begin with the shape of the indices ${showShape(indices.shape)}`,
    );
  }
  checkShape("scatterAdd", [rows]);
  return apply(SCATTER_ADD, [updates, indices], { rows });
}

/**
 * Which row of a table each place takes, with the places of each row listed: what `gatherRows` needs to sum gradients
 * without searching for them.
 */
export interface RowIndex {
  /** i32 [places]: a row, or −1 for a place that stays zero. */
  readonly index: Tensor;
  /** i32 [places that are filled]: the places of row 0, then those of row 1, … */
  readonly places: Tensor;
  /** i32 [rows + 1]: where the places of each row begin in `places`. */
  readonly starts: Tensor;
}

/**
 * A RowIndex from the row of each place; −1 (or anything outside the table) leaves a place zero.
 * @example rowIndex(Int32Array.of(1, -1), 2).starts // [0, 0, 1]
 */
export function rowIndex(index: Int32Array, rows: number): RowIndex {
  checkShape("rowIndex", [rows]);
  const starts = new Int32Array(rows + 1);
  for (const row of index) if (row >= 0 && row < rows) starts[row + 1]++;
  for (let row = 0; row < rows; row++) starts[row + 1] += starts[row];
  const places = new Int32Array(starts[rows]);
  const next = starts.slice();
  index.forEach((row, place) => {
    if (row >= 0 && row < rows) places[next[row]++] = place;
  });
  return { index: tensor(index), places: tensor(places), starts: tensor(starts) };
}

const SEGMENT_SUM = defineOp({
  name: "segmentSum",
  result: ([updates, , starts]) => ({ shape: [starts.shape[0] - 1, ...updates.shape.slice(1)], dtype: updates.dtype }),
  reference: ([updates, places, starts], _attrs, output) => {
    const width = sizeOf(updates.shape.slice(1));
    const out = new Float64Array(sizeOf(output.shape));
    for (let row = 0; row + 1 < starts.data.length; row++) {
      for (let i = starts.data[row]; i < starts.data[row + 1]; i++) {
        for (let j = 0; j < width; j++) out[row * width + j] += updates.data[places.data[i] * width + j];
      }
    }
    return out;
  },
  vjp: ({ g, inputs: [, places, starts, index] }) => gatherRows(g, { index, places, starts }),
  run: {
    kind: "kernel",
    kernels: [
      {
        name: "segment-sum",
        source: shaders.segmentSum,
        binds: 3,
        params: ({ output }) => ({
          COUNT: sizeOf(output.shape),
          WIDTH: sizeOf(output.shape.slice(1)),
          GRID: gridFor(sizeOf(output.shape))[0] * 64,
        }),
        workgroups: ({ output }) => gridFor(sizeOf(output.shape)),
      },
    ],
  },
});

/**
 * Rows of a table by an index that the host knows: `gather` with a gradient that costs no more than it does.
 *
 * @param table [rows, ...]
 * @returns [places, ...]
 * @example gatherRows(tensor([[1, 2], [3, 4]]), rowIndex(Int32Array.of(1, -1), 2)) // [3, 4, 0, 0]
 */
export function gatherRows(table: Tensor, { index, places, starts }: RowIndex): Tensor {
  if (table.shape[0] !== starts.shape[0] - 1)
    throw new ShapeError(
      `gatherRows: an index into ${starts.shape[0] - 1} rows for a table of ${showShape(table.shape)}`,
    );
  const picked = gather(table, index);
  return isFloat(table.dtype)
    ? custom(picked, [table], (g) => [apply(SEGMENT_SUM, [g, places, starts, index])])
    : picked;
}

function expectIndices(op: string, indices: Tensor): void {
  expectTensors(op, indices);
  if (indices.dtype !== "i32" && indices.dtype !== "u32") {
    throw new DTypeError(`${op}: indices are i32 or u32, not ${indices.dtype}`);
  }
}

/**
 * 1 at each index along a new last axis of extent `count`, else 0.
 *
 * @param indices any shape, i32 or u32
 * @example oneHot(tensor(Int32Array.of(2, 0)), 3) // [0, 0, 1, 1, 0, 0]
 */
export function oneHot(indices: Tensor, count: number): Tensor {
  expectIndices("oneHot", indices);
  checkShape("oneHot", [count]);
  return cast(equal(reshape(indices, [...indices.shape, 1]), arange(count, indices.dtype)), "f32");
}

/**
 * Row `i` of the leading axis.
 * @example row(tensor([[1, 2], [3, 4]]), 1) // [3, 4]
 */
export const row = (x: Tensor, i: number): Tensor => reshape(slice(x, [i], [i + 1]), x.shape.slice(1) as Shape);
