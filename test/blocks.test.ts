// Prompts of many classes, computed a block at a time.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { valueAndGrad } from "../src/autograd/index.ts";
import { layoutPrompts, type Position } from "../src/coop/prompt.ts";
import { classesPerBlock } from "../src/coop/prompt-blocks.ts";
import { promptLearner } from "../src/coop/prompt-learner.ts";
import { InputError } from "../src/tensor/errors.ts";
import { compile, free, key, read, realize, tensor } from "../src/tensor/index.ts";
import { MORE, SEED } from "./gpu-settings.ts";
import { classNames, randomClip } from "./random-clip.ts";

const TIMEOUT = { timeout: 120_000 * MORE };

const near = (got: Float32Array, wanted: Float32Array): void => {
  const scale = Math.max(1e-3, ...wanted.map(Math.abs));
  got.forEach((v, i) => assert.ok(Math.abs(v - wanted[i]) <= 1e-4 * scale, `${i}: ${v}, not ${wanted[i]}`));
};

test("in blocks, features, loss and gradient are those of all classes at once", TIMEOUT, async () => {
  const clip = await randomClip(1);
  const options = fc.record({
    position: fc.constantFrom<Position>("end", "middle", "front"),
    classSpecific: fc.boolean(),
    contextTokens: fc.integer({ min: 1, max: 3 }),
    plain: fc.boolean(),
  });
  const property = fc.asyncProperty(classNames, options, fc.integer({ min: 1, max: 4 }), async (names, how, per) => {
    const features = tensor(
      Float32Array.from({ length: 4 * 12 }, (_, i) => Math.sin(5 * i)),
      [4, 12],
    );
    const labels = tensor(Int32Array.from([0, 1, 1, names.length - 1]));
    const all = promptLearner(clip, names, how);
    const blocked = promptLearner(clip, names, { ...how, classesPerBlock: per });
    const params = realize(all.init(key(1)));
    const both = (learner: typeof all) => {
      const step = compile((p: typeof params) => ({
        features: learner.textFeatures(p),
        of: valueAndGrad(learner.loss)(p, { features, labels }),
      }));
      return step(params);
    };
    const made = [both(all), both(blocked)];
    const [wanted, got] = await read(made);
    near(got.features as never, wanted.features as never);
    near(got.of[0] as never, wanted.of[0] as never);
    near(got.of[1].context as never, wanted.of[1].context as never);
    free([made, params, features, labels]);
    all.free();
    blocked.free();
  });
  await fc.assert(property, { numRuns: 3 * MORE, seed: SEED });
  assert.throws(() => promptLearner(clip, ["2", "3"], { classesPerBlock: 0 }), InputError);
});

test("blocks are made where the tower would keep more than 4 GiB", TIMEOUT, async () => {
  const small = await randomClip(2);
  const config = { ...small.config, text: { ...small.config.text, width: 512, layers: 12 } };
  const of = (count: number, classSpecific: boolean): number => {
    const names = Array.from({ length: count }, (_, i) => `${2 + (i % 4)} ${2 + (Math.floor(i / 4) % 4)}`);
    const prompts = layoutPrompts(small, names, { contextTokens: 4, position: "end", classSpecific });
    return classesPerBlock({ ...small, config }, prompts);
  };
  assert.equal(of(1000, false), 1000);
  assert.ok(of(10_000, false) < 3000);
  assert.ok(of(10_000, true) < of(10_000, false));
});
