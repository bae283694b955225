import { gridFor } from "../codegen.ts";
import { DTypeError, ShapeError } from "../errors.ts";
import { defineOp } from "../op.ts";
import { shaders } from "../shaders.ts";
import { type Shape, showShape, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { arange, expectFloat } from "./basic.ts";
import { cast, equal } from "./elementwise.ts";
import { reshape, slice } from "./view.ts";

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
 */
export function gather(table: Tensor, indices: Tensor): Tensor {
  expectIndices("gather", indices);
  if (table.rank === 0) throw new ShapeError("gather: the table is a scalar; it needs rows");
  return apply(GATHER, [table, indices]);
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
 */
export function scatterAdd(updates: Tensor, indices: Tensor, rows: number): Tensor {
  expectIndices("scatterAdd", indices);
  expectFloat("scatterAdd", updates);
  if (indices.shape.some((n, i) => updates.shape[i] !== n)) {
    throw new ShapeError(
      `scatterAdd: updates ${showShape(updates.shape)} do not begin with the shape of the indices ${showShape(indices.shape)}`,
    );
  }
  return apply(SCATTER_ADD, [updates, indices], { rows });
}

function expectIndices(op: string, indices: Tensor): void {
  if (indices.dtype !== "i32" && indices.dtype !== "u32") {
    throw new DTypeError(`${op}: indices are i32 or u32, not ${indices.dtype}`);
  }
}

/**
 * 1 at each index along a new last axis of extent `count`, else 0.
 *
 * @param indices any shape, i32 or u32
 */
export function oneHot(indices: Tensor, count: number): Tensor {
  expectIndices("oneHot", indices);
  return cast(equal(reshape(indices, [...indices.shape, 1]), arange(count, indices.dtype)), "f32");
}

/** Row `i` of the leading axis. */
export const row = (x: Tensor, i: number): Tensor => reshape(slice(x, [i], [i + 1]), x.shape.slice(1) as Shape);
