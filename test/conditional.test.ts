import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { valueAndGrad } from "../src/autograd/index.ts";
import { memoryBytes } from "../src/clip/bytes.ts";
import { openSafetensors, writeSafetensors } from "../src/clip/index.ts";
import {
  type ConditionalParams,
  conditionalModel,
  conditionalPromptLearner,
  type LearnedConditional,
  layoutPrompts,
  type Position,
  packPrompts,
  promptLearner,
  readConditionalModel,
} from "../src/coop/index.ts";
import { compile, foldIn, key, normal, read, type Tensor, tensor, treeLeaves, treeMap } from "../src/tensor/index.ts";
import { MORE, SEED } from "./gpu-settings.ts";
import { classNames, randomClip } from "./random-clip.ts";

const TIMEOUT = { timeout: 240_000 };

/** Parameters of which nothing is small. */
const largeParams = (params: ConditionalParams, seed: number): ConditionalParams => {
  let salt = 0;
  return treeMap((p: Tensor) => normal(foldIn(key(seed), ++salt), p.shape), params);
};

function assertClose(computed: ArrayLike<number>, expected: ArrayLike<number>, what: string, allowed = 2e-5): void {
  assert.equal(computed.length, expected.length, what);
  const largest = Array.from(expected).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const error = Array.from(expected).reduce((most, v, i) => Math.max(most, Math.abs(v - computed[i])), 0);
  assert.ok(error <= allowed * largest, `${what}: off by ${error} of ${largest}`);
}

