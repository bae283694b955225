// CoCoOp as published: one picture a step, ten epochs, a context that starts as "a photo of a".
import {
  conditionalClassifier,
  conditionalPromptLearner,
  type Examples,
  fitLearner,
  type LearnedConditional,
} from "../../src/coop/index.ts";
import { type Context, MAX_GRADIENT_NORM, type Opened, percentEqual } from "./method.ts";

const EPOCHS = 10;

export function cocoop({ clip, classNames, maxEpochs = EPOCHS }: Context): Opened {
  const learner = conditionalPromptLearner(clip, classNames);
  const recipe = { epochs: Math.min(maxEpochs, EPOCHS), batchSize: 1, maxGradientNorm: MAX_GRADIENT_NORM };
  return {
    async fit(runs) {
      const learned: LearnedConditional[] = [];
      for (const { seed, train } of runs) learned.push(await fitLearner(learner, train, { ...recipe, seed }));
      return learned.map((found) => async (test: Examples, names: readonly string[]) => {
        const predicted = await conditionalClassifier(clip, found)(names, test.features);
        return percentEqual(predicted, test.labels);
      });
    },
    free() {},
  };
}
