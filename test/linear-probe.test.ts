import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { normals } from "../src/autograd/check.ts";
import { grad } from "../src/autograd/index.ts";
import { exactCrossEntropy } from "../src/coop/exact-cross-entropy.ts";
import {
  fitLinearProbe,
  type LinearProbe,
  predictProbe,
  probeFitter,
  probeProbabilities,
} from "../src/coop/linear-probe.ts";
import { C_SWEEP, C_TRIALS, searchC, searchProbe } from "../src/coop/probe-search.ts";
import { InputError } from "../src/tensor/errors.ts";
import { device, read, sum, tensor } from "../src/tensor/index.ts";
import { EPS, SEED } from "./gpu-settings.ts";
import { newtonLoss } from "./newton-probe.ts";

const TIMEOUT = { timeout: 60_000 };
await device();

/** Clouds around a centre for each class, with a common mean and directions of very different size. */
function clouds(count: number, width: number, classes: number, apart: number, seed: number) {
  const random = normals(seed);
  const scales = Array.from({ length: width }, (_, e) => 3 / (1 + e));
  const centers = Array.from({ length: classes }, () => scales.map((scale) => 2 + apart * scale * random()));
  const labels = Int32Array.from({ length: count }, (_, i) =>
    i < classes ? i : Math.abs(Math.floor(3 * random())) % classes,
  );
  const features = Float32Array.from(
    Array.from(labels, (label) => centers[label].map((c, e) => c + scales[e] * random())).flat(),
  );
  return { features, labels };
}

/** The objective in float64. */
function objective({ weight, bias }: LinearProbe, features: Float32Array, labels: Int32Array, C: number): number {
  const width = weight.length / bias.length;
  let loss = weight.reduce((total, w) => total + 0.5 * w * w, 0);
  labels.forEach((label, i) => {
    const logits = Array.from(bias, (b, k) => {
      let logit = b;
      for (let e = 0; e < width; e++) logit += weight[k * width + e] * features[i * width + e];
      return logit;
    });
    const most = Math.max(...logits);
    const others = logits.reduce((total, v, k) => total + (k === label ? 0 : Math.exp(v - logits[label])), 0);
    loss += C * (Number.isFinite(others) ? Math.log1p(others) : most - logits[label]);
  });
  return loss;
}

test("cross-entropy keeps its relative precision down to nothing, and so does its gradient", TIMEOUT, async () => {
  const rows = [
    [0, 0, 0],
    [20, 1, 2],
    [60, 0, -5],
    [-3, 4, 5],
    [-500, 400, 0],
    [0.3, -0.2, 0.1],
    [1, 0.2, -4],
  ];
  const labels = tensor(new Int32Array(rows.length));
  const logits = tensor(rows);
  const [loss, slopes] = (await read([
    exactCrossEntropy(logits, labels),
    grad((x: typeof logits) => sum(exactCrossEntropy(x, labels)))(logits),
  ])) as Float32Array[];
  rows.forEach((row, i) => {
    const others = row.slice(1).map((v) => Math.exp(v - row[0]));
    const total = 1 + others[0] + others[1];
    const exact = Number.isFinite(total) ? Math.log1p(total - 1 < 1e-3 ? others[0] + others[1] : total - 1) : 900;
    const reach = 2 * Math.max(...row.map((v) => Math.abs(v - row[0]))); // WGSL lets exp(x) be off by 3 + 2|x| roundings
    assert.ok(Math.abs(loss[i] - exact) <= (16 + reach) * EPS * exact, `${row}: ${loss[i]}, not ${exact}`);
    const expected = Number.isFinite(total)
      ? [-(others[0] + others[1]) / total, ...others.map((v) => v / total)]
      : [-1, 1, 0];
    expected.forEach((v, k) => {
      assert.ok(
        Math.abs(slopes[3 * i + k] - v) <= (32 + reach) * EPS * Math.abs(v) + 1e-37,
        `${row}: ${slopes[3 * i + k]}, not ${v}`,
      );
    });
  });
});

