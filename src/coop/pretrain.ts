import type { AdamWState, Optimizer, Schedule } from "../autograd/index.ts";
import type { BatchPiece } from "../clip/cached-gradients.ts";
import type { ClipConfig } from "../clip/index.ts";
import { pretrainStep, type StepOptions, type TrainingState } from "../clip/pretrain-step.ts";
import { NonFiniteError } from "../tensor/errors.ts";

/** What a pre-training is, but for where it begins. */
export interface Pretraining extends StepOptions {
  readonly config: ClipConfig;
  readonly optimizer: Optimizer<AdamWState>;
  readonly schedule: Schedule;
  readonly steps: number;
  /** Computes every step op by op beforehand, to name the first op whose result is not finite. Slow. */
  readonly debugNans?: boolean;
  /** The batch of a step, counted from 0: a pure function, asked for while the step before it runs. */
  batchAt(step: number): Promise<readonly BatchPiece[]> | readonly BatchPiece[];
}

/** A step that is under way. */
export interface PretrainProgress {
  /** Steps done, this one included. */
  readonly done: number;
  /** The loss of its batch before the step; rejects where that is not finite. Settles after those of earlier steps. */
  readonly loss: Promise<number>;
  readonly learningRate: number;
  /** The state behind it. It belongs to the loop, which takes it over for the next step. */
  readonly state: TrainingState;
}

/** Steps whose losses may be under way before the loop waits. */
const AHEAD = 4;

/**
 * Contrastive pre-training, a step at a time: draws the batch, computes, and hands the state out between two steps, to be
 * saved or measured. Memory is given back at the end, however that comes.
 *
 * @param from the state to begin with, which is taken over, and the steps that led to it
 * @throws NonFiniteError where a loss is not finite, at most a few steps later
 * @example
 * for await (const { done, loss } of pretrain(setup, { state, step: 0 })) console.log(done, await loss);
 */
export async function* pretrain(
  { config, optimizer, schedule, steps, debugNans = false, batchAt, ...options }: Pretraining,
  from: { readonly state: TrainingState; readonly step: number },
): AsyncGenerator<PretrainProgress> {
  const compiled = pretrainStep(config, optimizer, options);
  const draw = (step: number) => {
    const batch = Promise.resolve(batchAt(step));
    batch.catch(() => {}); // heard where it is awaited, if it still is
    return batch;
  };
  const losses: Promise<number>[] = [];
  let told: Promise<unknown> = Promise.resolve();
  let { state } = from;
  try {
    let next = draw(from.step);
    for (let step = from.step; step < steps; step++) {
      const batch = await next;
      if (step + 1 < steps) next = draw(step + 1);
      const learningRate = schedule(step);
      const found = debugNans ? await compiled.examine(state, batch, learningRate) : undefined;
      if (found) throw new NonFiniteError(`in step ${step + 1}, ${found.text}`);
      const [updated, value] = compiled(state, batch, learningRate);
      state = updated;
      // what is read first need not come first
      const loss = Promise.all([value.item(), told]).then(([l]) => finite(l, step + 1));
      told = loss.catch(() => {}).finally(() => value.free());
      losses.push(loss);
      if (losses.length >= AHEAD) await losses.shift();
      yield { done: step + 1, loss, learningRate, state };
    }
    await Promise.all(losses);
  } finally {
    compiled.free();
  }
}

function finite(loss: number, step: number): number {
  if (Number.isFinite(loss)) return loss;
  throw new NonFiniteError(
    `the loss became ${loss} in step ${step}; lower the learning rate, or see where it came from with --debug-nans`,
  );
}
