import { sgd, valueAndGrad } from "../autograd/index.ts";
import { CoopError } from "../tensor/errors.ts";
import { compile, foldIn, free, gather, key, type Tensor, tensor } from "../tensor/index.ts";
import type { PromptLearner, PromptParams } from "./prompt-learner.ts";
import { COOP_RECIPE, coopLearningRate, epochBatches } from "./schedule.ts";

/** Pictures as features [N, E] (row-major) that were computed once, and their class numbers. */
export interface Examples {
  readonly features: Float32Array;
  readonly labels: Int32Array;
}

/** How to train; CoOp's published values where not given. */
export interface Recipe {
  readonly epochs: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly warmupLearningRate?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly seed: number;
}

/** What is known after each epoch. */
export interface Epoch {
  /** Counted from 1. */
  readonly epoch: number;
  /** Mean over the epoch's batches. */
  readonly loss: number;
  readonly learningRate: number;
  /** The parameters as they are now; they belong to the training loop. */
  readonly params: PromptParams;
}

/** What is to happen after an epoch. */
type OnEpoch = "stop" | undefined | void;

/**
 * Trains a prompt on features of frozen pictures by CoOp's recipe: SGD with momentum, a cosine that moves once an epoch,
 * one epoch of warm-up. The whole step is one compiled program.
 *
 * @param onEpoch may be asynchronous: the loop waits for it, and ends early if it says "stop"
 * @returns the context, row-major
 * @throws CoopError where the loss stops being finite, naming the step
 */
export async function fitPrompt(
  learner: PromptLearner,
  { features, labels }: Examples,
  recipe: Recipe,
  onEpoch: (epoch: Epoch) => OnEpoch | Promise<OnEpoch> = () => {},
): Promise<Float32Array> {
  const { epochs, seed, batchSize = COOP_RECIPE.batchSize, learningRate = COOP_RECIPE.learningRate } = recipe;
  const { warmupLearningRate = COOP_RECIPE.warmupLearningRate } = recipe;
  const optimizer = sgd({
    learningRate,
    momentum: recipe.momentum ?? COOP_RECIPE.momentum,
    weightDecay: recipe.weightDecay ?? COOP_RECIPE.weightDecay,
  });
  const data = { features: tensor(features, [labels.length, features.length / labels.length]), labels: tensor(labels) };
  const step = compile(
    (
      params: PromptParams,
      state: ReturnType<typeof optimizer.init>,
      all: typeof data,
      picked: Tensor,
      rate: number | Tensor,
    ) => {
      const batch = { features: gather(all.features, picked), labels: gather(all.labels, picked) };
      const [loss, grads] = valueAndGrad(learner.loss)(params, batch);
      const [updated, next] = optimizer.update(grads, state, params, rate);
      return [updated, next, loss] as const;
    },
    { donate: [0, 1], name: "the CoOp step" },
  );
  let params = learner.init(foldIn(key(seed), 0));
  let state = optimizer.init(params);
  try {
    for (let epoch = 0; epoch < epochs; epoch++) {
      const rate = coopLearningRate(epoch, { epochs, learningRate, warmupLearningRate });
      const losses: Promise<number>[] = [];
      for (const batch of epochBatches(labels.length, batchSize, seed, epoch)) {
        const picked = tensor(Int32Array.from(batch));
        const [updated, next, loss] = step(params, state, data, picked, rate);
        [params, state] = [updated, next];
        losses.push(loss.item().finally(() => loss.free()));
        picked.free();
      }
      const values = await Promise.all(losses);
      const bad = values.findIndex((loss) => !Number.isFinite(loss));
      if (bad >= 0) {
        throw new CoopError(
          `the loss became ${values[bad]} in epoch ${epoch + 1}, step ${bad + 1}; lower the learning rate (${learningRate})`,
        );
      }
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      if ((await onEpoch({ epoch: epoch + 1, loss: mean, learningRate: rate, params })) === "stop") break;
    }
    return (await params.context.data()) as Float32Array;
  } finally {
    free([params, state, data]);
    step.free();
  }
}