test("the optimum of Newton's method in float64, from C = 1e-6 to 1e6", TIMEOUT, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 8, max: 60 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 2, max: 5 }),
      fc.constantFrom(0.3, 1, 4),
      fc.integer({ min: 1, max: 1000 }),
      fc.shuffledSubarray([...C_SWEEP], { minLength: 3, maxLength: 3 }),
      async (count, width, classes, apart, seed, sweep) => {
        const { features, labels } = clouds(count, width, classes, apart, seed);
        const fitter = probeFitter({ features, labels }, { classes });
        for (const C of sweep) {
          const probe = await fitter.fit(C);
          const exact = newtonLoss(features, labels, classes, C);
          const found = objective(probe, features, labels, C);
          assert.ok(found <= exact * (1 + 1e-4), `C = ${C}: ${found}, not ${exact}`);
          assert.ok(Math.abs(probe.loss - exact) <= 1e-4 * exact, `C = ${C}: it says ${probe.loss}, not ${exact}`);
          assert.ok(probe.converged);
        }
        fitter.free();
      },
    ),
    { seed: SEED, numRuns: 6 },
  );
});

test(
  "features as the tiny CLIP has them: 64 numbers, 4 classes of 16 shots; warm starts find the same",
  TIMEOUT,
  async () => {
    const { features, labels } = clouds(64, 64, 4, 0.6, 7);
    const fitter = probeFitter({ features, labels });
    let last: LinearProbe | undefined;
    for (const C of [1e-2, 1, 1e6]) {
      const exact = newtonLoss(features, labels, 4, C);
      const cold = await fitter.fit(C);
      const warm = await fitter.fit(C, last);
      last = warm;
      for (const probe of [cold, warm]) {
        const found = objective(probe, features, labels, C);
        assert.ok(Math.abs(found - exact) <= 1e-5 * exact, `C = ${C}: ${found}, not ${exact}`);
      }
      assert.ok(Math.abs(warm.bias.reduce((a, b) => a + b)) < 1e-5 * Math.max(...warm.bias.map(Math.abs), 1));
    }
    fitter.free();
  },
);

const SOLVER = `
import json, sys
import numpy as np
from scipy.optimize import minimize
task = json.load(sys.stdin)
y = np.array(task["labels"]); x = np.array(task["features"]).reshape(len(y), -1); k = task["classes"]
n, e = x.shape; rows = np.arange(n); out = []
for c in task["cs"]:
    def f(t):
        t = t.reshape(k, e + 1); z = x @ t[:, :e].T + t[:, e]; z = z - z.max(1, keepdims=True)
        logp = z - np.log(np.exp(z).sum(1, keepdims=True)); r = np.exp(logp); r[rows, y] -= 1
        g = np.concatenate([t[:, :e] + c * r.T @ x, c * r.sum(0)[:, None]], 1)
        return 0.5 * (t[:, :e] ** 2).sum() - c * logp[rows, y].sum(), g.ravel()
    scipy = minimize(f, np.zeros(k * (e + 1)), jac=True, method="L-BFGS-B",
        options=dict(maxiter=100000, maxfun=100000, ftol=1e-15, gtol=1e-9, maxcor=50)).fun
    try:
        from sklearn.linear_model import LogisticRegression
        m = LogisticRegression(C=c, tol=1e-10, max_iter=100000).fit(x, y)
        other = f(np.concatenate([m.coef_, m.intercept_[:, None]], 1).ravel())[0]
    except ImportError:
        other = None
    out.append([scipy, other])
print(json.dumps(out))
`;

test("the optimum of SciPy's and scikit-learn's L-BFGS", TIMEOUT, async (t) => {
  const { features, labels } = clouds(50, 10, 4, 1, 3);
  const cs = [1e-4, 1e-2, 1, 1e2];
  const task = { features: [...features], labels: [...labels], classes: 4, cs };
  const python = spawnSync("python3", ["-c", SOLVER], {
    input: JSON.stringify(task),
    encoding: "utf8",
    timeout: 40_000,
  });
  if (python.status !== 0) return t.skip("python3 with scipy is not here");
  const losses = JSON.parse(python.stdout) as [number, number | null][];
  const fitter = probeFitter({ features, labels });
  for (const [i, C] of cs.entries()) {
    const { loss } = await fitter.fit(C);
    for (const exact of losses[i])
      if (exact !== null) assert.ok(Math.abs(loss - exact) <= 1e-4 * exact, `C = ${C}: ${loss}, not ${exact}`);
  }
  fitter.free();
});

