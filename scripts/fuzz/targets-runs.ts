import { conditionalModel } from "../../src/coop/conditional-files.ts";
import { parseResults, parseSpec } from "../../src/coop/experiments/index.ts";
import { indexBytes, parseIndex } from "../../src/coop/feature-index.ts";
import { parseLabelSet } from "../../src/coop/label-set.ts";
import { adapterConfigJson, parseAdapterConfig, type RunConfig } from "../../src/coop/run-config.ts";
import {
  adapterModel,
  metricsJsonl,
  parseMetricsJsonl,
  parseSplits,
  readAdapterModel,
  splitsJson,
} from "../../src/coop/run-files.ts";
import { BYTE_MUTATIONS, TEXT_MUTATIONS } from "./mutate-bytes.ts";
import { editSafetensorsHeader } from "./mutate-formats.ts";
import { editJson, editJsonLine } from "./mutate-json.ts";
import { type Target, textOf, utf8, watched } from "./target.ts";

const sha256 = "ab".repeat(32);
const score = { correct: 7, total: 9 };
const CONFIG: RunConfig = {
  model: { name: "openai/clip-vit-base-patch32", revision: null, sha256 },
  classes: ["tabby cat", "Ünïcode 名前", "dog"],
  options: { contextTokens: 2, tokenDim: 4, position: "end", classSpecific: false, initText: "a photo" },
  recipe: {
    shots: 16,
    epochs: 50,
    batchSize: 32,
    learningRate: 0.002,
    warmupLearningRate: 1e-5,
    momentum: 0.9,
    weightDecay: 5e-4,
    seed: 1,
    augmentation: "none",
  },
  metrics: { zeroShot: { ...score, templates: ["a photo of a {}."] }, probe: { ...score, C: 1 }, coop: score },
  versions: { coop: "0.1.0" },
};
const items = ["a/1.jpg", "b/2.jpg"].map((path, label) => ({ path, label, className: CONFIG.classes[label] }));
const floats = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => i / 8);

const RESULT = {
  id: "x",
  work: "w",
  dataset: { name: "d", fingerprint: "f" },
  model: { name: "m", sha256 },
  method: { name: "coop", kind: "coop", options: { epochs: 3 } },
  classes: "base",
  shots: 1,
  seed: 1,
  labelNoise: 0,
  accuracy: 0.5,
  correct: 1,
  total: 2,
  newClasses: score,
  shifts: { v2: score },
  loss: 1.5,
  steps: 10,
  step: null,
  found: {},
  seconds: 3,
  coop: "0.1.0",
  adapter: "cpu",
};
const SPEC = {
  name: "ours",
  models: ["tiny-clip"],
  datasets: [{ name: "eurosat", source: "data", template: "a {}.", shifts: { v2: "other" } }],
  shots: [1, 2],
  seeds: [1],
  methods: [
    { name: "zero", kind: "zero-shot" },
    { name: "coop", kind: "coop", options: { contextTokens: 4 } },
  ],
  baseToNew: { shots: [2], methods: ["coop"] },
  labelNoise: { fractions: [0.25], shots: [2] },
};

/** What `coop train`, `coop bench` and `coop index` write and read again. */
export const RUNS: readonly Target[] = [
  {
    name: "adapter-config",
    files: ["/coop/run-config.ts", "/coop/json-fields.ts", "/coop/near.ts"],
    seeds: () => [utf8(adapterConfigJson(CONFIG)), utf8(adapterConfigJson({ ...CONFIG, recipe: null, metrics: null }))],
    mutations: [editJson, editJson, editJson, ...TEXT_MUTATIONS],
    parse: async (bytes) => parseAdapterConfig(textOf(bytes)),
  },
  {
    name: "adapter-model",
    files: ["/coop/run-files.ts", "/coop/conditional-files.ts", "/clip/half.ts", "/clip/safetensors.ts"],
    seeds() {
      const linear = (rows: number, columns: number) => ({ weight: floats(rows * columns), bias: floats(rows) });
      const metaNet = { linear1: linear(2, 3), linear2: linear(4, 2) };
      return [adapterModel(floats(8), CONFIG), conditionalModel({ context: floats(8), metaNet })];
    },
    mutations: [editSafetensorsHeader],
    parse: (bytes) => readAdapterModel(watched(bytes), CONFIG),
  },
  {
    name: "run-lists",
    files: ["/coop/run-files.ts", "/coop/json-fields.ts"],
    seeds: () => [
      utf8(splitsJson({ seed: 1, shots: 16, layout: "flat", train: items, val: [], test: items })),
      utf8(
        metricsJsonl([1, 2].map((epoch) => ({ epoch, loss: 1 / epoch, learningRate: 0.002, heldOutAccuracy: 0.5 }))),
      ),
    ],
    mutations: [editJson, editJson, editJsonLine, ...TEXT_MUTATIONS],
    parse: async (bytes) =>
      /^\s*\{\s*"epoch"/.test(textOf(bytes)) ? parseMetricsJsonl(textOf(bytes)) : parseSplits(textOf(bytes)),
  },
  {
    name: "experiments",
    files: [
      "/experiments/spec.ts",
      "/experiments/results.ts",
      "/coop/json-fields.ts",
      "/experiments/method-coop.ts",
      "/coop/near.ts",
    ],
    seeds: () => [
      utf8(JSON.stringify(SPEC)),
      utf8(`${JSON.stringify(RESULT)}\n${JSON.stringify({ ...RESULT, id: "y" })}\n`),
    ],
    mutations: [editJson, editJson, editJsonLine, ...TEXT_MUTATIONS],
    parse: async (bytes) =>
      /^\s*\{\s*"id"/.test(textOf(bytes)) ? parseResults(textOf(bytes)) : parseSpec(textOf(bytes)),
  },
  {
    name: "feature-index",
    files: ["/coop/feature-index.ts", "/clip/half.ts"],
    seeds() {
      const files = ["a.jpg", "sub/名.png"].map((path) => ({ path, bytes: 10, modified: 1.5 }));
      const index = { model: { name: "m", sha256 }, folder: ".", dim: 4, files, features: floats(8) };
      return [indexBytes({ ...index, half: false }), indexBytes({ ...index, half: true })];
    },
    mutations: [editSafetensorsHeader],
    parse: (bytes) => parseIndex(watched(bytes)),
  },
  {
    name: "labels",
    files: ["/coop/label-set.ts"],
    seeds: () => [utf8("cat, dog; animals: horse, cow\npeople: man, woman")],
    mutations: [...BYTE_MUTATIONS, ...TEXT_MUTATIONS],
    parse: async (bytes) => parseLabelSet(textOf(bytes)),
  },
];
