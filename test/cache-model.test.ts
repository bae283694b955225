// Tip-Adapter against its formula in float64.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Clip } from "../src/clip/index.ts";
import { cacheLogits, searchCache } from "../src/evaluation.ts";
import { key, normal, read } from "../src/tensor/index.ts";
import { randomClip } from "./random-clip.ts";

const TIMEOUT = { timeout: 60_000 };
const [E, K, S, V] = [12, 3, 7, 50];
const LABELS = Int32Array.of(0, 1, 2, 1, 1, 0, 2);
const TRUTH = Int32Array.from({ length: V }, (_, i) => (i * i) % K);

let clip: Clip;
let shots: Float32Array;
let classes: Float32Array;
let asked: Float32Array;

before(async () => {
  clip = await randomClip(1);
  const arrays = await read([normal(key(1), [S, E]), normal(key(2), [K, E]), normal(key(3), [V, E])]);
  [shots, classes, asked] = arrays as Float32Array[];
});

const rows = (x: Float32Array) =>
  Array.from({ length: x.length / E }, (_, i) => {
    const row = Array.from(x.subarray(i * E, (i + 1) * E));
    return row.map((v) => v / Math.hypot(...row));
  });
const dot = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + v * b[i], 0);

function expected(alpha: number, beta: number): number[][] {
  return rows(asked).map((f) => {
    const logits = rows(classes).map((w) => clip.logitScale * dot(f, w));
    rows(shots).forEach((shot, s) => {
      logits[LABELS[s]] += alpha * Math.exp(-beta * (1 - dot(f, shot)));
    });
    return logits;
  });
}

test("logits are CLIP's own and what near shots add", TIMEOUT, async () => {
  const model = { shots: { features: shots, labels: LABELS }, classes };
  for (const [alpha, beta] of [
    [1.17, 1],
    [3, 5.5],
    [0, 2],
  ]) {
    const logits = await cacheLogits(clip, model, asked, { alpha, beta }, { chunk: 16 });
    expected(alpha, beta)
      .flat()
      .forEach((v, i) => {
        assert.ok(Math.abs(v - logits[i]) < 1e-4 * Math.max(1, Math.abs(v)), `logit ${i}: ${logits[i]}, not ${v}`);
      });
  }
});

test("the search finds the first of the best pairs", TIMEOUT, async () => {
  const model = { shots: { features: shots, labels: LABELS }, classes };
  const grid = { alphas: [0.1, 2, 8, 30], betas: [0.5, 3, 9] };
  let best = { alpha: 0, beta: 0, score: { correct: -1, total: V } };
  for (const beta of grid.betas)
    for (const alpha of grid.alphas) {
      const correct = expected(alpha, beta).filter((row, v) => row.indexOf(Math.max(...row)) === TRUTH[v]).length;
      if (correct > best.score.correct) best = { alpha, beta, score: { correct, total: V } };
    }
  const validation = { features: asked, labels: TRUTH };
  assert.deepEqual(await searchCache(clip, model, validation, grid), best);
  assert.deepEqual(await searchCache(clip, model, validation, grid, { chunk: 16 }), best);
  assert.ok(best.alpha > 0.1, "the best pair is not the first");
  const none = { features: new Float32Array(), labels: new Int32Array() };
  await assert.rejects(searchCache(clip, model, none, grid), /no validation pictures/);
});
