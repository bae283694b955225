import { type Optimizer, valueAndGrad } from "../autograd/index.ts";
import { NonFiniteError } from "../tensor/errors.ts";
import { type Compiled, cast, compile, finite, free, min, mul, type Tensor, treeLeaves } from "../tensor/index.ts";
import type { findNonFinite } from "../tensor/non-finite.ts";
import type { Recipe } from "./recipe.ts";
import { COOP_RECIPE, checkWhole, coopLearningRate } from "./schedule.ts";

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

/** Milliseconds after which a loop of steps, none of which waits, lets others have a turn. */
const BREATH = 50;
/** Milliseconds that the device's queue of steps may take, or two steps: what it takes to stop. */
const QUEUE = 500;

/** What is to happen after an epoch. */
export type OnEpoch<P> = (epoch: Epoch<P>) => Promise<"stop" | undefined | void> | "stop" | undefined | void;

/** What `runEpochs` tells, and how closely it looks. */
export interface EpochHooks<P> {
  /** The loop waits for it, and ends early if it says "stop". */
  readonly onEpoch?: OnEpoch<P>;
  /**
   * Told after each step of the state before its epoch, which belongs to the loop. The loop waits for it; if it says
   * "stop", the epoch is given up, and the training ends with that state.
   */
  readonly onStep?: (before: FitState<P>) => Promise<"stop" | undefined | void> | "stop" | undefined | void;
  /** Where numbers stopped being finite: the state before that epoch, which belongs to the loop. */
  readonly onNonFinite?: (state: FitState<P>) => Promise<void> | void;
  /** Computes every step op by op beforehand: finds numbers that are not finite even where the loss hides them. Slow. */
  readonly debugNans?: boolean;
}

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

/** What a training looks at its state with. */
export interface Checks<P> {
  /** A state of its own, for when the step has used up the one it was given. */
  readonly copyOf: Compiled<[params: P, optimizer: unknown], { params: P; optimizer: unknown }>;
  /** 1 where all numbers of a tree are finite, else 0. */
  readonly health: Compiled<[tree: unknown], Tensor>;
}

const checks = <P>(): Checks<P> => ({
  copyOf: compile((params: P, optimizer: unknown) => ({ params, optimizer }), { name: "a copy of the state" }),
  health: compile(
    (tree: unknown) =>
      treeLeaves<Tensor>(tree)
        .map((leaf) => min(cast(finite(leaf), "i32")))
        .reduce((a, b) => mul(a, b)),
    { name: "whether all is finite" },
  ),
});

/** Bytes that a training takes beside the programs of its step: a copy of its state, and the check of it. */
export async function stateBytes<P>({ params, optimizer }: FitState<P>): Promise<number> {
  const { copyOf, health } = checks<P>();
  return (await copyOf.bytes(params, optimizer)) + (await health.bytes(params));
}

/**
 * The loop of every training by CoOp's recipe: a learning rate that moves once an epoch, losses that are read when the
 * epoch is over, so that no step waits for another. Where a loss or a parameter is not finite then, the epoch is computed
 * again, its first bad step op by op, to name the op that made it.
 *
 * @param from is taken over
 * @param batches those of an epoch, counted from 0; each is made when it is needed and freed after its step
 * @returns the last epoch (its loss NaN where there was none to do), whose tensors are the caller's
 * @throws NonFiniteError where numbers stop being finite, naming the step and the op
 * @example
 * const { params, loss } = await runEpochs(step, { params, optimizer, epoch: 0 }, { epochs: 50 }, () => [batch]);
 */
export async function runEpochs<P, Batch>(
  step: TrainingStep<P, Batch>,
  from: FitState<P>,
  recipe: Omit<Recipe, "seed">,
  batches: (epoch: number) => Iterable<Batch> | Promise<Iterable<Batch>>,
  { onEpoch, onStep, onNonFinite, debugNans = false }: EpochHooks<P> = {},
): Promise<Epoch<P>> {
  const { epochs, learningRate = COOP_RECIPE.learningRate, warmupLearningRate } = recipe;
  checkWhole("The number of epochs", epochs, 1);
  const check = checks<P>();
  const { copyOf, health } = check;
  let { params, optimizer, epoch } = from;
  let before: FitState<P> | undefined; // where the epoch began
  let done: Epoch<P> = { ...from, loss: Number.NaN, learningRate };
  let losses: Promise<number>[] = [];
  try {
    training: while (epoch < epochs) {
      const rate = coopLearningRate(epoch, { epochs, learningRate, warmupLearningRate });
      before = { ...copyOf(params, optimizer), epoch };
      losses = [];
      const room = stepQueue(losses);
      const failed = async (at: number, what: string, found?: string): Promise<never> => {
        await onNonFinite?.(before!);
        const origin = found
          ? `In step ${at}, ${found}.`
          : await (await import("./non-finite-epoch.ts")).originOf(step, before!, await batches(epoch), rate, check);
        throw new NonFiniteError(
          `${what} in epoch ${epoch + 1}, step ${at}. ${origin} Lower the learning rate (${learningRate}).`,
        );
      };
      let breathed = performance.now();
      for (const batch of await batches(epoch)) {
        try {
          const found = debugNans ? await nonFiniteIn(step, params, optimizer, batch, rate) : undefined;
          if (found) await failed(losses.length + 1, "a number stopped being finite", found.text);
          const [updated, state, loss] = step(params, optimizer, batch, rate);
          [params, optimizer] = [updated, state];
          const value = loss.item().finally(() => loss.free());
          value.catch(() => {}); // it may fail before anybody waits for it
          losses.push(value);
        } finally {
          free(batch);
        }
        await room();
        if ((await onStep?.(before)) === "stop") {
          await Promise.all(losses);
          free([params, optimizer]);
          ({ params, optimizer } = before);
          done = { ...done, params, optimizer };
          before = undefined;
          break training;
        }
        if (performance.now() - breathed > BREATH) {
          await new Promise((resolve) => setTimeout(resolve)); // Ctrl-C, a page's messages
          breathed = performance.now();
        }
      }
      const healthy = health(params);
      const [finiteParams, ...values] = await Promise.all([healthy.item().finally(() => healthy.free()), ...losses]);
      const bad = values.findIndex((loss) => !Number.isFinite(loss));
      if (bad >= 0) await failed(bad + 1, `the loss became ${values[bad]}`);
      if (finiteParams === 0) await failed(values.length, "a parameter stopped being finite");
      free(before);
      before = undefined;
      epoch++;
      const loss = values.reduce((a, b) => a + b, 0) / values.length;
      done = { params, optimizer, epoch, loss, learningRate: rate };
      if ((await onEpoch?.(done)) === "stop") break;
    }
    return done;
  } catch (error) {
    await Promise.allSettled(losses);
    free([params, optimizer, before]);
    throw error;
  } finally {
    copyOf.free();
    health.free();
  }
}

/** Waits until the device has no more steps to do than `QUEUE` allows, by what those before have taken. */
function stepQueue(losses: readonly Promise<number>[]): () => Promise<void> {
  let [done, began] = [0, 0];
  return async () => {
    const each = done > 1 ? (performance.now() - began) / (done - 1) : QUEUE;
    while (losses.length - done > Math.max(2, QUEUE / each)) {
      await losses[done];
      if (done++ === 0) began = performance.now();
    }
  };
}

/** `findNonFinite`, which is loaded when something is wrong. */
const nonFiniteIn: typeof findNonFinite = async (f, ...args) =>
  (await import("../tensor/non-finite.ts")).findNonFinite(f, ...args);
