import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { descend } from "../src/autograd/descend.ts";
import { type LinePoint, minimize, minimizer, strongWolfe } from "../src/autograd/index.ts";
import { CoopError, DTypeError } from "../src/tensor/errors.ts";
import {
  add,
  device,
  exp,
  free,
  matmul,
  mul,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
} from "../src/tensor/index.ts";
import { SEED } from "./gpu-settings.ts";

const TIMEOUT = { timeout: 60_000 };
await device();

interface X {
  readonly x: Tensor;
}

const values = async (t: Tensor) => [...((await t.data()) as Float32Array)];

test("line search: the strong Wolfe conditions hold for wavy functions and any first step", TIMEOUT, async () => {
  const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });
  await fc.assert(
    fc.asyncProperty(
      number(0.01, 10),
      number(0, 5),
      number(0, 20),
      number(0.01, 10),
      fc.constantFrom(1e-6, 0.01, 1, 100, 1e6),
      fc.constantFrom(0.1, 0.9),
      async (bend, wave, rate, push, first, curvature) => {
        const down = wave * rate + push; // so that the line falls at 0
        const line = (t: number): LinePoint => ({
          step: t,
          value: 0.5 * bend * t * t - down * t + wave * Math.sin(rate * t),
          slope: bend * t - down + wave * rate * Math.cos(rate * t),
        });
        const start = line(0);
        const p = await strongWolfe(async (t) => line(t), start, { first, curvature, noise: 0, maxEvaluations: 60 });
        assert.ok(p);
        assert.ok(p.value <= start.value + 1e-4 * p.step * start.slope, "falls enough");
        assert.ok(Math.abs(p.slope) <= -curvature * start.slope, "is flat enough");
      },
    ),
    { seed: SEED, numRuns: 300 },
  );
});

test("line search: what is not finite is too far; without a lower point there is none", TIMEOUT, async () => {
  const barrier = (t: number): LinePoint => ({ step: t, value: -Math.log(1 - t) - 2 * t, slope: 1 / (1 - t) - 2 });
  const found = await strongWolfe(async (t) => barrier(t), barrier(0), { first: 1e3, curvature: 0.1 });
  assert.ok(found && Math.abs(found.step - 0.5) < 0.1, `${found?.step}`);
  const rising = async (step: number): Promise<LinePoint> => ({ step, value: step, slope: 1 });
  assert.equal(await strongWolfe(rising, { step: 0, value: 0, slope: -1 }), undefined);
});

test("quadratics: the solution of the linear system, whatever the condition", TIMEOUT, async () => {
  const n = 12;
  const run = minimizer(
    ({ x }: X, scales: Tensor, target: Tensor) => mul(0.5, sum(mul(scales, square(sub(x, target))))),
    {
      gradientTolerance: 1e-6,
    },
  );
  for (const condition of [1, 1e2, 1e4]) {
    const scales = Float32Array.from({ length: n }, (_, i) => condition ** (-i / (n - 1)));
    const target = Float32Array.from({ length: n }, (_, i) => Math.sin(3 * i + 1));
    const found = await run({ x: tensor(new Float32Array(n)) }, tensor(scales), tensor(target));
    assert.ok(found.converged, found.reason);
    const x = await values(found.params.x);
    x.forEach((v, i) =>
      assert.ok(Math.abs(v - target[i]) <= 1.1e-6 / scales[i] + 1e-6, `${condition}: ${v} ${target[i]}`),
    );
  }
  run.free();
});

test("Rosenbrock's valley in 2 and 20 dimensions", TIMEOUT, async () => {
  for (const n of [2, 20]) {
    const valley = ({ x }: X) => {
      const [here, next] = [slice(x, [0], [n - 1]), slice(x, [1], [n])];
      return sum(add(mul(100, square(sub(next, square(here)))), square(sub(1, here))));
    };
    const start = Float32Array.from({ length: n }, (_, i) => (i % 2 ? 1 : -1.2));
    const found = await minimize(valley, { x: tensor(start) }, { gradientTolerance: 1e-3 });
    assert.ok(found.converged, found.reason);
    assert.ok(found.iterations < 40 * Math.sqrt(n), `${found.iterations} iterations`);
    for (const v of await values(found.params.x)) assert.ok(Math.abs(v - 1) < 1e-2, `${v}`);
  }
});

