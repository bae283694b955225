import { adamw, clipByGlobalNorm, type Optimizer, sgd, valueAndGrad } from "../autograd/index.ts";
import { CoopError, InputError } from "../tensor/errors.ts";
import { compile, crossEntropy, foldIn, free, gather, type Key, key, type Tensor, tensor } from "../tensor/index.ts";
import { type MapTree, treeLeaves, treeMap } from "../tensor/tree.ts";
import type { PromptBatch, PromptLearner, PromptParams } from "./prompt-learner.ts";
import { COOP_RECIPE, coopLearningRate, epochBatches } from "./schedule.ts";

/** What can be fitted: pure functions of a tree of parameters P. */
export interface Learner<P> {
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
  readonly features: (epoch: number) => Promise<Float32Array>;
  readonly labels: Int32Array;
}

/** How to train; CoOp's published values where not given. */
export interface Recipe {
  readonly epochs: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly warmupLearningRate?: number;
  readonly optimizer?: "sgd" | "adamw";
  /** Of SGD. */
  readonly momentum?: number;
  readonly weightDecay?: number;
  /** Share of the target spread evenly over all classes: then the loss is this cross entropy, not the learner's own. */
  readonly labelSmoothing?: number;
  /** Gradients are scaled down together where their norm exceeds this; not at all where not given. */
  readonly maxGradientNorm?: number;
  readonly seed: number;
}

/** Where a training stands between two epochs: all that it needs to go on. */
export interface FitState<P> {
  readonly params: P;
  /** The optimizer's state. */
  readonly optimizer: unknown;
  /** Epochs done. */
  readonly epoch: number;
}

/** What is known after each epoch, counted from 1. Parameters and state belong to the training loop. */
export interface Epoch<P = PromptParams> extends FitState<P> {
  /** Mean over the epoch's batches. */
  readonly loss: number;
  readonly learningRate: number;
}

/** What is to happen after an epoch. */
export type OnEpoch<P = PromptParams> = (
  epoch: Epoch<P>,
) => Promise<"stop" | undefined | void> | "stop" | undefined | void;

/** The same tree on the host. */
export type Host<P> = MapTree<P, Tensor, Float32Array>;

/** The optimizer that a recipe asks for. */
export function optimizerOf(recipe: Recipe): Optimizer<unknown> {
  const { learningRate = COOP_RECIPE.learningRate, weightDecay = COOP_RECIPE.weightDecay } = recipe;
  if (recipe.optimizer === "adamw") return adamw({ learningRate, weightDecay });
  return sgd({ learningRate, weightDecay, momentum: recipe.momentum ?? COOP_RECIPE.momentum });
}

/** The state before the first epoch. */
export function beginFit<P>(learner: Learner<P>, recipe: Recipe): FitState<P> {
  const params = learner.init(foldIn(key(recipe.seed), 0));
  return { params, optimizer: optimizerOf(recipe).init(params), epoch: 0 };
}

/**
 * Fits a learner's parameters to features of frozen pictures by CoOp's recipe: SGD with momentum, a cosine that moves once
 * an epoch, one epoch of warm-up. The whole step is one compiled program. An epoch's order and view depend on nothing but
 * the recipe's seed and its number, so a training that goes on from a state ends as if it had never stopped.
 *
 * @param hooks `onEpoch` may be asynchronous: the loop waits for it, and ends early if it says "stop". `from` is a state
 *   to go on from, which is taken over
 * @returns the parameters, row-major
 * @throws CoopError where the loss stops being finite, naming the step
 */
