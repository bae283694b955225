import { clipByGlobalNorm } from "../autograd/index.ts";
import { InputError } from "../tensor/errors.ts";
import {
  crossEntropy,
  foldIn,
  free,
  type HostArray,
  type Key,
  key,
  type ProgramReport,
  read,
  type Tensor,
  tensor,
  treeMap,
} from "../tensor/index.ts";
import type { MapTree } from "../tensor/tree.ts";
import { orSayWhatFits } from "./batch-that-fits.ts";
import {
  type Epoch,
  type EpochHooks,
  type FitState,
  type OnEpoch,
  runEpochs,
  stateBytes,
  type TrainingStep,
  trainingStep,
} from "./epochs.ts";
import { featureRows } from "./feature-rows.ts";
import type { PromptBatch, PromptLearner, PromptParams } from "./prompt-learner.ts";
import { optimizerOf, type Recipe, type StepRecipe } from "./recipe.ts";
import { COOP_RECIPE, epochBatches } from "./schedule.ts";

/** What can be fitted: pure functions of a tree of parameters P. */
export interface Learner<P> {
  /** Labels are checked against them where there are any. */
  readonly classNames?: readonly string[];
  /** Parameters to begin with, a function of the key. */
  init(key: Key): P;
  /** [N, K] */
  logits(params: P, batch: Omit<PromptBatch, "labels">): Tensor;
  /** A scalar. */
  loss(params: P, batch: PromptBatch): Tensor;
}

/** Pictures as features [N, E] (row-major) that were computed once, and their class numbers. */
export interface Examples {
  readonly features: Float32Array;
  readonly labels: Int32Array;
  /** V where the features are [V·N, E], V views of the pictures one after another: epoch e, from 0, sees view e mod V. */
  readonly views?: number;
}

/** Pictures that are seen anew in each epoch: their features [N, E] in an epoch, counted from 0. */
export interface FreshExamples {
  /** The features [N, E] of the pictures in an epoch, row-major. */
  readonly features: (epoch: number) => Promise<Float32Array>;
  readonly labels: Int32Array;
}

/** The same tree on the host. */
export type Host<P> = MapTree<P, Tensor, Float32Array>;

/** What a training is told of each epoch, and where it begins. */
export interface FitHooks<P> extends EpochHooks<P> {
  /** A state to go on from, which is taken over. */
  readonly from?: FitState<P>;
}

/** What a training left on the device. */
export interface Fitted<P> extends Epoch<P> {
  /** The step's program: its launches and its memory. */
  readonly program: ProgramReport | undefined;
}

/** Fits one learner again and again. */
export interface LearnerTrainer<P> {
  /**
   * Trainings that go on at the same time fill the gaps in which each waits for its losses.
   *
   * @returns the last epoch, whose tensors are the caller's to free
   * @throws NonFiniteError where numbers stop being finite, naming the step and the op
   */
  fit(
    examples: Examples | FreshExamples,
    run: Pick<Recipe, "epochs" | "seed">,
    hooks?: FitHooks<P>,
  ): Promise<Fitted<P>>;
  /** Gives back the device's memory. */
  free(): void;
}

/** The state before the first epoch. */
export function beginFit<P>(learner: Learner<P>, recipe: Pick<Recipe, "seed"> & StepRecipe): FitState<P> {
  const params = learner.init(foldIn(key(recipe.seed), 0));
  return { params, optimizer: optimizerOf(recipe).init(params), epoch: 0 };
}

/**
 * Fits a learner's parameters to features of frozen pictures by CoOp's recipe: SGD with momentum, a cosine that moves once
 * an epoch, one epoch of warm-up. The whole step is one compiled program, which serves any number of examples, seeds
 * and epochs. An epoch's order and view depend on nothing but the seed and its number, so a training that goes on
 * from a state ends as if it had never stopped.
 *
 * @example
 * const trainer = learnerTrainer(promptLearner(clip, classNames));
 * const { params, loss } = await trainer.fit(examples, { epochs: 50, seed: 1 });
 */
