import { OutOfMemoryError } from "../tensor/errors.ts";
import { device } from "../tensor/index.ts";

/**
 * Does work on batches of a size; where there is no memory for it, the error says which size would fit.
 *
 * @param bytes what a step takes with batches of a size (see `Compiled.bytes`)
 * @param giveBack frees what the work left on the device
 * @throws OutOfMemoryError that names the largest size below this one that there is room for
 * @example await orSayWhatFits(32, () => run(32), (size) => step.bytes(params, batchOf(size)), () => step.free());
 */
export async function orSayWhatFits<T>(
  size: number,
  work: () => Promise<T>,
  bytes: (size: number) => Promise<number>,
  giveBack: () => void,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof OutOfMemoryError) || error.inUse === undefined) throw error;
    giveBack();
    const { buffers } = await device();
    buffers.trim();
    const all = Number.isFinite(buffers.limit) ? buffers.limit : error.inUse;
    const fits = await largest(size - 1, async (n) => buffers.report().bytes + (await bytes(n)) <= all);
    const advice =
      fits === 0
        ? "not even a batch of 1 would fit"
        : `a batch of ${fits} would fit instead of ${size}: --batch-size ${fits}`;
    throw new OutOfMemoryError(`${error.message}; ${advice}`, error);
  }
}

/** The largest whole number up to `most` that fits, by halves; 0 where none does. */
async function largest(most: number, fits: (n: number) => Promise<boolean>): Promise<number> {
  let [good, bad] = [0, most + 1];
  while (bad - good > 1) {
    const middle = Math.ceil((good + bad) / 2);
    if (await fits(middle)) good = middle;
    else bad = middle;
  }
  return good;
}
