import { deviceIfReady } from "./device.ts";
import { DeviceLostError } from "./errors.ts";

/** How often work is begun, and who is told. */
export interface RetryOptions {
  /** Beginnings in all; 3 where not given. */
  readonly attempts?: number;
  /** Told of each loss after which the work begins again. */
  readonly onLoss?: (error: DeviceLostError) => void;
}

/**
 * Does work that begins with loading what it needs, and begins again on a fresh device where the device is lost or hangs
 * under it. Tensors of before are gone: whatever the work is to go on from must lie on the host or on the disk.
 *
 * @param work is told its attempt, counted from 1
 * @throws DeviceLostError where the last attempt loses its device too
 * @example
 * const params = await retryOnLoss(async () => {
 *   const clip = await loadClip(model);
 *   return runTraining(promptLearner(clip, names), examples, recipe, { dir, settings }); // goes on from its checkpoint
 * });
 */
export async function retryOnLoss<T>(
  work: (attempt: number) => Promise<T>,
  { attempts = 3, onLoss }: RetryOptions = {},
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      if (!(error instanceof DeviceLostError)) throw error;
      deviceIfReady()?.release();
      if (attempt >= attempts) throw error;
      onLoss?.(error);
    }
  }
}
