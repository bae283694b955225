import { device } from "./device.ts";
import type { DType, HostArray } from "./dtype.ts";
import { ShapeError } from "./errors.ts";
import { evaluate } from "./evaluate.ts";
import { bytesOf } from "./lower.ts";
import { checkShape, type Shape } from "./shape.ts";
import { Storage } from "./storage.ts";
import { fromStorage, Tensor } from "./tensor.ts";
import { type MapTree, treeLeaves, treeMap } from "./tree.ts";

/**
 * Computes and reads every tensor of a tree; other leaves stay as they are.
 * @example const { mean: [m], max: [most] } = await read({ mean: mean(x), max: max(x) }); // one program, one wait
 */
export async function read<T>(tree: T): Promise<MapTree<T, Tensor, HostArray>> {
  const tensors = treeLeaves(tree).filter((leaf) => leaf instanceof Tensor);
  evaluate(tensors);
  const values = new Map(await Promise.all(tensors.map(async (t) => [t, await t.data()] as const)));
  return treeMap((leaf: unknown) => (leaf instanceof Tensor ? values.get(leaf) : leaf), tree) as MapTree<
    T,
    Tensor,
    HostArray
  >;
}

/**
 * Gives back the memory of every tensor of a tree.
 * @example free([params, state]); // all tensors in both trees
 */
export function free(tree: unknown): void {
  for (const leaf of treeLeaves(tree)) if (leaf instanceof Tensor) leaf.free();
}

/** Writes bytes (a multiple of 4, at such an offset) of a tensor that is being uploaded. */
export type Put = (byteOffset: number, bytes: Uint8Array<ArrayBuffer>) => void;

/**
 * A tensor filled piece by piece, so that the host never holds all of it.
 *
 * @param write calls `put` until every byte is there
 * @throws ShapeError for bytes outside the tensor
 * @example const table = await upload([2, 4], "f32", (put) => put(0, new Uint8Array(32)));
 */
export async function upload(shape: Shape, dtype: DType, write: (put: Put) => Promise<void> | void): Promise<Tensor> {
  checkShape("upload", shape);
  const on = await device();
  const bytes = bytesOf(shape, dtype);
  const storage = Storage.pending(bytes);
  const buffer = on.buffers.allocate(bytes, "values");
  try {
    await write((offset, data) => {
      if (offset % 4 !== 0 || offset + data.byteLength > bytes) {
        throw new ShapeError(
          `upload: ${data.byteLength} bytes at ${offset} do not lie in a tensor of ${bytes} bytes at a multiple of 4`,
        );
      }
      on.buffers.write(buffer, offset, data);
    });
  } catch (error) {
    on.buffers.recycle(buffer);
    throw error;
  }
  storage.fill(on, buffer);
  return fromStorage(storage, shape, dtype);
}

/**
 * Computes every tensor of a tree now, so that compiled functions which close over them borrow the values instead of
 * computing them at every call.
 *
 * @example const features = realize(l2Normalize(table)); // computed once, not in every call of a compiled function
 */
export function realize<T>(tree: T): T {
  evaluate(treeLeaves(tree).filter((leaf) => leaf instanceof Tensor));
  return tree;
}
