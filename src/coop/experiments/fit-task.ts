import { free } from "../../tensor/index.ts";
import { featureRows } from "../feature-rows.ts";
import type { LearnerTrainer } from "../fit.ts";
import { batchesPerEpoch } from "../schedule.ts";
import { type FitTask, type Fitted, Stopped } from "./method.ts";
import { costOf } from "./step-cost.ts";

/** Fits a learner to one task's rows of a pool of features [R, E], and tells what it took. */
export async function fitTask<P>(
  trainer: LearnerTrainer<P>,
  pool: { readonly features: Float32Array; readonly width: number },
  { rows, labels, seed, stopped }: FitTask,
  { epochs, batchSize }: { readonly epochs: number; readonly batchSize: number },
): Promise<{ readonly params: P } & Required<Pick<Fitted, "loss" | "steps" | "step">>> {
  const examples = { features: featureRows(pool.features, pool.width, rows), labels };
  const stop = () => {
    if (stopped()) throw new Stopped();
  };
  const hooks = { onEpoch: stop, onStep: stop };
  const { params, optimizer, loss, program } = await trainer.fit(examples, { epochs, seed }, hooks);
  free(optimizer);
  return { params, loss, steps: epochs * batchesPerEpoch(labels.length, batchSize), step: costOf(program!) };
}
