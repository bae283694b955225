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
import { collectLeftovers } from "./garbage.ts";
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

/** ½ · bend · (t − lowest)² at a step t. */
const parabola =
  (lowest: number, bend = 1) =>
  (step: number): LinePoint => ({ step, value: 0.5 * bend * (step - lowest) ** 2, slope: bend * (step - lowest) });

/** The steps that a line search tries, and the one that it takes. */
async function tried(line: (step: number) => LinePoint, options: Parameters<typeof strongWolfe>[2] = {}) {
  const steps: number[] = [];
  const at = async (step: number) => {
    steps.push(step);
    return line(step);
  };
  return { found: await strongWolfe(at, line(0), options), steps };
}

const between = (min: number, max: number) => fc.double({ min, max, noNaN: true });

test("line search: where the second try can be the minimum of a cubic or a parabola, it is", TIMEOUT, async () => {
  const exact = { curvature: 1e-4, noise: 0 };
  const hit = async (line: (step: number) => LinePoint, lowest: number, options: Parameters<typeof strongWolfe>[2]) => {
    const { steps } = await tried(line, options);
    assert.equal(steps.length, 2, `${steps}`);
    assert.ok(Math.abs(steps[1] / lowest - 1) < 1e-5, `${steps[1]}, not ${lowest}`);
  };
  await fc.assert(
    fc.asyncProperty(between(0.01, 100), between(0.2, 0.8), between(-0.2, 3), async (lowest, share, bend) => {
      // slopes (u − 1) (bend · u + 1) of u = t / lowest, from the first step back to the minimum
      const cubic = (step: number): LinePoint => {
        const u = step / lowest;
        return {
          step,
          value: lowest * ((bend * u ** 3) / 3 + ((1 - bend) * u ** 2) / 2 - u),
          slope: (u - 1) * (bend * u + 1),
        };
      };
      const far = bend < 0 ? Math.max(share, 0.4) : share;
      await hit(cubic, lowest, { ...exact, first: lowest / far });
      // a first step that is too short: on to where the slopes reach 0
      await hit(parabola(lowest), lowest, { ...exact, first: lowest * (0.1 + 0.3 * share) });
      // values that tell nothing: back to where the slopes reach 0
      const lifted = (step: number) => ({ ...parabola(lowest)(step), value: 1 });
      await hit(lifted, lowest, { ...exact, noise: 1e-6, first: lowest / share });
    }),
    { seed: SEED, numRuns: 100 },
  );
});

test("line search: where rounding hides the values, slopes ask for the same decrease", TIMEOUT, async () => {
  await fc.assert(
    fc.asyncProperty(
      between(0.05, 0.45),
      between(0.1, 3),
      fc.constantFrom(-5, 0, 5),
      async (decrease, first, value) => {
        const line = parabola(1);
        const hidden = (step: number) => ({ ...line(step), value });
        const room = line(first).value - (line(0).value + decrease * first * line(0).slope);
        fc.pre(Math.abs(room) > 1e-6);
        const { steps, found } = await tried(hidden, { decrease, first, curvature: 0.95 });
        assert.ok(found);
        const shown = await tried(line, { decrease, first, curvature: 0.95, noise: 0 });
        assert.equal(steps.length === 1, shown.steps.length === 1, `${steps}, with values ${shown.steps}`);
      },
    ),
    { seed: SEED, numRuns: 200 },
  );
});

test(
  "line search: back from a first step far too long, with numbers of any size, by its own settings",
  TIMEOUT,
  async () => {
    const isWolfe = (p: LinePoint | undefined, start: LinePoint) =>
      p && p.value <= start.value + 1e-4 * p.step * start.slope && Math.abs(p.slope) <= -0.9 * start.slope;
    for (const size of [1e-200, 1, 1e200])
      for (const lowest of [1e-3, 1, 3, 1e3]) {
        const line = parabola(lowest, size);
        assert.ok(isWolfe((await tried(line)).found, line(0)), `${size} ${lowest}`);
      }
    const wall = (step: number): LinePoint =>
      step < 2 ? parabola(1)(step) : { step, value: Number.POSITIVE_INFINITY, slope: Number.NaN };
    assert.ok(isWolfe((await tried(wall, { first: 1e18 })).found, wall(0)));
  },
);

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

/** Every step is accepted: the gradient is always as long, and at right angles to the step. */
function turning(value: () => number) {
  let last = Float64Array.of(0, 0);
  return async (x: Float64Array) => {
    const [a, b] = x.map((v, i) => v - last[i]);
    const length = Math.hypot(a, b);
    last = Float64Array.from(x);
    const gradient = length === 0 ? Float64Array.of(1, 0) : Float64Array.of(-b / length, a / length);
    return { x, value: value(), gradient };
  };
}

test("what no longer gets better ends after fifty iterations", TIMEOUT, async () => {
  const same = turning(() => 1);
  const { reason, iterations } = await descend(same, Float64Array.of(0, 0), { maxIterations: 200 });
  assert.deepEqual([reason, iterations], ["precision", 51]);
});

test("by itself it ends where no gradient is above 1e-5, or after a thousand iterations", TIMEOUT, async () => {
  const flat = async (x: Float64Array) => ({ x, value: 1, gradient: Float64Array.of(-1e-5, 1e-5) });
  const { iterations, reason, converged } = await descend(flat, Float64Array.of(0, 0), {});
  assert.deepEqual([iterations, reason, converged], [0, "gradient", true]);
  const bowl = async (x: Float64Array) => ({ x, value: 0.5 * x[0] * x[0], gradient: x });
  assert.equal((await descend(bowl, Float64Array.of(1.01e-5), {})).iterations, 1);
  // lower by more than enough each time, and never at an end
  let loss = 0;
  const endless = turning(() => (loss -= 1e3));
  const most = await descend(endless, Float64Array.of(0, 0), {});
  assert.deepEqual([most.iterations, most.reason, most.converged], [1000, "iterations", false]);
});

test("the first try goes as far as the gradient is long, and no further than 1", TIMEOUT, async () => {
  for (const length of [0.01, 0.9, 1, 30, 1e6]) {
    const tries: number[] = [];
    const slope = async (x: Float64Array) => {
      tries.push(Math.hypot(...x));
      return { x, value: length * (0.6 * x[0] + 0.8 * x[1]), gradient: Float64Array.of(0.6 * length, 0.8 * length) };
    };
    await descend(slope, Float64Array.of(0, 0), { maxIterations: 1 });
    assert.ok(Math.abs(tries[1] / Math.min(1, length) - 1) < 1e-6, `${tries[1]} for ${length}`);
  }
});

test("a gradient that points the wrong way is given up after a search for each size of rounding", TIMEOUT, async () => {
  let evaluations = 0;
  const hill = async (x: Float64Array) => {
    evaluations++;
    return { x, value: x[0] * x[0], gradient: Float64Array.of(-2 * x[0]) };
  };
  const { reason, iterations } = await descend(hill, Float64Array.of(3), {});
  assert.deepEqual([reason, iterations], ["precision", 0]);
  assert.ok(evaluations <= 1 + 4 * 20, `${evaluations} evaluations`);
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
  await collectLeftovers(await device());
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
