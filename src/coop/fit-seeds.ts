import { sgd, valueAndGrad } from "../autograd/index.ts";
import type { Clip } from "../clip/index.ts";
import { CoopError, InputError } from "../tensor/errors.ts";
import {
  add,
  compile,
  crossEntropy,
  div,
  foldIn,
  free,
  key,
  l2Normalize,
  matmul,
  minimum,
  mul,
  realize,
  reshape,
  sqrt,
  square,
  stack,
  sum,
  type Tensor,
  tensor,
} from "../tensor/index.ts";
import type { Examples, Recipe } from "./fit.ts";
import { layoutPrompts } from "./prompt.ts";
import { promptEncoder } from "./prompt-encoder.ts";
import { type PromptLearnerOptions, promptLearner } from "./prompt-learner.ts";
import { COOP_RECIPE, coopLearningRate, epochBatches } from "./schedule.ts";

/** One of the trainings that go on side by side. */
export interface SeededExamples {
  readonly seed: number;
  readonly examples: Examples;
}

export interface SeedsRecipe extends Omit<Recipe, "seed"> {
  /** Each seed's gradient is scaled down to this norm where it is longer; no limit, as published, where not given. */
  readonly maxGradientNorm?: number;
}

/** What the trainings gave, in the order of their seeds. */
export interface FittedSeeds {
  /** Row-major, [M, D] or [K, M, D] each. */
  readonly contexts: Float32Array[];
  /** Normalised features of the prompts, [K, E] row-major each. */
  readonly features: Float32Array[];
  /** Cross entropy of the last batch, the mean over the seeds. */
  readonly loss: number;
}

/** Trains one kind of prompt for the same classes again and again; the compiled step is kept. */
export interface SeedsTrainer {
  /** @throws CoopError where the loss stops being finite; InputError where the seeds have unequal numbers of examples */
  fit(runs: readonly SeededExamples[], recipe: SeedsRecipe): Promise<FittedSeeds>;
  /** Gives back the device's memory. */
  free(): void;
}

/**
 * `fitPrompt` for several seeds side by side: S trainings as one graph, with S contexts and the prompts of each. On small
 * models a training step costs the launches of its kernels as much as the numbers in them, so this takes less time than
 * one after the other, the more so the shorter the contexts. The trainings share nothing but the launches: each comes
 * out as it would alone, up to rounding.
 *
 * @param options as for `promptLearner`, except `plain`
 * @example
 * const trainer = seedsTrainer(clip, ["cat", "dog"], { contextTokens: 16 });
 * const { features } = await trainer.fit([1, 2, 3].map((seed) => ({ seed, examples: shots(seed) })), { epochs: 50 });
 */
