import * as coop from "../../src/coop/index.ts";
import { key, tensor, zeros } from "../../src/tensor/index.ts";
import { randomClip } from "../random-clip.ts";
import type { WrongCalls } from "./wrong-call.ts";

const NAMES = ["3", "4"];

/** Of `coop/prompt`. */
export async function promptCalls(): Promise<WrongCalls> {
  const clip = await randomClip(1);
  const learner = (options: coop.PromptLearnerOptions = {}) =>
    coop.promptLearner(clip, NAMES, { contextTokens: 2, ...options });
  const examples = { features: new Float32Array(48).fill(0.5), labels: Int32Array.of(0, 1, 0, 1) };
  const fit = (recipe: object, more: object = {}) =>
    coop.fitPrompt(learner(), { ...examples, ...more }, { epochs: 1, seed: 1, ...recipe });
  const items = NAMES.map((_, label) => ({ label }));
  const probe = { weight: new Float32Array(24), bias: new Float32Array(2) };
  const context = { context: new Float32Array(32), shape: [2, 16], position: "end" } as const;
  const { tokenEmbedding } = clip.params.text;
  const run = {
    classes: NAMES,
    options: { contextTokens: 2, tokenDim: 16, position: "end", classSpecific: false },
  } as never;
  return {
    "promptLearner: one class": ["classes", "1", () => coop.promptLearner(clip, ["3"])],
    "promptLearner: no context": ["context tokens", "0", () => learner({ contextTokens: 0 })],
    "promptLearner: half a token": ["context tokens", "1.5", () => learner({ contextTokens: 1.5 })],
    "promptLearner: too long": ["class", "20 of them", () => learner({ contextTokens: 20 })],
    "promptLearner: no words": ["context tokens", "0", () => learner({ initText: "" })],
    "promptLearner: position": ["position", "start", () => learner({ position: "start" as never })],
    "promptLearner: a name that is no text": [
      "class 1",
      "undefined",
      () => coop.promptLearner(clip, ["3", undefined as never], { contextTokens: 2 }),
    ],
    "promptLearner: an empty name": ["class 1", '""', () => coop.promptLearner(clip, ["3", ""], { contextTokens: 2 })],
    "promptLearner: classes at a time": ["classesPerBlock", "0", () => learner({ classesPerBlock: 0 })],
    "a batch: neither features nor pictures": ["batch", "features", () => learner().logits(learner().init(key(1)), {})],
    "a batch: features of another model": [
      "features",
      "[1, 13]",
      () => learner().logits(learner().init(key(1)), { features: zeros([1, 13]) }),
    ],
    "a batch: features without a batch": [
      "features",
      "[12]",
      () => learner().logits(learner().init(key(1)), { features: zeros([12]) }),
    ],
    "a batch: labels": [
      "labels",
      "[2]",
      () => learner().loss(learner().init(key(1)), { features: zeros([1, 12]), labels: tensor(Int32Array.of(0, 1)) }),
    ],
    "a context of another size": ["context", "[3, 16]", () => learner().textFeatures({ context: zeros([3, 16]) })],
    "conditionalPromptLearner: no context": [
      "context tokens",
      "0",
      () => coop.conditionalPromptLearner(clip, NAMES, { contextTokens: 0 }),
    ],
    "methodLearner: no such method": [
      "method",
      "coopp",
      () => coop.methodLearner("coopp" as never, clip, NAMES, {}, zeros([2, 12])),
    ],
    "methodLearner: a conditional context for each class": [
      "class-specific",
      "CoCoOp",
      () => coop.methodLearner("cocoop", clip, NAMES, { classSpecific: true }, zeros([2, 12])),
    ],
    "withKnowledge: classes": ["withKnowledge", "[3,12]", () => coop.withKnowledge(clip, learner(), zeros([3, 12]))],
    "withProjection: one row": ["withProjection", "[12]", () => coop.withProjection(clip, learner(), zeros([12]))],
    "fitPrompt: no epochs": ["epochs", "0", () => fit({ epochs: 0 })],
    "fitPrompt: NaN epochs": ["epochs", "NaN", () => fit({ epochs: Number.NaN })],
    "fitPrompt: batch size 0": ["batch size", "0", () => fit({ batchSize: 0 })],
    "fitPrompt: rate": ["learning", "-0.1", () => fit({ learningRate: -0.1 })],
    "fitPrompt: warm-up": ["warm-up", "NaN", () => fit({ warmupLearningRate: Number.NaN })],
    "fitPrompt: seed": ["seed", "-1", () => fit({ seed: -1 })],
    "fitPrompt: smoothing": ["labelSmoothing", "2", () => fit({ labelSmoothing: 2 })],
    "fitPrompt: gradient norm": ["limit", "-1", () => fit({ maxGradientNorm: -1 })],
    "fitPrompt: optimizer": ["optimizer", "adam", () => fit({ optimizer: "adam" })],
    "fitPrompt: no pictures": [
      "pictures",
      "0",
      () => fit({}, { features: new Float32Array(), labels: new Int32Array() }),
    ],
    "fitPrompt: features left over": ["features", "47 numbers", () => fit({}, { features: new Float32Array(47) })],
    "fitPrompt: features of another width": ["features", "[4, 13]", () => fit({}, { features: new Float32Array(52) })],
    "fitPrompt: views": ["views", "0 views", () => fit({}, { views: 0 })],
    "fitPrompt: a label that is no class": ["Label", "2", () => fit({}, { labels: Int32Array.of(0, 1, 2, 1) })],
    "fitPrompt: a negative label": ["Label", "-1", () => fit({}, { labels: Int32Array.of(0, -1, 0, 1) })],
    "coopLearningRate: epoch": ["Epoch", "5", () => coop.coopLearningRate(5, { epochs: 5, learningRate: 0.1 })],
    "coopLearningRate: epochs": ["epochs", "1.5", () => coop.coopLearningRate(0, { epochs: 1.5, learningRate: 0.1 })],
    "epochsForShots: 0": ["shots", "0", () => coop.epochsForShots(0)],
    "epochBatches: nothing": ["pictures", "0", () => coop.epochBatches(0, 2, 1, 0)],
    "epochBatches: seed": ["seed", "0.5", () => coop.epochBatches(4, 2, 0.5, 0)],
    "fewShot: 0": ["shots", "0", () => coop.fewShot(items, 0, new coop.MersenneTwister(1))],
    "fewShotSplits: fraction": ["shots", "1.5", () => coop.fewShotSplits({ train: items, val: items }, 1.5, 1)],
    "accuracyMeter: no pictures": [
      "pictures",
      "0",
      () => coop.accuracyMeter(learner(), { features: new Float32Array(), labels: new Int32Array() }),
    ],
    "earlyStopping: patience": ["patience", "0", () => coop.earlyStopping(async () => 1, 0)],
    "fitLinearProbe: C": ["C is", "0", () => coop.fitLinearProbe(examples, { C: 0 })],
    "fitLinearProbe: labels": [
      "Label",
      "3",
      () => coop.fitLinearProbe({ ...examples, labels: Int32Array.of(0, 3, 0, 1) }, { classes: 2 }),
    ],
    "fitLinearProbe: NaN": [
      "Features",
      "NaN",
      () => coop.fitLinearProbe({ ...examples, features: new Float32Array(48).fill(Number.NaN) }),
    ],
    "fitLinearProbe: rows": [
      "features",
      "47",
      () => coop.fitLinearProbe({ ...examples, features: new Float32Array(47) }),
    ],
    "predictProbe: width": ["features", "13", () => coop.predictProbe(probe, new Float32Array(13))],
    "searchProbe: folds": ["folds", "1", () => coop.searchProbe(examples, 1)],
    "promptFeatures: classes": [
      "context",
      "3 classes",
      () => coop.promptFeatures(clip, NAMES, { context: new Float32Array(96), shape: [3, 2, 16], position: "end" }),
    ],
    "promptFeatures: size": [
      "values",
      "30",
      () => coop.promptFeatures(clip, NAMES, { ...context, context: new Float32Array(30) }),
    ],
    "promptFeatures: width": [
      "context",
      "[2, 8]",
      () => coop.promptFeatures(clip, NAMES, { ...context, context: new Float32Array(16), shape: [2, 8] }),
    ],
    "nearestTokens: k": ["nearest", "21", () => coop.nearestTokens(tokenEmbedding, new Float32Array(16), 21)],
    "nearestTokens: width": [
      "features",
      "15 numbers",
      () => coop.nearestTokens(tokenEmbedding, new Float32Array(15), 1),
    ],
    "normalizeRows: width": ["features", "5 numbers", () => coop.normalizeRows(new Float32Array(5), 2)],
    "confusionMatrix: lengths": ["labels", "1 predictions", () => coop.confusionMatrix([0, 1], [0], 2)],
    "confusionMatrix: label": ["label", "2", () => coop.confusionMatrix([0, 2], [0, 1], 2)],
    "adapterModel: size": ["context", "30", () => coop.adapterModel(new Float32Array(30), run)],
    "adapterModel: NaN": ["context", "NaN", () => coop.adapterModel(new Float32Array(32).fill(Number.NaN), run)],
    "metricsJsonl: NaN": ["loss", "NaN", () => coop.metricsJsonl([{ epoch: 1, loss: Number.NaN, learningRate: 1 }])],
    "parseMetricsJsonl: broken off": ["metrics.jsonl", "breaks off", () => coop.parseMetricsJsonl('{"epoch":1')],
    "parseSplits: no JSON": ["splits.json", "JSON", () => coop.parseSplits("{")],
    "parseSplits: layout": [
      "layout",
      "deep",
      () => coop.parseSplits('{"seed":1,"shots":1,"layout":"deep","train":[],"val":[],"test":[]}'),
    ],
    "MersenneTwister: draw": ["draw", "5 of 2", () => new coop.MersenneTwister(1).sample([1, 2], 5)],
  };
}
