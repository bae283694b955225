// CoCoOp on drawn pictures: it learns, also in a training loop that knows nothing of it, and its logits do not depend on
// how many pictures are asked about at a time.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { sgd, valueAndGrad } from "../src/autograd/index.ts";
import { imageFeatures, loadClip } from "../src/clip/index.ts";
import {
  accuracy,
  type ConditionalParams,
  conditionalClassifier,
  conditionalPromptLearner,
  type LearnedConditional,
  predictConditional,
} from "../src/coop/index.ts";
import { handWrittenClassifier, transfer } from "../src/evaluation.ts";
import { compile, device, key, read, type Tensor, tensor } from "../src/tensor/index.ts";
import { NAIVE_TEMPLATE, PICTURE_SIZE, taskPictures } from "../src/world/index.ts";

const STEPS = 40;

test("the loss falls and held-out pictures are told better than by the hand-written prompt", {
  timeout: 240_000,
}, async () => {
  const clip = await loadClip(new URL("../models/tiny-clip", import.meta.url).pathname);
  const encoded = async (split: "train" | "test", perClass: number) => {
    const { pixels, labels, classNames } = taskPictures("above", { perClass, seed: 5, split });
    const pictures = pixels.map((data) => clip.preprocess({ width: PICTURE_SIZE, height: PICTURE_SIZE, data }));
    return { features: await imageFeatures(clip, pictures), labels: Int32Array.from(labels), classNames };
  };
  const train = await encoded("train", 2);
  const heldOut = await encoded("test", 8);
  const learner = conditionalPromptLearner(clip, train.classNames, { contextTokens: 4 });
  const optimizer = sgd({ learningRate: 0.02, momentum: 0.9 });
  const batch = {
    features: tensor(train.features, [train.labels.length, clip.config.embedDim]),
    labels: tensor(train.labels),
  };
  const step = compile(
    (params: ConditionalParams, state: ReturnType<typeof optimizer.init>, data: typeof batch) => {
      const [loss, grads] = valueAndGrad(learner.loss)(params, data);
      return [...optimizer.update(grads, state, params), loss] as const;
    },
    { donate: [0, 1] },
  );
  let params = learner.init(key(1));
  let state = optimizer.init(params);
  const losses: number[] = [];
  const held: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    const [next, nextState, loss]: readonly [ConditionalParams, typeof state, Tensor] = step(params, state, batch);
    [params, state] = [next, nextState];
    losses.push(await loss.item());
    loss.free();
    held.push((await device()).memory().byOwner.values);
  }
  assert.ok(losses[STEPS - 1] < 0.7 * losses[0], `loss ${losses[0]} to ${losses[STEPS - 1]}`);
  assert.ok(Math.max(...held.slice(2)) <= held[1], "a step keeps memory");

  const learned = (await read(params)) as LearnedConditional;
  const target = [{ name: "above", classNames: train.classNames, test: heldOut }];
  const [coop] = await transfer(conditionalClassifier(clip, learned), target);
  const [written] = await transfer(handWrittenClassifier(clip, [NAIVE_TEMPLATE]), target);
  assert.ok(accuracy(coop.score) > accuracy(written.score) + 0.05, JSON.stringify({ coop, written }));

  const few = heldOut.features.subarray(0, 7 * clip.config.embedDim);
  const whole = await predictConditional(clip, learner, params, few);
  const pieces = await predictConditional(clip, learner, params, few, { chunk: 3 });
  assert.equal(whole.length, 7 * train.classNames.length);
  whole.forEach((v, i) => {
    assert.ok(Math.abs(v - pieces[i]) < 1e-3, `logit ${i}: ${v} or ${pieces[i]}`);
  });
});
