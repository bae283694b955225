import { NonFiniteError } from "../tensor/errors.ts";
import { free } from "../tensor/index.ts";
import { accuracyMeter, type Best, earlyStopping } from "./early-stopping.ts";
import type { Epoch, FitState } from "./epochs.ts";
import {
  beginFit,
  type Examples,
  type FreshExamples,
  fitLearner,
  type Host,
  type Learner,
  toDevice,
  toHost,
} from "./fit.ts";
import { openMetrics } from "./metrics-log.ts";
import type { Recipe } from "./recipe.ts";
import type { EpochMetrics } from "./run-files.ts";
import { CHECKPOINT, loadTraining, type Settings, saveTraining } from "./training-state.ts";

/** Where a training keeps its checkpoints and what is asked of it on the way. */
export interface TrainRun<P> {
  /** The folder that checkpoints and metrics are kept in; where it holds some, the training goes on from them. */
  readonly dir: string;
  /** What a checkpoint there must have been made with. */
  readonly settings: Settings;
  /** Epochs between two checkpoints; where not given, some seconds. */
  readonly saveEvery?: number;
  /** Pictures to stop early by (see `earlyStopping`). */
  readonly validation?: { readonly examples: Examples; readonly patience: number };
  /** Accuracy on the held-out pictures after an epoch, where it is to be known. */
  heldOut?(params: P, epoch: number): Promise<number | undefined>;
  /** Computes every step op by op beforehand (see `EpochHooks`). */
  readonly debugNans?: boolean;
  /** Asked after each epoch: whether to save and stop. */
  stop?(): boolean;
  /** Asked after each step: whether to stop there, so that the epoch is computed anew by the one who goes on. */
  giveUp?(): boolean;
  /** Where a checkpoint was found. */
  onResume?(epoch: number): void;
  /** Told of each epoch. */
  onEpoch?(metrics: EpochMetrics): void;
}

/** What came of a training. */
export interface Trained<P> {
  readonly params: Host<P>;
  readonly epochs: readonly EpochMetrics[];
  /** The epoch whose parameters these are, where early stopping chose one. */
  readonly keptEpoch?: number;
  /** Whether `stop` or `giveUp` ended it. */
  readonly stopped: boolean;
}

/** What a checkpoint holds, no tensor twice: parameters and optimizer, and the best parameters so far where there is early stopping. */
interface Saved<P> {
  readonly params: P;
  readonly optimizer: unknown;
  readonly best: readonly P[];
}

const SAVE_SECONDS = 5;

/**
 * Fits a learner (see `fitLearner`) and keeps checkpoints, from which a training that was cut short goes on and ends, on
 * the same adapter, to the bit where it would have ended.
 *
 * @throws InputError where the checkpoint was made with other settings; NonFiniteError where numbers stop being finite:
 *   then the checkpoint is that of the epoch before
 * @example
 * const run = { dir: "runs/pets.part", settings: { data: "pets" } };
 * const { params } = await runTraining(learner, examples, { epochs: 50, seed: 1 }, run);
 */
export async function runTraining<P>(
  learner: Learner<P>,
  examples: Examples | FreshExamples,
  recipe: Recipe,
  run: TrainRun<P>,
): Promise<Trained<P>> {
  const { join } = await import("node:path");
  const { validation } = run;
  const file = join(run.dir, CHECKPOINT);
  const start = beginFit(learner, recipe);
  const like: Saved<P> = {
    params: start.params,
    optimizer: start.optimizer,
    best: validation ? [beginFit(learner, recipe).params] : [],
  };
  const saved = await loadTraining(file, like, run.settings);
  const from: FitState<P> = saved ? { ...saved.state, epoch: saved.step } : start;
  if (saved) {
    free(start);
    run.onResume?.(saved.step);
  }
  const metrics = await openMetrics(join(run.dir, "metrics.jsonl"), from.epoch);
  const epochs = metrics.kept.map(({ step, ...line }) => ({ epoch: step, ...line }) as unknown as EpochMetrics);
  const meter = validation && accuracyMeter(learner, validation.examples);
  const stopping = meter && earlyStopping(meter.of, validation.patience, saved && (await bestOf(saved.state, epochs)));
  const secondsBefore = epochs.at(-1)?.seconds ?? 0;
  const started = performance.now();
  let [savedAt, stopped] = [started, false];

  const save = async ({ params, optimizer, epoch }: FitState<P>): Promise<void> => {
    await metrics.flush();
    const best = stopping?.best ? [toDevice(stopping.best.params, params)] : [];
    const saving = saveTraining(file, { params, optimizer, best } satisfies Saved<P>, run.settings, epoch);
    await saving.finally(() => free(best));
    savedAt = performance.now();
  };
  let kept = from.epoch;
  const onNonFinite = async (state: FitState<P>): Promise<void> => {
    if (state.epoch > from.epoch) await save(state); // what it began with is there already, or nothing to keep
    kept = state.epoch;
  };
  const onStep = async (before: FitState<P>): Promise<"stop" | undefined> => {
    if (!run.giveUp?.()) return undefined;
    stopped = true;
    await save(before);
    return "stop";
  };
  const told = (error: unknown): never => {
    if (!(error instanceof NonFiniteError) || kept === 0) throw error;
    throw new NonFiniteError(`${error.message} ${run.dir} holds the state after epoch ${kept}.`, { cause: error });
  };
  const onEpoch = async (state: Epoch<P>): Promise<"stop" | undefined> => {
    const { epoch, loss, learningRate, params } = state;
    const valAccuracy = await stopping?.onEpoch(state);
    const heldOutAccuracy = await run.heldOut?.(params, epoch);
    const now = performance.now();
    const line: EpochMetrics = {
      ...{ epoch, loss, learningRate },
      ...(valAccuracy === undefined ? {} : { valAccuracy }),
      ...(heldOutAccuracy === undefined ? {} : { heldOutAccuracy }),
      seconds: secondsBefore + (now - started) / 1000,
    };
    epochs.push(line);
    metrics.add({ step: epoch, ...line });
    run.onEpoch?.(line);
    stopped = epoch < recipe.epochs && run.stop?.() === true;
    const due = run.saveEvery ? epoch % run.saveEvery === 0 : now - savedAt > 1000 * SAVE_SECONDS;
    if (stopped || due) await save(state);
    return stopped || stopping?.enough(epoch) ? "stop" : undefined;
  };

  try {
    const done = stopping?.enough(from.epoch) === true;
    if (done) free(from);
    const hooks = { from, onEpoch, onStep, onNonFinite, debugNans: run.debugNans };
    const last = done ? undefined : await fitLearner(learner, examples, recipe, hooks).catch(told);
    const best = stopping?.best;
    return { params: best?.params ?? last!, epochs, keptEpoch: best?.epoch, stopped };
  } finally {
    meter?.free();
  }
}

/** The best epoch of a checkpoint: its parameters are kept, its number and measure are in the metrics. */
async function bestOf<P>({ best }: Saved<P>, epochs: readonly EpochMetrics[]): Promise<Best<P> | undefined> {
  if (best.length === 0) return undefined;
  const [{ epoch, valAccuracy = 0 }] = epochs.toSorted((a, b) => b.valAccuracy! - a.valAccuracy! || a.epoch - b.epoch);
  const params = await toHost(best[0]);
  free(best);
  return { epoch, value: valAccuracy, params };
}
