import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import { dataOf, differenceError, normals, type Probe, probe } from "../src/autograd/check.ts";
import { isFloat } from "../src/tensor/dtype.ts";
import { broadcastTo, device, read, type Tensor } from "../src/tensor/index.ts";
import { allOps } from "../src/tensor/op.ts";
import { readSources, references } from "../src/tensor/reference.ts";
import { showShape } from "../src/tensor/shape.ts";
import { leafOf, seen } from "./arguments.ts";
import { EPS, MORE, SEED } from "./gpu-settings.ts";
import { CASES, type Call, type OpCase } from "./op-cases.ts";
import { norm, roundingErrors } from "./rounding.ts";

/** A call of an op as a graph, with the values of its leaves. */
interface Trial {
  readonly call: Call;
  readonly leaves: readonly Tensor[];
  readonly data: ReadonlyMap<Tensor, Float64Array>;
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
}

function trialOf(kase: OpCase, call: Call): Trial {
  const made = call.args.map(leafOf);
  const leaves = made.map(({ leaf }) => leaf);
  const inputs = leaves.map((leaf, i) => seen(leaf, call.args[i]));
  const data = new Map(made.map(({ leaf, data }) => [leaf, data]));
  return { call, leaves, data, inputs, output: kase.apply(inputs, call.attrs) };
}

/** What is wrong with the GPU's values, if anything. */
async function wrongValues(kase: OpCase, calls: readonly Call[]): Promise<string[]> {
  const trials = calls.map((call) => trialOf(kase, call));
  const onGpu = await read(trials.map(({ output }) => output));
  const given = new Map(trials.flatMap(({ data }) => [...data]));
  const bounds = trials.map(({ inputs, output, call }) => {
    const bound = isFloat(output.dtype) ? kase.bound?.(inputs, output, call.attrs) : undefined;
    return bound && broadcastTo(bound, output.shape);
  });
  const all = await readSources(
    [...trials.map(({ output }) => output), ...bounds.filter((b) => b !== undefined)],
    given,
  );
  return trials.flatMap(({ output, call }, n) => {
    const bound = bounds[n];
    const [exact, allowed] = references(bound ? [output, bound] : [output], all);
    const got = onGpu[n];
    for (let i = 0; i < exact.length; i++) {
      const rounding = output.dtype === "f16" ? Math.abs(exact[i]) * 2 ** -11 + 2 ** -24 : 0;
      const error = Math.abs(got[i] - exact[i]);
      if (!(error <= (allowed ? allowed[i] * EPS : 0) + rounding + (bound ? 2 ** -126 : 0))) {
        const limit = allowed ? ` (${allowed[i].toPrecision(3)} × 2⁻²³ allowed)` : "";
        return [`${output} element ${i} is ${got[i]}, not ${exact[i]}${limit}\n${show(call)}`];
      }
    }
    return [];
  });
}

const probeOf = (kase: OpCase, { call, leaves }: Trial, random: () => number): Probe =>
  probe(
    (...xs: Tensor[]) =>
      kase.apply(
        xs.map((x, i) => seen(x, call.args[i])),
        call.attrs,
      ),
    [...leaves],
    random,
  );

/** What is wrong with the float64 gradients, if anything. */
async function wrongGradients(kase: OpCase, calls: readonly Call[], seed = 1): Promise<string[]> {
  const wrong: string[] = [];
  for (const call of calls) {
    const random = normals(seed);
    const trial = trialOf(kase, call);
    for (let at = probeOf(kase, trial, random), order = 1; order <= kase.order; at = at.derivative(), order++) {
      const error = differenceError(at, await dataOf(at, trial.data), random, kase.step);
      if (!(error <= 1e-5 * 10 ** (order - 1)))
        wrong.push(`order ${order} is off by ${error.toExponential(2)}\n${show(call)}`);
    }
  }
  return wrong;
}

/** What is wrong with the GPU's gradients, if anything. */
async function wrongOnGpu(kase: OpCase, calls: readonly Call[]): Promise<string[]> {
  const random = normals(SEED);
  const probes = calls
    .map((call) => ({ call, trial: trialOf(kase, call) }))
    .map(({ call, trial }) => ({ call, trial, at: probeOf(kase, trial, random) }));
  const onGpu = await read(probes.map(({ at }) => [...at.gradients]));
  const wrong: string[] = [];
  for (const [n, { call, trial, at }] of probes.entries()) {
    const data = await dataOf(at, trial.data);
    const exact = references(at.gradients, data);
    const allowed = roundingErrors(at.gradients, data, exact, usesHalf(call));
    exact.forEach((values, i) => {
      const error = norm(values.map((v, j) => onGpu[n][i][j] - v));
      if (!(error <= allowed[i]))
        wrong.push(
          `the gradient of argument ${i} is off by ${error.toPrecision(3)}, ${allowed[i].toPrecision(3)} allowed\n${show(call)}`,
        );
    });
  }
  return wrong;
}

const usesHalf = ({ args, attrs }: Call): boolean => [...args, attrs].some((a) => a.dtype === "f16");

const show = ({ args, attrs }: Call): string =>
  [...args.map((a) => `  ${a.dtype}${showShape(a.shape)} ${JSON.stringify(a)}`), `  ${JSON.stringify(attrs)}`].join(
    "\n",
  );

/** Tries many calls at once; where one fails, finds the simplest that does. */
async function tryMany(
  kase: OpCase,
  numRuns: number,
  wrong: (kase: OpCase, calls: readonly Call[]) => Promise<string[]>,
): Promise<void> {
  const calls = kase.calls.filter(({ args, attrs }) => half || !usesHalf({ args, attrs }));
  const found = await wrong(kase, fc.sample(fc.noBias(calls), { numRuns, seed: SEED }));
  if (found.length === 0) return;
  if (process.env.COOP_SHRINK === "0") assert.fail(found[0]);
  await fc.assert(
    fc.asyncProperty(fc.noBias(calls), async (call) => {
      const [first] = await wrong(kase, [call]);
      assert.equal(first, undefined, first);
    }),
    { numRuns, seed: SEED, interruptAfterTimeLimit: 20_000, includeErrorInReport: true },
  );
  assert.fail(`COOP_SEED=${SEED}: ${found[0]}`);
}

let half = false;
before(async () => {
  half = (await device()).gpu.features.has("shader-f16");
});

test("every op has a case, and every case an op", () => {
  const ops = allOps();
  const names = ops.map(({ name }) => name);
  assert.deepEqual(
    ops.filter(({ run, name }) => run.kind !== "leaf" && !CASES[name]).map(({ name }) => name),
    [],
  );
  assert.deepEqual(
    Object.keys(CASES).filter((name) => !names.includes(name)),
    [],
  );
});

for (const [name, kase] of Object.entries(CASES)) {
  describe(name, { timeout: 120_000 }, () => {
    test("the GPU's values are the reference's", () => tryMany(kase, 24 * MORE, wrongValues));
    if (kase.order > 0) {
      test("gradients agree with differences", () => tryMany(kase, 50 * MORE, wrongGradients));
      test("the GPU's gradients are the reference's", () => tryMany(kase, 12 * MORE, wrongOnGpu));
    } else {
      test("no gradient flows", async () => {
        for (const call of fc.sample(fc.noBias(kase.calls), { numRuns: 10, seed: SEED })) {
          const trial = trialOf(kase, call);
          const { gradients } = probeOf(kase, trial, normals(1));
          for (const g of references(gradients))
            assert.ok(
              g.every((v) => v === 0),
              show(call),
            );
        }
      });
    }
  });
}
