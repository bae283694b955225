import * as experiments from "../../src/coop/experiments/index.ts";
import * as evaluation from "../../src/evaluation.ts";
import * as retrieval from "../../src/retrieval.ts";
import { randomClip } from "../random-clip.ts";
import type { WrongCalls } from "./wrong-call.ts";

const NAMES = ["3", "4"];

/** Of `coop/evaluation`, `coop/retrieval` and `coop/experiments`. */
export async function measuringCalls(): Promise<WrongCalls> {
  const clip = await randomClip(1);
  const few = { features: new Float32Array(24).fill(1), labels: Int32Array.of(0, 1) };
  const model = { shots: few, classes: new Float32Array(24).fill(1) };
  const none = { features: new Float32Array(), labels: new Int32Array() };
  const search = (dim = 2) => retrieval.featureSearch(new Float32Array(6).fill(1), dim);
  const spec = (more: object) =>
    experiments.parseSpec(
      JSON.stringify({ datasets: [{ name: "pets" }], methods: [{ kind: "zero-shot" }], ...more }),
      "shots.json",
    );
  const answers = { classNames: NAMES, train: few, test: few };
  return {
    "searchCache: no validation": ["validation", "no validation", () => evaluation.searchCache(clip, model, none)],
    "searchCache: nothing to try": [
      "alphas",
      "0",
      () => evaluation.searchCache(clip, model, few, { alphas: [], betas: [1] }),
    ],
    "cacheLogits: width": ["features", "13 numbers", () => evaluation.cacheLogits(clip, model, new Float32Array(13))],
    "cacheLogits: shots": [
      "features",
      "25 numbers",
      () => evaluation.cacheLogits(clip, { ...model, shots: { ...few, features: new Float32Array(25) } }, few.features),
    ],
    "cacheLogits: labels": [
      "label",
      "2",
      () => evaluation.cacheLogits(clip, { ...model, shots: { ...few, labels: Int32Array.of(0, 2) } }, few.features),
    ],
    "cacheLogits: alpha": [
      "alpha",
      "NaN",
      () => evaluation.cacheLogits(clip, model, few.features, { alpha: Number.NaN, beta: 1 }),
    ],
    "splitBaseNew: classes": ["classes", "2", () => evaluation.splitBaseNew(NAMES, [0, 1])],
    "splitBaseNew: label": ["label", "9", () => evaluation.splitBaseNew(["a", "b", "c", "d"], [0, 9])],
    "baseToNew: classes": ["classes", "2", () => evaluation.baseToNew(answers, async () => async () => few.labels)],
    "baseAndNew: classes": [
      "classes",
      "1",
      () => evaluation.baseAndNew({ classNames: ["a"], train: [], val: [], test: [] }),
    ],
    "transfer: no pictures": [
      "pictures",
      "no pictures",
      () => evaluation.transfer(async () => few.labels, [{ name: "x", classNames: NAMES, test: none }]),
    ],
    "averageBaseNew: nothing": ["averageBaseNew", "no result", () => evaluation.averageBaseNew([])],
    "answersTo: width": [
      "features",
      "25 numbers",
      () => evaluation.answersTo(clip, new Float32Array(25), [0, 1], model.classes),
    ],
    "answersTo: labels": ["label", "7", () => evaluation.answersTo(clip, few.features, [0, 7], model.classes)],
    "handWrittenClassifier: no {}": [
      "template",
      "a cat",
      () => evaluation.handWrittenClassifier(clip, ["a cat"])(NAMES, few.features),
    ],
    "featureSearch: width": ["features", "4", () => search(4)],
    "featureSearch: no width": ["features", "0", () => search(0)],
    "nearest: too many": ["nearest", "9", async () => (await search()).nearest(new Float32Array(2), 9)],
    "nearest: queries": ["features", "3 numbers", async () => (await search()).nearest(new Float32Array(3), 1)],
    "ranks: no targets": ["targets", "1 queries", async () => (await search()).ranks(new Float32Array(2), [[]])],
    "ranks: no such target": ["target", "3", async () => (await search()).ranks(new Float32Array(2), [[3]])],
    "recallOf: nothing": ["query", "no query", () => retrieval.recallOf([])],
    "captionRecall: picture": [
      "caption 0",
      "picture 5",
      () => retrieval.captionRecall(new Float32Array(4), new Float32Array(2), [5], { dim: 2 }),
    ],
    "captionRecall: captions": [
      "captions",
      "2",
      () => retrieval.captionRecall(new Float32Array(2), new Float32Array(4), [0], { dim: 2 }),
    ],
    "parseSpec: no JSON": ["shots.json", "JSON", () => experiments.parseSpec("{", "shots.json")],
    "parseSpec: a field": ["seed", "seeds", () => spec({ seed: [1] })],
    "parseSpec: no datasets": ["datasets", "empty", () => spec({ datasets: [] })],
    "parseSpec: shots": ["shots", "0", () => spec({ shots: [0] })],
    "parseSpec: a seed twice": ["seeds", "1 twice", () => spec({ seeds: [1, 1] })],
    "parseSpec: kind": ["kind", "zeroshot", () => spec({ methods: [{ kind: "zeroshot" }] })],
    "parseSpec: twins": [
      "methods",
      "twice",
      () => spec({ methods: [{ kind: "zero-shot" }, { kind: "zero-shot", name: "b" }] }),
    ],
    "parseSpec: noise": ["fractions", "2", () => spec({ labelNoise: { fractions: [2] } })],
    "parseSpec: template": ["template", "a pet", () => spec({ datasets: [{ name: "pets", template: "a pet" }] })],
    "parseResults: no JSON": ["line 1", "JSON", () => experiments.parseResults("nonsense\n{}\n", "results.jsonl")],
    "seedsTrainer: other sizes": [
      "seeds",
      "equally",
      () =>
        experiments.seedsTrainer(clip, NAMES, { contextTokens: 2 }).fit(
          [
            { seed: 1, examples: few },
            { seed: 2, examples: none },
          ] as never,
          { epochs: 1 } as never,
        ),
    ],
  };
}
