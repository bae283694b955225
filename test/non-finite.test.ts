// NaN and infinities planted in a training: it stops at that step, names the op, and keeps the state before.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { grad } from "../src/autograd/grad.ts";
import { beginFit, type Host, type Learner, toHost } from "../src/coop/fit.ts";
import { epochBatches } from "../src/coop/schedule.ts";
import { runTraining } from "../src/coop/train-run.ts";
import { CHECKPOINT, loadTraining } from "../src/coop/training-state.ts";
import { NonFiniteError } from "../src/tensor/errors.ts";
import * as coop from "../src/tensor/index.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { findNonFinite } from "../src/testing.ts";

const { add, cast, div, exp, less, log, max, maximum, mul, pow, reshape, rsqrt, sqrt, square, sub, sum, tensor } = coop;

interface Params {
  readonly weight: Tensor;
}

/** Makes something that is finite for t = 0 and not for t = 1; w [3, 4] are the weights. */
type Plant = (t: Tensor, w: Tensor) => Tensor;

/** By data: drivers make t · ∞ of (t · 1e30) · 1e30 and of t · 3e38 + t · 3e38, and that is NaN for t = 0. */
const times = (t: Tensor, by: number): Tensor => mul(t, tensor(by));
const scaled = (t: Tensor, by: number, ...shape: number[]): Tensor =>
  mul(tensor(new Float32Array(shape.reduce((a, b) => a * b)).fill(by), shape), t);

/** What is planted, and the op that is to be named. */
const PLANTS: readonly (readonly [name: string, op: string, plant: Plant])[] = [
  ["log of a negative number", "log", (t) => log(sub(1, mul(t, 2)))],
  ["log of 0", "log", (t) => log(sub(1, t))],
  ["root of a negative number", "sqrt", (t) => sqrt(sub(1, mul(t, 2)))],
  ["1/√0", "rsqrt", (t) => rsqrt(sub(1, t))],
  ["1/0", "div", (t) => div(1, sub(1, t))],
  ["0/0", "div", (t) => div(sub(1, t), sub(1, t))],
  ["exp of 200", "exp", (t) => exp(times(t, 200))],
  ["root of a negative number as a power", "pow", (t) => pow(sub(1, mul(t, 2)), 0.5)],
  ["a square above the largest float", "square", (t) => square(times(t, 1e30))],
  ["a product above it", "mul", (t) => times(times(t, 1e30), 1e30)],
  ["a sum above it", "add", (t) => add(times(t, 3e38), times(square(t), 3e38))],
  ["a difference below the lowest", "sub", (t) => sub(times(t, -3e38), times(t, 3e38))],
  ["a long sum above it", "sum", (t, w) => sum(mul(exp(w), times(t, 1e38)))],
  ["a matrix product", "matmul", (t, w) => sum(coop.matmul(scaled(t, 1e30, 2, 3), mul(w, times(t, 1e30))))],
  ["a convolution", "conv2d", (t) => sum(coop.conv2d(scaled(t, 1e30, 1, 1, 3, 3), scaled(t, 1e30, 2, 1, 2, 2)))],
  [
    "scores of attention",
    "attention",
    (t, w) => sum(coop.attention(scaled(t, 1e30, 3, 4), add(scaled(t, 1e30, 3, 4), w), w)),
  ],
  ["a row without length", "l2Normalize", (t, w) => sum(coop.l2Normalize(mul(w, sub(1, t)), -1, 0))],
  ["a row without variance", "standardize", (t, w) => sum(square(coop.standardize(mul(w, sub(1, t)), 0)))],
  ["the slope of √x at 0", "div", (t, w) => sum(sqrt(mul(exp(w), sub(1, t))))],
  ["the slope of x^½ at 0", "pow", (t, w) => sum(pow(mul(exp(w), sub(1, t)), 0.5))],
  ["the slope of a norm at 0", "div", (t, w) => sqrt(sum(square(mul(w, sub(1, t)))))],
];

/** NaN that llvmpipe turns into a number again. */
const HIDDEN: typeof PLANTS = [
  ["behind a relu", "log", (t) => coop.relu(log(sub(1, mul(t, 2))))],
  ["behind a maximum", "sqrt", (t) => maximum(sqrt(sub(1, mul(t, 2))), 0)],
  ["behind a tanh", "div", (t) => coop.tanh(div(sub(1, t), sub(1, t)))],
  ["behind a choice", "exp", (t) => coop.where(coop.greater(t, 0), 0, exp(mul(t, 200)))],
];

const [COUNT, SIZE, EPOCHS] = [12, 3, 4];
const labels = Int32Array.from({ length: COUNT }, (_, i) => i % 3);

/** A linear classifier whose loss has something planted where a batch holds a picture with a negative first number. */
const planted = (plant: Plant): Learner<Params> => ({
  init: (k) => ({ weight: coop.normal(k, [3, 4], { std: 0.3 }) }),
  logits: ({ weight }, { features }) => coop.linear(coop.abs(features!), weight),
  loss({ weight }, batch) {
    const [size, width] = batch.features!.shape;
    const first = reshape(coop.slice(batch.features!, [0, 0], [size, 1]), [size]);
    const t = max(cast(less(first, 0), "f32"));
    assert.equal(width, 4);
    const logits = coop.linear(coop.abs(batch.features!), weight);
    return add(coop.crossEntropy(logits, batch.labels), plant(t, weight));
  },
});

/** Pictures of which `picture` sets the plant off in `epoch`, counted from 0. */
const examples = (epoch: number, picture: number) => ({
  labels,
  features: async (e: number) =>
    Float32Array.from(
      { length: 4 * COUNT },
      (_, i) => (e === epoch && i === 4 * picture ? -1 : 1) * (1 + Math.sin(i) / 2),
    ),
});

