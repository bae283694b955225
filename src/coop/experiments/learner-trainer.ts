import { sgd, valueAndGrad } from "../../autograd/index.ts";
import { CoopError } from "../../tensor/errors.ts";
import {
  add,
  type Compiled,
  compile,
  foldIn,
  free,
  gather,
  type Key,
  key,
  type Tensor,
  tensor,
} from "../../tensor/index.ts";
import { coopLearningRate, epochBatches } from "../schedule.ts";
import { type FitTask, type StepCost, Stopped } from "./method.ts";

/** What can be trained: parameters as a tree of tensors, and the loss of a batch. */
export interface Learnable<P> {
  init(key: Key): P;
  loss(params: P, batch: { readonly features: Tensor; readonly labels: Tensor }): Tensor;
}

export interface TrainerRecipe {
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmupLearningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

export interface Trained<P> {
  /** The caller's to free. */
  readonly params: P;
  /** The mean over the last epoch. */
  readonly loss: number;
  readonly steps: number;
  readonly step: StepCost;
}

/**
 * Trains one learner many times, on rows of one pool of features [R, E], as `fitPrompt` does: the same seed and
 * rows give the same parameters. One program for each size of batch serves all shots and seeds. Trainings
 * that run at the same time fill the gaps in which each would wait for its losses.
 */
export function learnerTrainer<P>(learner: Learnable<P>, pool: Float32Array, width: number, recipe: TrainerRecipe) {
  const optimizer = sgd(recipe);
  const all = tensor(pool, [pool.length / width, width]);
  type State = { readonly params: P; readonly optimizer: ReturnType<typeof optimizer.init>; readonly sum: Tensor };
  const programs = new Map<number, Compiled<[State, Tensor, Tensor, Tensor, number | Tensor], State>>();
  const programFor = (batch: number) => {
    const known = programs.get(batch);
    if (known) return known;
    const made = compile(
      (state: State, features: Tensor, picked: Tensor, labels: Tensor, rate: number | Tensor): State => {
        const [loss, grads] = valueAndGrad(learner.loss)(state.params, { features: gather(features, picked), labels });
        const [params, next] = optimizer.update(grads, state.optimizer, state.params, rate);
        return { params, optimizer: next, sum: add(state.sum, loss) };
      },
      { donate: [0], name: "an experiment's step" },
    );
    programs.set(batch, made);
    return made;
  };

  return {
    async fit({ rows, labels, seed, stopped }: FitTask, epochs: number): Promise<Trained<P>> {
      const params = learner.init(foldIn(key(seed), 0));
      let state: State = { params, optimizer: optimizer.init(params), sum: tensor(0) };
      try {
        for (let epoch = 0, steps = 0; ; epoch++) {
          const rate = coopLearningRate(epoch, { ...recipe, epochs });
          const batches = epochBatches(rows.length, recipe.batchSize, seed, epoch);
          const step = programFor(batches[0].length);
          for (const batch of batches) {
            const picked = tensor(Int32Array.from(batch, (i) => rows[i]));
            const shown = tensor(Int32Array.from(batch, (i) => labels[i]));
            state = step(state, all, picked, shown, rate);
            free([picked, shown]);
          }
          steps += batches.length;
          const loss = (await state.sum.item()) / batches.length;
          if (!Number.isFinite(loss))
            throw new CoopError(
              `seed ${seed}: the loss became ${loss} in epoch ${epoch + 1}; lower the learning rate (${recipe.learningRate})`,
            );
          if (stopped()) throw new Stopped();
          free(state.sum);
          state = { ...state, sum: tensor(0) };
          if (epoch + 1 < epochs) continue;
          free([state.optimizer, state.sum]);
          return { params: state.params, loss, steps, step: costOf(step) };
        }
      } catch (error) {
        free(state);
        throw error;
      }
    },
    free: () => {
      free(all);
      for (const program of programs.values()) program.free();
    },
  };
}

function costOf(step: Pick<Compiled<never, unknown>, "inspect">): StepCost {
  const [{ dispatches, plan }] = step.inspect();
  return {
    flops: dispatches.reduce((sum, { work }) => sum + work.flops, 0),
    bytes: dispatches.reduce((sum, { work }) => sum + work.bytes, 0),
    memory: plan.peakBytes,
  };
}