test("predictions and probabilities", TIMEOUT, async () => {
  const { features, labels } = clouds(40, 6, 3, 6, 5);
  const probe = await fitLinearProbe({ features, labels }, { C: 10 });
  assert.deepEqual([probe.weight.length, probe.bias.length], [18, 3]);
  assert.deepEqual(await predictProbe(probe, features), labels);
  const probabilities = await probeProbabilities(probe, features);
  for (let i = 0; i < 40; i++) {
    const row = [...probabilities.subarray(3 * i, 3 * i + 3)];
    assert.ok(Math.abs(row[0] + row[1] + row[2] - 1) < 1e-5);
    assert.equal(row.indexOf(Math.max(...row)), labels[i]);
  }
});

test("bad input", TIMEOUT, async () => {
  const good = { features: Float32Array.of(1, 2, 3, 4), labels: Int32Array.of(0, 1) };
  const refuses = (promise: Promise<unknown>, pattern: RegExp) =>
    assert.rejects(promise, (error: Error) => error instanceof InputError && pattern.test(error.message));
  await refuses(fitLinearProbe({ ...good, features: Float32Array.of(1, 2, 3, Number.NaN) }), /NaN \(row 1\)/);
  await refuses(fitLinearProbe({ ...good, features: Float32Array.of(1, 2, 3) }), /3 numbers/);
  await refuses(fitLinearProbe({ ...good, labels: Int32Array.of(0, -1) }), /Label -1/);
  await refuses(fitLinearProbe(good, { classes: 1 }), /Label 1 is not one of 1/);
  for (const C of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) await refuses(fitLinearProbe(good, { C }), /C is/);
  await refuses(predictProbe(await fitLinearProbe(good), Float32Array.of(1, 2, 3)), /rows of 2/);
  await refuses(searchProbe(good, 1), /folds/);
});

/** Asks for a search over a made-up accuracy of log10 C. */
async function path(accuracy: (log: number) => number) {
  const asked: number[] = [];
  const search = await searchC(async (C) => {
    asked.push(C);
    return accuracy(Math.log10(C));
  });
  return { ...search, asked, ends: search.steps.map((ends) => ends.map(({ C }) => Number(Math.log10(C).toFixed(6)))) };
}

test("the search for C: a path worked out by hand", TIMEOUT, async () => {
  const { C, ends, asked, sweep } = await path((log) => 1 - Math.abs(log - 0.3) / 10);
  assert.deepEqual(ends, [
    [-1, 1],
    [0, 1],
    [0, 0.5],
    [0.25, 0.5],
    [0.25, 0.375],
    [0.25, 0.3125],
    [0.28125, 0.3125],
    [0.296875, 0.3125],
  ]);
  assert.ok(Math.abs(Math.log10(C) - 0.296875) < 1e-12);
  assert.equal(asked.length, C_TRIALS);
  assert.deepEqual(
    sweep.map((trial) => trial.C),
    C_SWEEP,
  );
});

test("the search for C: among equals the largest of the sweep, then always the left end", TIMEOUT, async () => {
  const { C, ends, asked } = await path(() => 0.5);
  assert.equal(C, 1e5);
  assert.deepEqual(ends.slice(0, 3), [
    [5, 7],
    [5, 6],
    [5, 5.5],
  ]);
  assert.equal(
    new Set(asked).size,
    C_SWEEP.length + 8,
    "1e5, then eight on the way there from 1e7, of which one was in the sweep",
  );
});

test("the whole search: on pictures kept aside, and by folds", TIMEOUT, async () => {
  const examples = clouds(32, 6, 3, 0.8, 11);
  const validation = clouds(32, 6, 3, 0.8, 11);
  let trials = 0;
  const onTrial = () => void trials++;
  const aside = await searchProbe(examples, validation, {}, onTrial);
  assert.equal(trials, C_TRIALS);
  assert.equal(aside.probe.C, aside.search.C);
  const predicted = await predictProbe(aside.probe, validation.features);
  assert.equal(aside.search.accuracy, predicted.filter((label, i) => label === validation.labels[i]).length / 32);
  const folds = await searchProbe(examples, 2);
  assert.ok(folds.search.accuracy > 1 / 3 && folds.search.accuracy <= 1);
});