let root: string;
before(async () => {
  await coop.device();
  root = await mkdtemp(join(tmpdir(), "coop-nan-"));
});
after(() => rm(root, { recursive: true }));

/** Trains, and tells what was said, what should have been, and the states before the bad epoch: saved and seen. */
async function outcome(n: number, [name, op, plant]: (typeof PLANTS)[number], debugNans = false) {
  const [seed, epoch, picture] = [n + 1, n % EPOCHS, (5 * n) % COUNT];
  const learner = planted(plant);
  const recipe = { epochs: EPOCHS, batchSize: SIZE, seed };
  const step = 1 + epochBatches(COUNT, SIZE, seed, epoch).findIndex((batch) => batch.includes(picture));
  const dir = join(root, `${n}${debugNans}`);
  await mkdir(dir);
  const seen: Host<Params>[] = [];
  const settings = { seed: `${seed}` };
  const error = await runTraining(learner, examples(epoch, picture), recipe, {
    dir,
    settings,
    debugNans,
    heldOut: async (params) => void seen.push(await toHost(params)),
    saveEvery: 1000,
  }).catch((e: unknown) => e);
  assert.ok(error instanceof NonFiniteError, `${name}: ${error instanceof Error ? error.stack : "nothing was thrown"}`);
  const begun = beginFit(learner, recipe);
  const like = { params: begun.params, optimizer: begun.optimizer, best: [] };
  const saved = await loadTraining(join(dir, CHECKPOINT), like, settings);
  const good = saved && (await toHost(saved.state.params));
  const { message } = error;
  return {
    name,
    message,
    stopped: message.includes(`in epoch ${epoch + 1}, step `) && message.includes(`In step ${step}, `),
    named: message.includes(`In step ${step}, ${op} gave `),
    kept:
      epoch === 0
        ? saved === undefined
        : saved?.step === epoch && String(good!.weight) === String(seen[epoch - 1].weight),
  };
}

describe("NaN and infinities in a training", { timeout: 240_000 }, () => {
  test(`${PLANTS.length} places: it stops at the step, names the op, keeps the state before`, async (t) => {
    const outcomes: Awaited<ReturnType<typeof outcome>>[] = [];
    for (const [n, plant] of PLANTS.entries()) outcomes.push(await outcome(n, plant));
    const failing = (key: "stopped" | "named" | "kept") =>
      outcomes.filter((o) => !o[key]).map(({ name, message }) => `${name}: ${message}`);
    t.diagnostic(`${outcomes.filter(({ named }) => named).length} of ${outcomes.length} ops named`);
    assert.deepEqual(failing("stopped"), []);
    assert.deepEqual(failing("kept"), []);
    assert.deepEqual(failing("named"), []);
  });

  test("--debug-nans finds what relu, maximum, tanh and where hide", async () => {
    for (const [n, plant] of HIDDEN.entries()) {
      const { message, named } = await outcome(n, plant, true);
      assert.ok(named, message);
      assert.match(message, /a number stopped being finite/);
    }
  });
});

describe("findNonFinite", { timeout: 60_000 }, () => {
  test("nothing where all is finite; the op, the place and the range where something is not", async () => {
    const f = (x: Tensor) => sum(div(x, sub(x, 1)));
    assert.equal(await findNonFinite(f, tensor([2, 3])), undefined);
    const found = await findNonFinite(f, tensor([2, 1]));
    assert.equal(found?.op, "div");
    assert.deepEqual([found.nans, found.infinities, found.shape], [0, 1, [2]]);
    assert.deepEqual(found.inputs, [
      [1, 2],
      [0, 1],
    ]);
    assert.match(
      found.text,
      /^div gave infinity for 1 of 2 numbers of f32\[2\] at non-finite\.test\.ts:\d+ f.*, from 1\.00 to 2\.00, 0\.00 to 1\.00$/,
    );
  });

  test("arguments and what a function closes over are told from its ops", async () => {
    const bad = tensor([1, Number.NaN]);
    const asArgument = await findNonFinite((p: { x: Tensor }) => sum(p.x), { x: bad });
    assert.match(asArgument!.text, /^argument \[0\]\.x holds NaN for 1 of 2 numbers/);
    const closedOver = await findNonFinite((x: Tensor) => add(x, bad), tensor([1, 2]));
    assert.match(closedOver!.text, /^constant holds NaN/);
  });

  test("of a gradient it says so, and a compiled function is looked into", async () => {
    const found = await findNonFinite(coop.compile(grad((x: Tensor) => sum(sqrt(x)))), tensor([0, 4]));
    assert.equal(found?.op, "div");
    assert.match(found.site ?? "", /^∇/);
  });

  test("half precision that overflows is told", async (t) => {
    if (!(await coop.device()).gpu.features.has("shader-f16")) return t.skip("no f16 here");
    const found = await findNonFinite((x: Tensor) => mul(cast(x, "f16"), 2), tensor([40_000, 3]));
    assert.equal(found?.op, "mul");
    assert.match(found.text, /half precision ends at 65504/);
  });

  test("gives its memory back", async () => {
    const on = await coop.device();
    const x = coop.realize(coop.normal(coop.key(1), [64, 64]));
    const f = (t: Tensor) => sum(exp(coop.matmul(coop.tanh(t), coop.softmax(t))));
    await findNonFinite(f, x);
    const used = on.memory().byOwner.values;
    for (let i = 0; i < 3; i++) await findNonFinite(f, x);
    const after = on.memory().byOwner.values; // what others left may be collected meanwhile
    assert.ok(after <= used, `${after} bytes, ${used} before`);
  });
});
