import { free, type Tensor, tensor } from "../tensor/index.ts";

/**
 * What a function makes of rows, so many at a time that memory stays bounded. Every call has the same shapes, so that one
 * program serves all: the last takes some rows of the one before again.
 *
 * @param rows [N, `width`] row-major
 * @param size rows at a time
 * @param run from f32 [n, width] to [n, …]; the result is freed
 * @returns [N, …] row-major
 */
export async function inChunks(
  rows: Float32Array,
  width: number,
  size: number,
  run: (chunk: Tensor) => Tensor,
): Promise<Float32Array> {
  const count = rows.length / width;
  const most = Math.min(count, size);
  let all = new Float32Array();
  for (let done = 0; done < count; done += most) {
    const start = Math.min(done, count - most);
    const chunk = tensor(rows.slice(start * width, (start + most) * width), [most, width]);
    const result = run(chunk);
    const values = (await result.data()) as Float32Array;
    free([chunk, result]);
    if (done === 0) all = new Float32Array((values.length / most) * count);
    all.set(values, (values.length / most) * start);
  }
  return all;
}
