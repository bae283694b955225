import type { TrainingState } from "../clip/pretrain-step.ts";
import { CoopError, InputError, NonFiniteError } from "../tensor/errors.ts";
import { openMetrics } from "./metrics-log.ts";
import type { PairScorer } from "./pair-scores.ts";
import { type Pretraining, pretrain } from "./pretrain.ts";
import { CHECKPOINT, type Settings, saveTraining } from "./training-state.ts";

/** What is known after each epoch: a line of `metrics.jsonl`. */
export interface EpochScores {
  readonly step: number;
  readonly epoch: number;
  /** Over the epoch's steps. */
  readonly meanLoss: number;
  /** Held-out pairs, where there are any, and how they were told apart. */
  readonly valPairs?: number;
  readonly valLoss?: number;
  readonly valRecall?: number;
}

export interface PretrainRun {
  /** The folder for `checkpoint.safetensors` and `metrics.jsonl`. */
  readonly out: string;
  readonly settings: Settings;
  readonly stepsPerEpoch: number;
  /** Steps between two checkpoints. */
  readonly saveEvery: number;
  readonly scorer?: PairScorer;
  /** Asked after each step: whether to save and stop. */
  stop(): boolean;
  onStep(done: number, loss: number): void;
  onEpoch(scores: EpochScores): void;
}

/**
 * A pre-training with its files: checkpoints that it can go on from to the bit, and a line of metrics for each step and
 * each epoch.
 *
 * @param from where it begins, or what a checkpoint gave
 * @returns the last state, the steps done, and the scores of the last epoch that ended
 * @throws NonFiniteError where a loss or a parameter is not finite; the last checkpoint is still there
 */
export async function runPretraining(
  training: Pretraining,
  from: { readonly state: TrainingState; readonly step: number },
  run: PretrainRun,
): Promise<{ state: TrainingState; done: number; last?: EpochScores }> {
  const { join } = await import("node:path");
  const metrics = await openMetrics(join(run.out, "metrics.jsonl"), from.step);
  const { stepsPerEpoch } = run;
  const epochBegan = from.step - (from.step % stepsPerEpoch);
  let losses = metrics.kept.flatMap((line) => (line.step > epochBegan && "loss" in line ? [line.loss] : []));
  let last = metrics.kept.findLast((line) => "meanLoss" in line) as EpochScores | undefined;
  let [saved, state] = [from.step, from.state];
  let waiting: Promise<void>[] = [];

  const note = (step: number, learningRate: number, loss: number) => {
    losses.push(loss);
    metrics.add({ step, epoch: Math.ceil(step / stepsPerEpoch), loss, learningRate });
    run.onStep(step, loss);
  };
  const endEpoch = async (step: number) => {
    const scores = await run.scorer?.(state.params);
    const meanLoss = losses.reduce((a, b) => a + b, 0) / losses.length;
    losses = [];
    const held = scores && { valPairs: scores.pairs, valLoss: scores.loss, valRecall: scores.recall };
    last = { step, epoch: step / stepsPerEpoch, meanLoss, ...held };
    metrics.add({ ...last });
    run.onEpoch(last);
  };
  const save = async (step: number) => {
    await metrics.flush();
    await saveTraining(join(run.out, CHECKPOINT), state, run.settings, step);
    saved = step;
  };

  try {
    for await (const step of pretrain(training, from)) {
      const { done, learningRate } = step;
      state = step.state;
      const noted = step.loss.then((loss) => note(done, learningRate, loss));
      noted.catch(() => {}); // thrown by the loop, or below
      waiting.push(noted);
      const stop = run.stop();
      const ends = done % stepsPerEpoch === 0;
      const saves = stop || done % run.saveEvery === 0 || done === training.steps;
      if (!ends && !saves) continue;
      await Promise.all(waiting);
      waiting = [];
      if (ends) await endEpoch(done);
      if (saves) await save(done);
      if (stop) return { state, done, last };
    }
  } catch (error) {
    if (!(error instanceof CoopError) || error instanceof InputError || saved === 0) throw error;
    const Kind = error instanceof NonFiniteError ? NonFiniteError : CoopError;
    throw new Kind(`${error.message}. ${run.out} holds the checkpoint of step ${saved}.`, { cause: error });
  }
  return { state, done: training.steps, last };
}
