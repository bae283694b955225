import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  conditionalClassifier,
  conditionalPromptLearner,
  type LearnedConditional,
  promptLearner,
} from "../src/coop/index.ts";
import {
  averageBaseNew,
  baseToNew,
  type Classifier,
  harmonicMean,
  type LabelledFeatures,
  promptClassifier,
  splitBaseNew,
  transfer,
} from "../src/evaluation.ts";
import { key, normal, read } from "../src/tensor/index.ts";
import { MORE, SEED } from "./gpu-settings.ts";
import { randomClip } from "./random-clip.ts";

/** Pictures whose one feature says which class they show. */
const told = (labels: number[]): LabelledFeatures => ({
  features: Float32Array.from(labels),
  labels: Int32Array.from(labels),
});

describe("protocols", { timeout: 60_000 }, () => {
  test("base and new classes are all classes, each picture in the half of its class", () => {
    const drawn = fc.integer({ min: 4, max: 9 }).chain((n) => fc.tuple(fc.constant(n), fc.array(fc.nat(n - 1))));
    fc.assert(
      fc.property(drawn, ([n, labels]) => {
        const names = Array.from({ length: n }, (_, i) => `class ${i}`);
        const { base, novel } = splitBaseNew(names, labels);
        assert.equal(base.classNames.length, Math.ceil(n / 2));
        assert.deepEqual([...base.classNames, ...novel.classNames], names);
        assert.deepEqual(
          [...base.rows, ...novel.rows].sort((a, b) => a - b),
          labels.map((_, i) => i),
        );
        for (const half of [base, novel])
          half.rows.forEach((row, i) => {
            assert.equal(half.classNames[half.labels[i]], names[labels[row]]);
          });
      }),
      { numRuns: 100 * MORE, seed: SEED },
    );
    assert.throws(() => splitBaseNew(["a", "b", "c"], []), /four classes or more/);
  });

  test("base-to-new: learned from base classes only, each half asked within itself", async () => {
    const names = ["a", "b", "c", "d", "e"];
    const asked: (readonly string[])[] = [];
    const result = await baseToNew(
      { classNames: names, train: told([0, 1, 2, 3, 4, 0]), test: told([0, 1, 2, 2, 3, 3, 3, 4]) },
      async (classNames, train) => {
        assert.deepEqual(classNames, ["a", "b", "c"]);
        assert.deepEqual([...train.features, ...train.labels], [0, 1, 2, 0, 0, 1, 2, 0]);
        return async (classNames, features) => {
          asked.push(classNames);
          return Int32Array.from(features, (label) => (label < 3 ? Math.min(label, 1) : 0)); // takes c for b, e for d
        };
      },
    );
    assert.deepEqual(asked, [
      ["a", "b", "c"],
      ["d", "e"],
    ]);
    assert.deepEqual(result, { base: 2 / 4, novel: 3 / 4, harmonic: 0.6 });
  });

  test("over data sets it is the harmonic mean of means, as CoCoOp's table 1 has it", () => {
    // base and new accuracies of CoCoOp on the eleven data sets (arXiv 2203.05557, table 1)
    const table = [
      [75.98, 70.43],
      [97.96, 93.81],
      [95.2, 97.69],
      [70.49, 73.59],
      [94.87, 71.75],
      [90.7, 91.29],
      [33.41, 23.71],
      [79.74, 76.86],
      [77.01, 56.0],
      [87.49, 60.04],
      [82.33, 73.45],
    ];
    const { base, novel, harmonic } = averageBaseNew(table.map(([base, novel]) => ({ base, novel })));
    assert.deepEqual(
      [base, novel, harmonic].map((x) => x.toFixed(2)),
      ["80.47", "71.69", "75.83"],
    );
    assert.equal(harmonicMean(0, 0), 0);
    assert.equal(harmonicMean(1, 1), 1);
  });

  test("transfer asks about each set among its own classes", async () => {
    const classify: Classifier = async (classNames, features) =>
      Int32Array.from(features, (label) => label % classNames.length);
    const sets = [
      { name: "same", classNames: ["a", "b"], test: told([0, 1, 1]) },
      {
        name: "other",
        classNames: ["x", "y", "z"],
        test: { features: Float32Array.of(0, 1, 2, 3), labels: Int32Array.of(0, 0, 2, 0) },
      },
    ];
    assert.deepEqual(await transfer(classify, sets), [
      { name: "same", score: { correct: 3, total: 3 } },
      { name: "other", score: { correct: 3, total: 4 } },
    ]);
    await assert.rejects(transfer(classify, [{ ...sets[0], test: told([]) }]), /no pictures/);
  });
});

test("classifiers say what the logits of their learners say, for any list of classes", {
  timeout: 120_000,
}, async () => {
  const clip = await randomClip(1);
  const names = ["2 3", "4", "3 5 2", "5"];
  const features = normal(key(1), [7, 12]);
  const learner = conditionalPromptLearner(clip, ["2", "4"], { contextTokens: 3 }); // learned among other classes
  const asked = conditionalPromptLearner(clip, names, { contextTokens: 3 });
  const coop = promptLearner(clip, names, { contextTokens: 3 });
  const params = learner.init(key(2));
  const [x, learned, conditional, plain] = await read([
    features,
    params,
    asked.logits(params, { features }),
    coop.logits(params, { features }),
  ] as const);
  const largest = (logits: ArrayLike<number>) =>
    Array.from({ length: 7 }, (_, n) => {
      const row = Array.from(logits).slice(4 * n, 4 * n + 4);
      return row.indexOf(Math.max(...row));
    });
  const classify = conditionalClassifier(clip, learned as LearnedConditional, { chunk: 3 });
  assert.deepEqual([...(await classify(names, x as Float32Array))], largest(conditional));
  const prompt = { context: learned.context as Float32Array, shape: [3, 16], position: "end" as const };
  assert.deepEqual([...(await promptClassifier(clip, prompt)(names, x as Float32Array))], largest(plain));
});