export function learnerTrainer<P>(learner: Learner<P>, recipe: StepRecipe = {}): LearnerTrainer<P> {
  const { batchSize = COOP_RECIPE.batchSize, labelSmoothing = 0, maxGradientNorm } = recipe;
  const optimizer = optimizerOf(recipe);
  const loss = (params: P, batch: PromptBatch) =>
    labelSmoothing > 0
      ? crossEntropy(learner.logits(params, batch), batch.labels, { labelSmoothing })
      : learner.loss(params, batch);
  const limit =
    maxGradientNorm === undefined ? undefined : (gradients: P) => clipByGlobalNorm(gradients, maxGradientNorm);
  /** By the size of their batch. */
  const steps = new Map<number, TrainingStep<P, PromptBatch>>();
  const giveBack = () => {
    for (const step of steps.values()) step.free();
  };

  return {
    async fit(examples, run, { from = beginFit(learner, { ...recipe, seed: run.seed }), ...hooks } = {}) {
      const { labels } = examples;
      const classes = learner.classNames?.length;
      const wrong = labels.find((label) => !(label >= 0 && label < (classes ?? 2 ** 31)));
      if (wrong !== undefined) throw new InputError(`Label ${wrong} is not one of ${classes ?? "the"} classes.`);
      const size = Math.min(batchSize, labels.length);
      const step = steps.get(size) ?? trainingStep(loss, optimizer, { name: "the CoOp step", limit });
      steps.set(size, step);
      let width = 1;
      const batches = async (epoch: number): Promise<Iterable<PromptBatch>> => {
        const rows =
          typeof examples.features === "function"
            ? rowsOf({ features: await examples.features(epoch), labels }, epoch)
            : rowsOf(examples as Examples, epoch);
        width = rows.features.length / labels.length;
        return batchesOf(rows, epochBatches(labels.length, batchSize, run.seed, epoch));
      };
      const programBytes = (rows: number) => {
        const batch = {
          features: tensor(new Float32Array(rows * width), [rows, width]),
          labels: tensor(new Int32Array(rows)),
        };
        return step.bytes(from.params, from.optimizer, batch, 0);
      };
      /** The last batch of an epoch may be a smaller one, and has a program of its own. */
      const bytesOf = async (rows: number) => {
        const rest = labels.length % rows;
        return (await stateBytes(from)) + (await programBytes(rows)) + (rest > 0 ? await programBytes(rest) : 0);
      };
      const work = () => runEpochs(step, from, { ...recipe, epochs: run.epochs }, batches, hooks);
      const last = await orSayWhatFits(size, work, bytesOf, giveBack);
      return { ...last, program: step.inspect()[0] };
    },
    free: giveBack,
  };
}

/**
 * Fits a learner once (see `learnerTrainer`).
 *
 * @returns the parameters, row-major
 * @throws NonFiniteError where numbers stop being finite, naming the step and the op
 * @example const { context } = await fitLearner(promptLearner(clip, classNames), examples, { epochs: 50, seed: 1 });
 */
export async function fitLearner<P>(
  learner: Learner<P>,
  examples: Examples | FreshExamples,
  recipe: Recipe,
  hooks: FitHooks<P> = {},
): Promise<Host<P>> {
  const trainer = learnerTrainer(learner, recipe);
  try {
    const { params, optimizer } = await trainer.fit(examples, recipe, hooks);
    return await toHost(params).finally(() => free([params, optimizer]));
  } finally {
    trainer.free();
  }
}

/**
 * Trains a prompt (see `learnerTrainer`).
 *
 * @returns the context, row-major
 * @example
 * const context = await fitPrompt(promptLearner(clip, classNames), { features, labels }, { epochs: 50, seed: 1 });
 */
export async function fitPrompt(
  learner: PromptLearner,
  examples: Examples,
  recipe: Recipe,
  onEpoch: OnEpoch<PromptParams> = () => {},
): Promise<Float32Array> {
  return (await fitLearner(learner, examples, recipe, { onEpoch })).context;
}

/**
 * A tree of tensors as numbers on the host.
 * @example const { context } = await toHost(params); // Float32Array
 */
export const toHost = <P>(tree: P): Promise<Host<P>> => read(tree) as Promise<Host<P>>;

/**
 * Numbers of the host as tensors of the shapes of others.
 * @example const params = toDevice(saved, learner.init(key(0)));
 */
export const toDevice = <P>(host: Host<P>, like: P): P =>
  treeMap(
    (leaf: unknown, values: unknown) => tensor(values as HostArray, [...(leaf as Tensor).shape]),
    like,
    host,
  ) as P;

/** The rows that an epoch sees. */
interface Rows {
  /** [N, E] */
  readonly features: Float32Array;
  readonly labels: Int32Array;
}

/** The view of the pictures that is an epoch's turn. */
function rowsOf({ features, labels, views = 1 }: Examples, epoch: number): Rows {
  const count = labels.length;
  if (!Number.isInteger(views) || views < 1 || features.length % (views * count) !== 0)
    throw new InputError(
      `${features.length} numbers are not the features of ${count} pictures in ${views} ${views === 1 ? "view" : "views"}`,
    );
  const size = features.length / views;
  const first = (epoch % views) * size;
  return { features: features.subarray(first, first + size), labels };
}

function* batchesOf({ features, labels }: Rows, order: readonly (readonly number[])[]): Iterable<PromptBatch> {
  const width = features.length / labels.length;
  for (const picked of order) {
    yield {
      features: tensor(featureRows(features, width, picked), [picked.length, width]),
      labels: tensor(Int32Array.from(picked, (row) => labels[row])),
    };
  }
}