export function seedsTrainer(
  clip: Clip,
  classNames: readonly string[],
  options: Omit<PromptLearnerOptions, "plain"> = {},
): SeedsTrainer {
  const { position = "end", classSpecific = false } = options;
  const { embedDim, text } = clip.config;
  const learner = promptLearner(clip, classNames, options);
  const { contextTokens } = learner;
  const vectors = classSpecific ? classNames.length * contextTokens : contextTokens;
  const prompts = layoutPrompts(clip, classNames, { contextTokens, position, classSpecific });
  const encode = promptEncoder(clip, prompts, { vectors, sets: true });

  /** [S, …, D] → [S, K, E], normalised. */
  const textFeatures = (contexts: Tensor): Tensor =>
    l2Normalize(reshape(encode(reshape(contexts, [-1, text.width])), [-1, classNames.length, embedDim]));

  /** The sum of the seeds' mean losses, whose gradient is for each seed its own. */
  const loss = (contexts: Tensor, { features, labels, weight }: Batch): Tensor => {
    const [seeds, size] = features.shape;
    const cosines = matmul(l2Normalize(features), textFeatures(contexts), { transposeB: true }); // [S, B, K]
    const logits = reshape(mul(cosines, clip.logitScale), [seeds * size, classNames.length]);
    return mul(crossEntropy(logits, labels), weight);
  };

  const stepOf = (recipe: SeedsRecipe) => {
    const { learningRate = COOP_RECIPE.learningRate, maxGradientNorm } = recipe;
    const { momentum = COOP_RECIPE.momentum, weightDecay = COOP_RECIPE.weightDecay } = recipe;
    const optimizer = sgd({ learningRate, momentum, weightDecay });
    const step = compile(
      (contexts: Tensor, state: ReturnType<typeof optimizer.init>, batch: Batch, rate: number | Tensor) => {
        const [total, gradients] = valueAndGrad(loss)(contexts, batch);
        const limited = maxGradientNorm === undefined ? gradients : clipEach(gradients, maxGradientNorm);
        return [...optimizer.update(limited, state, contexts, rate), total] as const;
      },
      { donate: [0, 1], name: "the CoOp step of several seeds" },
    );
    return { optimizer, step };
  };
  const steps = new Map<string, ReturnType<typeof stepOf>>();
  const features = compile(textFeatures);

  const fit = async (runs: readonly SeededExamples[], recipe: SeedsRecipe): Promise<FittedSeeds> => {
    const { epochs, batchSize = COOP_RECIPE.batchSize, learningRate = COOP_RECIPE.learningRate } = recipe;
    const count = runs[0]?.examples.labels.length;
    if (runs.some(({ examples }) => examples.labels.length !== count))
      throw new InputError("seeds that are trained side by side need equally many examples each");
    const kind = JSON.stringify([recipe.momentum, recipe.weightDecay, recipe.maxGradientNorm]);
    const { optimizer, step } = steps.get(kind) ?? stepOf(recipe);
    if (!steps.has(kind)) steps.set(kind, { optimizer, step });

    let contexts = realize(stack(runs.map(({ seed }) => learner.init(foldIn(key(seed), 0)).context)));
    let state = optimizer.init(contexts);
    let last = Number.NaN;
    try {
      for (let epoch = 0; epoch < epochs; epoch++) {
        const rate = coopLearningRate(epoch, { ...recipe, learningRate });
        const orders = runs.map(({ seed }) => epochBatches(count, batchSize, seed, epoch));
        for (const b of orders[0].keys()) {
          const picked = runs.map(({ examples }, s) => ({ examples, rows: orders[s][b] }));
          const batch = batchOf(picked, batchSize, embedDim);
          const [next, nextState, total] = step(contexts, state, batch, rate);
          [contexts, state] = [next, nextState];
          if (b === orders[0].length - 1) last = (await total.item()) / runs.length;
          free([batch.features, batch.labels, total]);
        }
        if (!Number.isFinite(last))
          throw new CoopError(
            `the loss became ${last} in epoch ${epoch + 1}; lower the learning rate (${learningRate})`,
          );
      }
      const texts = features(contexts);
      const found = {
        contexts: parts((await contexts.data()) as Float32Array, runs.length),
        features: parts((await texts.data()) as Float32Array, runs.length),
        loss: last,
      };
      free(texts);
      return found;
    } finally {
      free([contexts, state]);
    }
  };
  return {
    fit,
    free: () => {
      for (const { step } of steps.values()) step.free();
      features.free();
    },
  };
}

/** One batch of each seed, filled up to B rows. */
interface Batch {
  /** [S, B, E]. */
  readonly features: Tensor;
  /** i32 [S B]; −1 in a row that fills up, which adds nothing to a loss. */
  readonly labels: Tensor;
  /** From the mean over all rows to the sum of the means over the pictures of each seed. */
  readonly weight: number | Tensor;
}

/** Batches are put together on the host and have one size, so that one program serves any number of examples. */
function batchOf(
  picked: readonly { readonly examples: Examples; readonly rows: readonly number[] }[],
  size: number,
  width: number,
): Batch {
  const features = new Float32Array(picked.length * size * width).fill(1);
  const labels = new Int32Array(picked.length * size).fill(-1);
  picked.forEach(({ examples, rows }, s) => {
    rows.forEach((row, i) => {
      features.set(examples.features.subarray(row * width, (row + 1) * width), (s * size + i) * width);
      labels[s * size + i] = examples.labels[row];
    });
  });
  return {
    features: tensor(features, [picked.length, size, width]),
    labels: tensor(labels),
    weight: (picked.length * size) / picked[0].rows.length,
  };
}

/** The gradient of each seed [S, …] scaled down to a norm where it is longer. */
function clipEach(gradients: Tensor, limit: number): Tensor {
  const axes = gradients.shape.map((_, axis) => axis).slice(1);
  const norms = sqrt(sum(square(gradients), axes, { keepDims: true }));
  return mul(gradients, minimum(div(limit, add(norms, 1e-6)), 1));
}

const parts = (values: Float32Array, count: number): Float32Array[] =>
  Array.from({ length: count }, (_, i) => values.slice((i * values.length) / count, ((i + 1) * values.length) / count));
