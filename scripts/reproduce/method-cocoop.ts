// CoCoOp as published: one picture a step, ten epochs, a context that starts as "a photo of a".
import { clipByGlobalNorm, sgd, valueAndGrad } from "../../src/autograd/index.ts";
import {
  COOP_RECIPE,
  type ConditionalParams,
  conditionalClassifier,
  conditionalPromptLearner,
  coopLearningRate,
  type Examples,
  epochBatches,
  type LearnedConditional,
} from "../../src/coop/index.ts";
import { compile, foldIn, free, key, realize, type Tensor, tensor } from "../../src/tensor/index.ts";
import { treeLeaves, treeMap } from "../../src/tensor/tree.ts";
import { type Context, MAX_GRADIENT_NORM, type Opened, percentEqual } from "./method.ts";

const EPOCHS = 10;

export function cocoop({ clip, classNames, maxEpochs = EPOCHS }: Context): Opened {
  const learner = conditionalPromptLearner(clip, classNames);
  const optimizer = sgd(COOP_RECIPE);
  const step = compile(
    (
      params: ConditionalParams,
      state: ReturnType<typeof optimizer.init>,
      batch: { features: Tensor; labels: Tensor },
      rate: number | Tensor,
    ) => {
      const [loss, gradients] = valueAndGrad(learner.loss)(params, batch);
      const limited = clipByGlobalNorm(gradients, MAX_GRADIENT_NORM);
      return [...optimizer.update(limited, state, params, rate), loss] as const;
    },
    { donate: [0, 1], name: "the CoCoOp step" },
  );
  const learn = async ({ features, labels }: Examples, seed: number): Promise<LearnedConditional> => {
    const epochs = Math.min(maxEpochs, EPOCHS);
    const width = features.length / labels.length;
    let params = realize(learner.init(foldIn(key(seed), 0)));
    let state = optimizer.init(params);
    for (let epoch = 0; epoch < epochs; epoch++) {
      const rate = coopLearningRate(epoch, { epochs, learningRate: COOP_RECIPE.learningRate });
      for (const [row] of epochBatches(labels.length, 1, seed, epoch)) {
        const picture = features.slice(row * width, (row + 1) * width);
        const batch = { features: tensor(picture, [1, width]), labels: tensor(labels.slice(row, row + 1)) };
        const [updated, next, loss] = step(params, state, batch, rate);
        [params, state] = [updated, next];
        free([batch, loss]);
      }
      await treeLeaves<Tensor>(params)[0].data(); // so that not all steps wait in the queue at once
    }
    const values = new Map<Tensor, Float32Array>();
    for (const leaf of treeLeaves<Tensor>(params)) values.set(leaf, (await leaf.data()) as Float32Array);
    const learned = treeMap((leaf: Tensor) => values.get(leaf)!, params) as unknown as LearnedConditional;
    free([params, state]);
    return learned;
  };
  return {
    async fit(runs) {
      const learned: LearnedConditional[] = [];
      for (const { seed, train } of runs) learned.push(await learn(train, seed));
      return learned.map((found) => async (test: Examples, names: readonly string[]) => {
        const predicted = await conditionalClassifier(clip, found)(names, test.features);
        return percentEqual(predicted, test.labels);
      });
    },
    free: () => step.free(),
  };
}