test("random convex functions of a tree: the gradient vanishes, and the loss never rises", TIMEOUT, async () => {
  const [rows, width] = [9, 4];
  interface P {
    readonly inner: { readonly w: Tensor };
    readonly b: readonly Tensor[];
  }
  // least squares with a quartic on top; one program for all cases
  const losses: number[] = [];
  const run = minimizer(
    ({ inner, b: [b] }: P, data: Tensor, target: Tensor) => {
      const off = sub(add(matmul(data, inner.w), b), target);
      return add(sum(square(off)), mul(0.1, sum(square(square(inner.w)))));
    },
    { gradientTolerance: 1e-3, onIteration: ({ loss }) => void losses.push(loss) },
  );
  const cell = fc.double({ min: -2, max: 2, noNaN: true });
  await fc.assert(
    fc.asyncProperty(
      fc.array(cell, { minLength: rows * width, maxLength: rows * width }),
      fc.array(cell, { minLength: rows, maxLength: rows }),
      async (data, target) => {
        losses.length = 0;
        const start = { inner: { w: tensor(new Float32Array(width).fill(1)) }, b: [tensor(0)] };
        const given = [tensor(Float32Array.from(data), [rows, width]), tensor(Float32Array.from(target))] as const;
        const found = await run(start, ...given);
        assert.ok(found.converged || found.reason === "precision", found.reason);
        assert.ok(found.gradientMax <= 1e-3 || found.gradientMax <= 1e-5 * found.loss, `${found.gradientMax}`);
        losses.slice(1).forEach((loss, i) => assert.ok(loss <= losses[i] * (1 + 2e-6), `${loss} after ${losses[i]}`));
        assert.deepEqual(found.params.inner.w.shape, [width]);
        free([start, given, found.params]);
      },
    ),
    { seed: SEED, numRuns: 12 },
  );
  run.free();
});

test("steps to where the loss overflows are taken back", TIMEOUT, async () => {
  const steep = ({ x }: X) => sum(sub(exp(x), mul(3, x)));
  const found = await minimize(steep, { x: tensor([-2000, -1999]) }, { gradientTolerance: 1e-3 });
  assert.ok(found.converged, found.reason);
  for (const v of await values(found.params.x)) assert.ok(Math.abs(v - Math.log(3)) < 1e-3, `${v}`);
});

test("what no longer gets better ends after fifty iterations", TIMEOUT, async () => {
  let last: Float64Array = Float64Array.of(0, 0);
  // every step is accepted: the gradient is always as long, and at right angles to the step
  const evaluate = async (x: Float64Array) => {
    const [a, b] = x.map((v, i) => v - last[i]);
    const length = Math.hypot(a, b);
    last = x;
    return { x, value: 1, gradient: length === 0 ? Float64Array.of(1, 0) : Float64Array.of(-b / length, a / length) };
  };
  const { reason, iterations } = await descend(evaluate, Float64Array.of(0, 0), { maxIterations: 200 });
  assert.deepEqual([reason, iterations], ["precision", 51]);
});

test("limits, early ends and refusals", TIMEOUT, async () => {
  const bowl = ({ x }: X) => sum(square(sub(x, 3)));
  const atMinimum = await minimize(bowl, { x: tensor([3, 3]) });
  assert.deepEqual([atMinimum.iterations, atMinimum.evaluations, atMinimum.reason], [0, 1, "gradient"]);
  const none = await minimize(bowl, { x: tensor([0, 0]) }, { maxIterations: 0 });
  assert.deepEqual([none.converged, none.reason, none.loss], [false, "iterations", 18]);
  const stopped = await minimize(bowl, { x: tensor([0, 9]) }, { onIteration: () => "stop" });
  assert.deepEqual([stopped.iterations, stopped.reason], [1, "stopped"]);
  await assert.rejects(
    minimize(({ x }: X) => sum(square(x)), { x: tensor([1e30]) }),
    (error: Error) => error instanceof CoopError && /the loss at the start is Infinity; start/.test(error.message),
  );
  await assert.rejects(
    minimize(({ x }: X) => sum(x), { x: tensor(new Int32Array(2)) }),
    DTypeError,
  );
  // unbounded below: it ends by itself
  assert.ok((await minimize(({ x }: X) => sum(x), { x: tensor([0]) }, { maxIterations: 5 })).iterations <= 5);
});

test("one program for many minimisations, and no memory left behind", TIMEOUT, async () => {
  let traced = 0;
  const run = minimizer(({ x }: X, to: number | Tensor) => {
    traced++;
    return sum(square(sub(x, to)));
  });
  const start = { x: tensor([0, 1]) };
  const bytes: number[] = [];
  for (const to of [1, 2, -3]) {
    const found = await run(start, to);
    for (const v of await values(found.params.x)) assert.ok(Math.abs(v - to) < 1e-4);
    free(found.params);
    bytes.push((await device()).memory().byOwner.values);
  }
  assert.equal(traced, 1);
  assert.equal(bytes[2], bytes[0]);
  run.free();
});
