// # Context Optimization (CoOp) from scratch, in 60 lines
//
//     npx tsx examples/04-coop-from-scratch.ts        (from the repository's root)
//
// Instead of writing "a photo of a {}." by hand, learn the words. The prompt of class k is [v₁ … v_M name_k .]: the v are
// vectors where word embeddings would stand, trained on a few labelled pictures while CLIP itself stays as it is
// (Zhou et al., "Learning to Prompt for Vision-Language Models", 2022). `fitPrompt` in src/coop/fit.ts is the full
// recipe; this is the bare loop.
import { classFeatures, DEFAULT_TEMPLATE, imageFeatures, loadClip } from "../src/clip/index.ts";
import { coopLearningRate, epochBatches, percent, predictLabels, promptLearner } from "../src/coop/index.ts";
import { compile, gather, key, l2Normalize, sgd, type Tensor, tensor, valueAndGrad } from "../src/index.ts";
import { PICTURE_SIZE, TASKS, taskPictures } from "../src/world/index.ts";

// ## The task: places seen from above, which "a photo of a {}." does not say; 16 pictures of each to learn from
const clip = await loadClip("models/tiny-clip");
const { classNames } = TASKS.above;
const encoded = async (split: "train" | "test", perClass: number) => {
  const { pixels, labels } = taskPictures("above", { perClass, seed: 1, split });
  const pictures = pixels.map((data) => clip.preprocess({ width: PICTURE_SIZE, height: PICTURE_SIZE, data }));
  return { features: await imageFeatures(clip, pictures), labels: Int32Array.from(labels) };
};
const [train, test] = [await encoded("train", 16), await encoded("test", 40)];
const shots = {
  features: tensor(train.features, [train.labels.length, clip.config.embedDim]),
  labels: tensor(train.labels),
};
const score = async (prompts: Float32Array) => {
  const labels = await predictLabels(clip, test.features, prompts);
  return percent(labels.filter((label, i) => label === test.labels[i]).length / labels.length);
};
console.log(`"${DEFAULT_TEMPLATE}"  ${await score(await classFeatures(clip, classNames, [DEFAULT_TEMPLATE]))}`);

// ## What is learned: one tree, { context: [4, D] }. No gradient of CLIP's own weights is ever computed
const learner = promptLearner(clip, classNames, { contextTokens: 4 });
const optimizer = sgd({ learningRate: 0.002, momentum: 0.9, weightDecay: 5e-4 });
let params = learner.init(key(1));
let state = optimizer.init(params);

// ## The step: pick the batch, differentiate through the text tower, update. One program, replayed
const step = compile(
  (p: typeof params, s: typeof state, all: typeof shots, picked: Tensor, rate: number) => {
    const batch = { features: gather(all.features, picked), labels: gather(all.labels, picked) };
    const [loss, grads] = valueAndGrad(learner.loss)(p, batch);
    return [...optimizer.update(grads, s, p, rate), loss] as const;
  },
  { donate: [0, 1] },
);

for (let epoch = 0; epoch < 30; epoch++) {
  const rate = coopLearningRate(epoch, { epochs: 30, learningRate: 0.002 });
  let loss: Tensor | undefined;
  for (const picked of epochBatches(train.labels.length, 32, 1, epoch)) {
    [params, state, loss] = step(params, state, shots, tensor(Int32Array.from(picked)), rate);
  }
  if (epoch % 10 === 9) console.log(`epoch ${epoch + 1}: loss ${(await loss!.item()).toFixed(3)}`);
}

// ## The learned prompt on pictures it has not seen
const learned = (await l2Normalize(learner.textFeatures(params)).data()) as Float32Array;
console.log(`a learned prompt    ${await score(learned)}`);
