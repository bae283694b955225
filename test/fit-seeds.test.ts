import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { loadClip } from "../src/clip/index.ts";
import { seedsTrainer } from "../src/coop/fit-seeds.ts";
import { fitPrompt, promptFeatures, promptLearner } from "../src/coop/index.ts";
import { InputError } from "../src/tensor/errors.ts";

const clip = await loadClip("models/tiny-clip");
after(() => clip.free());
const classNames = ["ball", "red star", "tree"];
const examplesOf = (seed: number, count = 9) => ({
  features: Float32Array.from({ length: count * 64 }, (_, i) => Math.sin(i * seed + seed)),
  labels: Int32Array.from({ length: count }, (_, i) => i % 3),
});
const near = (a: Float32Array, b: Float32Array, bound: number) => {
  assert.equal(a.length, b.length);
  const worst = a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i])), 0);
  assert.ok(worst <= bound, `the largest difference is ${worst}`);
};

for (const [name, options, shape] of [
  ["one context for all classes", { contextTokens: 3 }, [3, 64]],
  [
    "a context for each class, name in the middle",
    { contextTokens: 2, classSpecific: true, position: "middle" },
    [3, 2, 64],
  ],
  ["words to start from", { initText: "a photo of a" }, [4, 64]],
] as const) {
  test(`seeds side by side come out as they would alone: ${name}`, { timeout: 120_000 }, async () => {
    const recipe = { epochs: 4, batchSize: 4, learningRate: 0.02 };
    const trainer = seedsTrainer(clip, classNames, options);
    const seeds = [1, 2, 7];
    const together = await trainer.fit(
      seeds.map((seed) => ({ seed, examples: examplesOf(seed) })),
      recipe,
    );
    trainer.free();
    for (const [i, seed] of seeds.entries()) {
      let loss = Number.NaN;
      const learner = promptLearner(clip, classNames, options);
      const alone = await fitPrompt(learner, examplesOf(seed), { ...recipe, seed }, (epoch) => {
        loss = epoch.loss;
      });
      assert.ok(Number.isFinite(loss));
      near(together.contexts[i], alone, 2e-5);
      const position = "position" in options ? options.position : "end";
      near(together.features[i], await promptFeatures(clip, classNames, { context: alone, shape, position }), 2e-5);
    }
  });
}

test("a trainer fits again with more examples, other epochs and clipped gradients", { timeout: 120_000 }, async () => {
  const trainer = seedsTrainer(clip, classNames, { contextTokens: 2 });
  const runs = (count: number) => [1, 2].map((seed) => ({ seed, examples: examplesOf(seed, count) }));
  const free = await trainer.fit(runs(6), { epochs: 3, learningRate: 0.1 });
  const again = await trainer.fit(runs(6), { epochs: 3, learningRate: 0.1 });
  assert.deepEqual(again, free);
  const loose = await trainer.fit(runs(6), { epochs: 3, learningRate: 0.1, maxGradientNorm: 1e6 });
  near(loose.contexts[1], free.contexts[1], 1e-5);
  const tight = await trainer.fit(runs(6), { epochs: 3, learningRate: 0.1, maxGradientNorm: 1e-4, weightDecay: 0 });
  const start = await trainer.fit(runs(6), { epochs: 3, learningRate: 1e-9, warmupLearningRate: 1e-9 });
  near(tight.contexts[0], start.contexts[0], 1e-4);
  assert.equal((await trainer.fit(runs(12), { epochs: 2 })).features.length, 2);
  trainer.free();
});

test("unequal numbers of examples are refused", async () => {
  const trainer = seedsTrainer(clip, classNames, { contextTokens: 2 });
  const runs = [6, 9].map((count, seed) => ({ seed, examples: examplesOf(1, count) }));
  await assert.rejects(trainer.fit(runs, { epochs: 1 }), InputError);
  trainer.free();
});