export async function fitLearner<P>(
  learner: Learner<P>,
  examples: Examples | FreshExamples,
  recipe: Recipe,
  { onEpoch, from }: { readonly onEpoch?: OnEpoch<P>; readonly from?: FitState<P> } = {},
): Promise<Host<P>> {
  const { epochs, seed, batchSize = COOP_RECIPE.batchSize, learningRate = COOP_RECIPE.learningRate } = recipe;
  const { warmupLearningRate = COOP_RECIPE.warmupLearningRate, labelSmoothing = 0, maxGradientNorm } = recipe;
  const optimizer = optimizerOf(recipe);
  const inEpoch = async (epoch: number): Promise<Table> =>
    typeof examples.features === "function"
      ? tableOf({ labels: examples.labels, features: await examples.features(epoch) })
      : tableOf(examples as Examples);
  const lossOf = (params: P, batch: PromptBatch) =>
    labelSmoothing > 0
      ? crossEntropy(learner.logits(params, batch), batch.labels, { labelSmoothing })
      : learner.loss(params, batch);
  const step = compile(
    (params: P, state: unknown, all: Table["rows"], picked: Tensor, rate: number | Tensor) => {
      const batch = { features: gather(all.features, picked), labels: gather(all.labels, picked) };
      const [loss, gradients] = valueAndGrad(lossOf)(params, batch);
      const grads = maxGradientNorm === undefined ? gradients : clipByGlobalNorm(gradients, maxGradientNorm);
      const [updated, next] = optimizer.update(grads, state, params, rate);
      return [updated, next, loss] as const;
    },
    { donate: [0, 1], name: "the CoOp step" },
  );
  let { params, optimizer: state, epoch } = from ?? beginFit(learner, recipe);
  let table: Table | undefined;
  try {
    while (epoch < epochs) {
      if (!table || typeof examples.features === "function") {
        free(table?.rows ?? []);
        table = await inEpoch(epoch);
      }
      const { rows, views, count } = table;
      const rate = coopLearningRate(epoch, { epochs, learningRate, warmupLearningRate });
      const first = (epoch % views) * count;
      const losses: Promise<number>[] = [];
      for (const batch of epochBatches(count, batchSize, seed, epoch)) {
        const picked = tensor(Int32Array.from(batch, (i) => first + i));
        const [updated, next, loss] = step(params, state, rows, picked, rate);
        [params, state] = [updated, next];
        losses.push(loss.item().finally(() => loss.free()));
        picked.free();
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
      if ((await onEpoch?.({ epoch, loss, learningRate: rate, params, optimizer: state })) === "stop") break;
    }
    return await toHost(params);
  } finally {
    free([params, state, table?.rows ?? []]);
    step.free();
  }
}

/**
 * Trains a prompt (see `fitLearner`).
 *
 * @returns the context, row-major
 */
export async function fitPrompt(
  learner: PromptLearner,
  examples: Examples,
  recipe: Recipe,
  onEpoch: OnEpoch = () => {},
): Promise<Float32Array> {
  return (await fitLearner(learner, examples, recipe, { onEpoch })).context;
}

/** A tree of tensors as numbers on the host. */
export async function toHost<P>(tree: P): Promise<Host<P>> {
  const read = async (leaf: Tensor) => [leaf, (await leaf.data()) as Float32Array] as const;
  const values = new Map(await Promise.all(treeLeaves<Tensor>(tree).map(read)));
  return treeMap((leaf: Tensor) => values.get(leaf)!, tree);
}

/** Numbers of the host as tensors of the shapes of others. */
export const fromHost = <P>(host: Host<P>, like: P): P =>
  treeMap(
    (leaf: unknown, values: unknown) => tensor(values as Float32Array, [...(leaf as Tensor).shape]),
    like,
    host,
  ) as P;

/** All views on the device as rows of one table, with the labels again for each view. */
interface Table {
  readonly rows: { readonly features: Tensor; readonly labels: Tensor };
  readonly views: number;
  readonly count: number;
}

function tableOf({ features, labels, views = 1 }: Examples): Table {
  const count = labels.length;
  if (!Number.isInteger(views) || views < 1 || features.length % (views * count) !== 0)
    throw new InputError(
      `${features.length} numbers are not the features of ${count} pictures in ${views} ${views === 1 ? "view" : "views"}`,
    );
  const repeated = Int32Array.from({ length: views * count }, (_, i) => labels[i % count]);
  const shape = [repeated.length, features.length / repeated.length];
  return { rows: { features: tensor(features, shape), labels: tensor(repeated) }, views, count };
}