describe("conditional prompts", TIMEOUT, () => {
  const cases = fc.record({
    names: classNames,
    contextTokens: fc.integer({ min: 1, max: 5 }),
    count: fc.integer({ min: 1, max: 4 }),
    position: fc.constantFrom<Position>("end", "end", "middle", "front"),
  });
  for (const layers of [1, 2])
    test(`${layers} layers: values and gradients of the plain computation`, async () => {
      const clip = await randomClip(layers);
      for (const drawn of fc.sample(fc.noBias(cases), { numRuns: layers * MORE, seed: SEED + layers })) {
        const { names, contextTokens, count, position } = drawn;
        const features = normal(key(10), [count, clip.config.embedDim], { std: 3 });
        const batch = { features, labels: tensor(Int32Array.from({ length: count }, (_, n) => n % names.length)) };
        const results = [true, false].map((plain) => {
          const learner = conditionalPromptLearner(clip, names, { contextTokens, position, plain });
          const params = largeParams(learner.init(key(1)), 9);
          return compile((p: ConditionalParams) => [
            learner.textFeatures(p, features),
            ...treeLeaves<Tensor>(valueAndGrad(learner.loss)(p, batch)),
          ])(params);
        });
        const [plain, packed] = (await read(results)) as Float32Array[][];
        assert.equal(plain.length, 7);
        plain.forEach((expected, i) => {
          assertClose(packed[i], expected, `result ${i} of ${JSON.stringify(drawn)}`);
        });
      }
    });

  test("rows are what the layout promises: the beginning once a picture, words once in all", async () => {
    const clip = await randomClip(1);
    const prompts = layoutPrompts(clip, ["2", "3 4 5 2 3", "4 5"], {
      contextTokens: 4,
      position: "end",
      classSpecific: false,
    });
    const { tokens, rows, learned, constants } = packPrompts(clip, prompts, { vectors: 4, sets: 5 });
    const one = 1 + 4 + (1 + 5 + 2) + 3 * 2;
    assert.deepEqual(
      [tokens.shape[0], rows.positions.index.shape[0], learned.index.shape[0], rows.ends.index.shape[0], constants],
      [one, 5 * one, 5 * one, 5 * 3, undefined],
    );
  });

  test("a picture's prompts are CoOp's with the context shifted", async () => {
    const clip = await randomClip(2);
    const names = ["2", "3 4 5 2 3", "4 5"];
    const learner = conditionalPromptLearner(clip, names, { contextTokens: 3 });
    const params = largeParams(learner.init(key(1)), 5);
    const features = normal(key(6), [4, 12]);
    const [texts, x, host] = await read([learner.textFeatures(params, features), features, params] as const);
    const coop = promptLearner(clip, names, { contextTokens: 3 });
    const { linear1, linear2 } = host.metaNet;
    let active = 0;
    for (let n = 0; n < 4; n++) {
      const row = Array.from(x.subarray(12 * n, 12 * n + 12));
      const length = Math.hypot(...row);
      const hidden = Math.max(
        0,
        row.reduce((total, v, i) => total + (v / length) * linear1.weight[i], linear1.bias[0]),
      );
      if (hidden > 0) active++;
      const shift = Array.from({ length: 16 }, (_, d) => linear2.weight[d] * hidden + linear2.bias[d]);
      const context = tensor(
        Float32Array.from(host.context, (v, i) => v + shift[i % 16]),
        [3, 16],
      );
      const expected = await coop.textFeatures({ context }).data();
      assertClose(texts.subarray(36 * n, 36 * n + 36), expected, `picture ${n}`);
    }
    assert.ok(active > 0 && active < 4, "hidden units on both sides of the ReLU's bend");
  });

  test("what was learned survives being written and read; other files are refused", async () => {
    const clip = await randomClip(1);
    const learner = conditionalPromptLearner(clip, ["2", "3"], { contextTokens: 3 });
    const learned = (await read(largeParams(learner.init(key(1)), 5))) as LearnedConditional;
    assert.deepEqual(await readConditionalModel(conditionalModel(learned)), learned);
    const bad = { ...learned, context: learned.context.map(() => Number.NaN) };
    assert.throws(() => conditionalModel(bad), /"prompt_embeddings" holds numbers that are not finite/);
    const file = await openSafetensors(memoryBytes(conditionalModel(learned)));
    const tensors = [...file.tensors].map(async ([name, { dtype, shape }]) => {
      const folded = name === "prompt_embeddings" ? [6, 8] : shape;
      return [name, { dtype, shape: folded, data: await file.read(name) }] as const;
    });
    const other = writeSafetensors(await Promise.all(tensors));
    await assert.rejects(readConditionalModel(other), /"prompt_embeddings" is \[6,8\].* should be \[3,16\]/);
    const coop = writeSafetensors([["prompt_embeddings", { dtype: "F32", shape: [0, 16], data: new Uint8Array() }]]);
    await assert.rejects(readConditionalModel(coop), /no "meta_net.linear1.weight" in it/);
  });

  test("it begins as published: the words' embeddings, a meta-net within ±1/√inputs", async () => {
    const clip = await randomClip(1);
    const wordy = conditionalPromptLearner(clip, ["2", "3"], { initText: "7 8 9" });
    const { context, metaNet } = await read(wordy.init(key(3)));
    const table = (await clip.params.text.tokenEmbedding[0].data()) as Float32Array;
    assert.deepEqual(context, table.slice(7 * 16, 10 * 16));
    assert.equal(metaNet.linear1.weight.length, 12);
    assert.equal(metaNet.linear2.weight.length, 16);
    const largest = (values: Float32Array) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    assert.ok(largest(metaNet.linear1.weight as Float32Array) <= 12 ** -0.5);
    const second = largest(metaNet.linear2.weight as Float32Array);
    assert.ok(second <= 1 && second > 0.5);
    assert.notDeepEqual(metaNet.linear2.weight, metaNet.linear2.bias);
    assert.throws(() => conditionalPromptLearner(clip, ["2", "3"], { contextTokens: 0 }), /whole number/);
    assert.throws(
      () => wordy.loss(wordy.init(key(3)), { labels: tensor(Int32Array.of(0)) }),
      /features \[N, E\] or images/,
    );
  });
});
