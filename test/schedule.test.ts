import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { batchesPerEpoch, coopLearningRate, epochBatches, epochsForShots } from "../src/coop/schedule.ts";
import { InputError } from "../src/tensor/errors.ts";

const near = (actual: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);

test("the learning rates of the published recipe", () => {
  for (const epochs of [10, 50, 100, 200]) {
    const rate = (epoch: number) => coopLearningRate(epoch, { epochs, learningRate: 0.002 });
    assert.equal(rate(0), 1e-5);
    assert.equal(rate(1), 0.002);
    near(rate(epochs / 2 + 1), 0.001, 1e-12);
    for (let e = 1; e < epochs; e++) near(rate(e), 0.001 * (1 + Math.cos((Math.PI * (e - 1)) / epochs)), 1e-12);
  }
  const last = (epochs: number) => coopLearningRate(epochs - 1, { epochs, learningRate: 0.002 });
  near(last(10), 1.9098300562505265e-4, 1e-12);
  near(last(50), 7.885298685522235e-6, 1e-12);
  near(last(100), 1.9732715717284413e-6, 1e-12);
  near(last(200), 4.934396342684e-7, 1e-12);
});

test("the warm-up has its own rate", () => {
  assert.equal(coopLearningRate(0, { epochs: 5, learningRate: 0.1, warmupLearningRate: 0.01 }), 0.01);
  assert.equal(coopLearningRate(0, { epochs: 1, learningRate: 0.1 }), 1e-5);
});

test("epochs by shots", () => {
  assert.deepEqual([1, 2, 4, 8, 16].map(epochsForShots), [50, 100, 100, 200, 200]);
  assert.deepEqual([3, 5, 7, 9, 32].map(epochsForShots), [100, 100, 100, 200, 200]);
});

test("bad settings are named", () => {
  for (const learningRate of [Number.NaN, 0, -0.002, Number.POSITIVE_INFINITY])
    assert.throws(() => coopLearningRate(1, { epochs: 10, learningRate }), /learning rate must be a number above 0/);
  assert.throws(() => coopLearningRate(10, { epochs: 10, learningRate: 0.002 }), /Epoch 10 is outside 0 to 9/);
  assert.throws(() => coopLearningRate(0, { epochs: 0, learningRate: 0.002 }), InputError);
  assert.throws(() => epochsForShots(0), InputError);
  assert.throws(() => epochBatches(10, 0, 1, 0), /batch size/);
  assert.throws(() => epochBatches(0, 32, 1, 0), InputError);
  assert.throws(() => epochBatches(10, 32, 1, -1), InputError);
});

test("batches: no item twice, the incomplete last one dropped, fewer items than a batch are one batch", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 1, max: 40 }),
      fc.nat(99),
      fc.nat(99),
      (n, b, s, e) => {
        const batches = epochBatches(n, b, s, e);
        const all = batches.flat();
        assert.equal(batches.length, batchesPerEpoch(n, b));
        assert.equal(new Set(all).size, all.length);
        assert.ok(all.every((i) => i >= 0 && i < n));
        assert.ok(batches.every((batch) => batch.length === Math.min(n, b)));
        assert.deepEqual(epochBatches(n, b, s, e), batches);
      },
    ),
  );
});

test("the order is a pure function of seed and epoch, and both matter", () => {
  const orders = new Set<string>();
  for (const seed of [0, 1, 2, 2 ** 32, 2 ** 32 + 1])
    for (let epoch = 0; epoch < 20; epoch++) orders.add(epochBatches(64, 32, seed, epoch).join());
  assert.equal(orders.size, 100);
  // CPython: random.seed(1 + (3 << 64)); random.shuffle(list(range(10)))
  assert.deepEqual(epochBatches(10, 4, 1, 3), [
    [8, 6, 2, 9],
    [7, 5, 0, 4],
  ]);
  // over the epochs every item has its turn though each epoch leaves some out
  const seen = new Set(Array.from({ length: 50 }, (_, epoch) => epochBatches(40, 32, 1, epoch)).flat(2));
  assert.equal(seen.size, 40);
});
