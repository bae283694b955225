import { type Optimizer, valueAndGrad } from "../autograd/index.ts";
import { CoopError } from "../tensor/errors.ts";
import { type Compiled, compile, free, type Tensor } from "../tensor/index.ts";
import type { Recipe } from "./recipe.ts";
import { COOP_RECIPE, coopLearningRate } from "./schedule.ts";

/** Where a training stands between two epochs: all that it needs to go on. */
export interface FitState<P> {
  readonly params: P;
  /** The optimizer's state. */
  readonly optimizer: unknown;
  /** Epochs done. */
  readonly epoch: number;
}

/** What is known after each epoch, counted from 1. Parameters and state belong to the training loop. */
export interface Epoch<P> extends FitState<P> {
  /** Mean over the epoch's batches. */
  readonly loss: number;
  readonly learningRate: number;
}

/** What is to happen after an epoch. */
export type OnEpoch<P> = (epoch: Epoch<P>) => Promise<"stop" | undefined | void> | "stop" | undefined | void;

/** (parameters, the optimizer's state, a batch, the learning rate) → the first two anew, and the loss. */
export type TrainingStep<P, Batch> = Compiled<
  [params: P, state: unknown, batch: Batch, rate: number | Tensor],
  readonly [P, unknown, Tensor]
>;

/**
 * Loss, gradients, what is done to them and the update, as one program that takes over parameters and state.
 * @example
 * const step = trainingStep(learner.loss, sgd({ learningRate: 0.002 }), { name: "my step" });
 * [params, state, loss] = step(params, state, batch, 0.002);
 */
export function trainingStep<P, Batch>(
  loss: (params: P, batch: Batch) => Tensor,
  optimizer: Optimizer<unknown>,
  { name, limit = (gradients) => gradients }: { readonly name: string; readonly limit?: (gradients: P) => P },
): TrainingStep<P, Batch> {
  return compile(
    (params: P, state: unknown, batch: Batch, rate: number | Tensor) => {
      const [value, gradients] = valueAndGrad(loss)(params, batch);
      return [...optimizer.update(limit(gradients), state, params, rate), value] as const;
    },
    { donate: [0, 1], name },
  );
}

/**
 * The loop of every training by CoOp's recipe: a learning rate that moves once an epoch, losses that are read when the
 * epoch is over, so that no step waits for another.
 *
 * @param from is taken over
 * @param batches those of an epoch, counted from 0; each is made when it is needed and freed after its step
 * @returns the last epoch (its loss NaN where there was none to do), whose tensors are the caller's
 * @throws CoopError where the loss stops being finite, naming the step
 * @example
 * const { params, loss } = await runEpochs(step, { params, optimizer, epoch: 0 }, { epochs: 50 }, () => [batch]);
 */
export async function runEpochs<P, Batch>(
  step: TrainingStep<P, Batch>,
  from: FitState<P>,
  recipe: Omit<Recipe, "seed">,
  batches: (epoch: number) => Iterable<Batch> | Promise<Iterable<Batch>>,
  onEpoch?: OnEpoch<P>,
): Promise<Epoch<P>> {
  const { epochs, learningRate = COOP_RECIPE.learningRate, warmupLearningRate } = recipe;
  let { params, optimizer, epoch } = from;
  let done: Epoch<P> = { ...from, loss: Number.NaN, learningRate };
  let losses: Promise<number>[] = [];
  try {
    while (epoch < epochs) {
      const rate = coopLearningRate(epoch, { epochs, learningRate, warmupLearningRate });
      losses = [];
      for (const batch of await batches(epoch)) {
        try {
          const [updated, state, loss] = step(params, optimizer, batch, rate);
          [params, optimizer] = [updated, state];
          losses.push(loss.item().finally(() => loss.free()));
        } finally {
          free(batch);
        }
      }
      epoch++;
      const values = await Promise.all(losses);
      const bad = values.findIndex((loss) => !Number.isFinite(loss));
      if (bad >= 0) {
        throw new CoopError(
          `the loss became ${values[bad]} in epoch ${epoch}, step ${bad + 1}; lower the learning rate (${learningRate})`,
        );
      }
      const loss = values.reduce((a, b) => a + b, 0) / values.length;
      done = { params, optimizer, epoch, loss, learningRate: rate };
      if ((await onEpoch?.(done)) === "stop") break;
    }
    return done;
  } catch (error) {
    await Promise.allSettled(losses);
    free([params, optimizer]);
    throw error;
  }
}
