import type { Clip } from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";
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
import { runEpochs, type TrainingStep, trainingStep } from "./epochs.ts";
import { featureRows } from "./feature-rows.ts";
import type { Examples } from "./fit.ts";
import { layoutPrompts } from "./prompt.ts";
import { promptEncoder } from "./prompt-encoder.ts";
import { type PromptLearnerOptions, promptLearner } from "./prompt-learner.ts";
import { optimizerOf, type Recipe } from "./recipe.ts";
import { COOP_RECIPE, epochBatches } from "./schedule.ts";

/** One of the trainings that go on side by side. */
export interface SeededExamples {
  readonly seed: number;
  readonly examples: Examples;
}

/** Each seed's gradient is limited by itself. */
export type SeedsRecipe = Omit<Recipe, "seed" | "labelSmoothing">;

/** What the trainings gave, in the order of their seeds. */
export interface FittedSeeds {
  /** Row-major, [M, D] or [K, M, D] each. */
  readonly contexts: Float32Array[];
  /** Normalised features of the prompts, [K, E] row-major each. */
  readonly features: Float32Array[];
  /** The mean over the last epoch and the seeds. */
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

  const steps = new Map<string, TrainingStep<Tensor, Batch>>();
  const features = compile(textFeatures);

  const fit = async (runs: readonly SeededExamples[], recipe: SeedsRecipe): Promise<FittedSeeds> => {
    const { batchSize = COOP_RECIPE.batchSize, maxGradientNorm } = recipe;
    const count = runs[0]?.examples.labels.length;
    if (runs.some(({ examples }) => examples.labels.length !== count))
      throw new InputError("seeds that are trained side by side need equally many examples each");
    const optimizer = optimizerOf(recipe);
    const limit = maxGradientNorm === undefined ? undefined : (each: Tensor) => clipEach(each, maxGradientNorm);
    const kind = JSON.stringify([recipe.optimizer, recipe.momentum, recipe.weightDecay, maxGradientNorm]);
    const step = steps.get(kind) ?? trainingStep(loss, optimizer, { name: "the CoOp step of several seeds", limit });
    steps.set(kind, step);

    const contexts = realize(stack(runs.map(({ seed }) => learner.init(foldIn(key(seed), 0)).context)));
    const begin = { params: contexts, optimizer: optimizer.init(contexts), epoch: 0 };
    const last = await runEpochs(step, begin, recipe, function* (epoch) {
      const orders = runs.map(({ seed }) => epochBatches(count, batchSize, seed, epoch));
      for (const b of orders[0].keys()) {
        const picked = runs.map(({ examples }, s) => ({ examples, rows: orders[s][b] }));
        yield batchOf(picked, batchSize, embedDim);
      }
    });
    const texts = features(last.params);
    const found = {
      contexts: parts((await last.params.data()) as Float32Array, runs.length),
      features: parts((await texts.data()) as Float32Array, runs.length),
      loss: last.loss / runs.length,
    };
    free([last.params, last.optimizer, texts]);
    return found;
  };
  return {
    fit,
    free: () => {
      for (const step of steps.values()) step.free();
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
    features.set(featureRows(examples.features, width, rows), s * size * width);
    labels.set(
      Array.from(rows, (row) => examples.labels[row]),
      s * size,
    );
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
