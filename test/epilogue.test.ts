import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as coop from "../src/tensor/index.ts";
import { allOps, type Op } from "../src/tensor/op.ts";
import { apply, type Tensor } from "../src/tensor/tensor.ts";
import { mulberry } from "./arguments.ts";

const { add, compile, matmul, mul, read, sub, tensor } = coop;

const filled = (shape: readonly number[], seed = 1): Tensor => {
  const random = mulberry(seed);
  return tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * random() - 1),
    shape,
  );
};

type F = (...args: Tensor[]) => Tensor | readonly Tensor[];

/** What a function gives with ops fused into kernels and without, and the launches of the first. */
async function bothWays(f: F, args: readonly (Tensor | number)[], choose?: () => string) {
  const run = (composedOnly: boolean) =>
    // CPU drivers get fewer pipelines: some of what is tried here is not fused there
    compile((...all: (Tensor | number)[]) => f(...(all as Tensor[])), {
      composedOnly,
      choose,
      adapter: "hardware",
      kernelsOnly: true,
    });
  const [fused, plain] = [run(false), run(true)];
  const [a, b] = await read([[fused(...args)].flat(), [plain(...args)].flat()]);
  return { a, b, labels: fused.inspect()[0].dispatches.map(({ label }) => label) };
}

async function assertOneLaunch(
  f: F,
  args: readonly (Tensor | number)[],
  label: RegExp,
  choose?: () => string,
): Promise<void> {
  const { a, b, labels } = await bothWays(f, args, choose);
  assert.equal(labels.length, 1, labels.join(", "));
  assert.match(labels[0], label);
  assert.equal(a.length, b.length);
  a.forEach((values, i) => {
    values.forEach((v, j) => {
      assert.ok(
        v === b[i][j] || Math.abs(v - b[i][j]) <= 1e-6 * (1 + Math.abs(v)),
        `result ${i}[${j}]: ${v} and ${b[i][j]}`,
      );
    });
  });
}

const [x, w] = [filled([2, 5, 7]), filled([7, 6], 2)];

/** Something of every kind that may stand beside a product [2, 5, 6]. */
const OPERANDS: Record<string, readonly [of: readonly number[], seen?: (t: Tensor) => Tensor]> = {
  "the same shape": [[2, 5, 6]],
  "a row": [[6]],
  "a column": [[5, 1]],
  "one number": [[]],
  "a part of a row": [[9], (t) => coop.slice(t, [2], [8])],
  "a part of rows": [[2, 5, 8], (t) => coop.slice(t, [0, 0, 1], [2, 5, 7])],
  "axes swapped": [[6, 5, 2], (t) => coop.transpose(t)],
  flipped: [[5, 6], (t) => coop.flip(t, [1])],
  "spread over the middle": [[2, 1, 6]],
  "a reshaped one": [[60], (t) => coop.reshape(t, [2, 5, 6])],
};

describe("what a kernel computes as it stores", { timeout: 120_000 }, () => {
  for (const [name, [shape, seen = (t: Tensor) => t]] of Object.entries(OPERANDS)) {
    const other = filled(shape, 3);
    test(`a product and ${name}`, () =>
      assertOneLaunch(
        (a, b, c) => coop.quickGelu(add(matmul(a, b), seen(c))),
        [x, w, other],
        /^matmul.*add\+quickGelu$/,
      ));
    test(`a sum and ${name}`, () =>
      assertOneLaunch((a, c) => mul(coop.sum(a, 0), seen(c)), [filled([3, 2, 5, 6]), other], /^sum\+mul$/));
  }

  test("helper functions, infinities, other dtypes, an index", async () => {
    const one = (f: (y: Tensor) => Tensor) => assertOneLaunch((a, b) => f(matmul(a, b)), [x, w], /^matmul/);
    await one((y) => coop.gelu(y));
    await one((y) => coop.where(coop.greater(y, 0), y, Number.POSITIVE_INFINITY));
    await one((y) => coop.greater(y, 0.1));
    await one((y) => add(y, coop.arange(6, "f32")));
    await one((y) => coop.reshape(mul(coop.reshape(y, [10, 6]), 2), [60]));
    if ((await coop.device()).gpu.features.has("shader-f16")) await one((y) => coop.cast(coop.cast(y, "f16"), "f32"));
  });

  test("numbers of the call", () =>
    assertOneLaunch((a, b, s, t) => sub(mul(matmul(a, b), s), t), [x, w, 0.25, 3], /^matmul.*\+mul\+sub$/));

  test("several results of one launch: what was kept, what was made of it", () =>
    assertOneLaunch(
      (a, b, bias) => {
        const y = add(matmul(a, b), bias);
        const z = coop.tanh(y);
        return [z, y, mul(z, y)];
      },
      [x, w, filled([6], 4)],
      /^matmul.*add\+tanh\+mul$/,
    ));

  test("every kernel that stores through finish", async () => {
    const rows = filled([4, 9]);
    const table = filled([5, 3, 2], 2);
    const index = tensor(Int32Array.of(3, -1, 0, 9), [4]);
    await assertOneLaunch(
      (a, g) => add(mul(coop.standardize(a), g), g),
      [rows, filled([9])],
      /^standardize\S*\+mul\+add$/,
    );
    await assertOneLaunch((a, g) => mul(coop.softmax(a), g), [rows, filled([9])], /^softmax\S*\+mul$/);
    await assertOneLaunch((t, i, g) => add(coop.gather(t, i), g), [table, index, filled([3, 2])], /^gather\+add$/);
    await assertOneLaunch((t, i, g) => add(coop.gather(t, i), g), [table, index, filled([2])], /^gather\+add$/);
    await assertOneLaunch(
      (u, i, g) => sub(g, mul(coop.scatterAdd(u, i, 5), 0.5)),
      [filled([4, 3, 2]), index, table],
      /^scatter-add\+mul\+sub$/,
    );
    const whole = coop.gather(tensor(Int32Array.of(7, -8, 9)), tensor(Int32Array.of(2, 5, 1)));
    assert.deepEqual([...(await add(whole, 1).data())], [10, 1, -7]);
  });

  test("what is read elsewhere too is stored and computed once", async () => {
    const f: F = (a, b) => {
      const y = matmul(a, b);
      return [add(y, 1), coop.sum(y, 1)];
    };
    const { a, b, labels } = await bothWays(f, [x, w]);
    assert.equal(labels.length, 2, labels.join(", "));
    a.forEach((values, i) => {
      values.forEach((v, j) => {
        assert.ok(Math.abs(v - b[i][j]) < 1e-6);
      });
    });
  });

  test("one pipeline serves all shapes", () => {
    const f = compile((a: Tensor, b: Tensor, c: Tensor) => coop.relu(add(matmul(a, b), c)), {
      adapter: "hardware",
      kernelsOnly: true,
    });
    for (const [m, k, n] of [
      [3, 4, 5],
      [6, 2, 9],
    ])
      f(filled([m, k]), filled([k, n]), filled([n]));
    const codes = f.inspect().map(({ dispatches }) => dispatches.map(({ code }) => code).join());
    assert.equal(codes[0], codes[1]);
  });

  test("an operand with too many axes is computed apart", async () => {
    const { labels, a, b } = await bothWays(
      (p, q, c) => add(matmul(p, q), coop.transpose(c)),
      [filled([2, 3, 4, 5]), filled([5, 6]), filled([6, 4, 3, 2])],
    );
    assert.equal(labels.length, 2);
    assert.deepEqual(a, b);
  });
});

describe("kernels of rows", { timeout: 120_000 }, () => {
  const opCalled = (name: string): Op => allOps().find((op) => op.name === name)!;
  const kernels: Record<string, (x: Tensor) => Tensor> = {
    softmax: (t) => coop.softmax(t),
    "log-sum-exp": (t) => coop.logSumExp(t),
    standardize: (t) => coop.standardize(t),
    "l2-normalize": (t) => coop.l2Normalize(t),
    "l2-normalize-grad": (t) => apply(opCalled("l2NormalizeGrad"), [t, t], { epsilon: 0.5 }),
    "layer-norm-grad": (t) => apply(opCalled("layerNormGrad"), [t, filled([t.shape[1]], 4), t], { epsilon: 0.5 }),
  };
  for (const [label, f] of Object.entries(kernels)) {
    for (const width of [9, 33])
      test(`${label} of ${width}: an operand of the result's shape and a row behind it`, () => {
        const rows = filled([5, width]);
        const { shape } = f(rows);
        const operands = [rows, filled(shape, 2), filled(shape.slice(-1), 3)];
        return assertOneLaunch((t, same, row) => mul(add(f(t), same), row), operands, new RegExp(label));
      });
  }
});

describe("kernels of attention", { timeout: 120_000 }, () => {
  const rows = 5;
  const pattern = coop.densePattern(1, rows, rows, { causal: true });
  const ops = allOps().filter(({ name }) => name.startsWith("attention"));
  const apply = (name: string, inputs: readonly Tensor[]): Tensor =>
    coop.apply(ops.find((op) => op.name === name)!, inputs, { scale: 0.5 });
  const INPUTS: Record<string, string> = {
    attention: "q k v spans readers",
    attentionLogSum: "q k spans",
    attentionGradQuery: "q k v g lse delta spans",
    attentionGradKey: "q k v g lse delta readers",
    attentionGradValue: "q k g lse readers",
  };
  for (const { name, run } of ops) {
    for (const kernel of run.kind === "kernel" ? run.kernels : [])
      test(`${kernel.name}: an operand of the result's shape and a row behind it`, async (t) => {
        const { maxBindings, subgroupLanes } = await coop.device();
        if (maxBindings < 10) return t.skip("this adapter binds too few buffers to fuse what follows");
        if (subgroupLanes < (kernel.subgroup ?? 0)) return t.skip("this adapter has no subgroups as large");
        const width = kernel.name.endsWith("single") ? 5 : 8;
        const [q, k, v, g] = [1, 2, 3, 4].map((seed) => filled([rows, 3, width], seed));
        const lse = apply("attentionLogSum", [q, k, pattern.spans]);
        const delta = coop.sum(mul(g, apply("attention", [q, k, v, pattern.spans, pattern.readers])), -1);
        const all: Record<string, Tensor> = { q, k, v, g, lse, delta, ...pattern };
        const inputs = INPUTS[name].split(" ").map((of) => all[of]);
        const { shape } = apply(name, inputs);
        await read([lse, delta]);
        await assertOneLaunch(
          (same, row, ...xs) => mul(add(apply(name, xs), same), row),
          [filled(shape, 5), filled(shape.slice(-1), 6), ...inputs],
          new RegExp(`^${kernel.name}\\+add\\+mul$`),
          () => kernel.name,
        );
      });
  }
});

describe("small kernels side by side", { timeout: 120_000 }, () => {
  test("the updates of many parameters are one launch, and each is right", async () => {
    const shapes = [[3], [2, 5], [1], [4, 4]];
    const parameters = shapes.map((shape, i) => filled(shape, i + 1));
    const gradients = shapes.map((shape, i) => filled(shape, i + 9));
    const f = compile((ps: Tensor[], gs: Tensor[], rate: number | Tensor) =>
      ps.map((p, i) => sub(p, mul(gs[i], rate))),
    );
    const updated = await read(f(parameters, gradients, 0.25));
    const [before, slopes] = await read([parameters, gradients]);
    updated.forEach((values, i) => {
      values.forEach((v, j) => {
        assert.ok(Math.abs(v - (before[i][j] - 0.25 * slopes[i][j])) < 1e-6);
      });
    });
    const [{ dispatches }] = f.inspect();
    const bindings = dispatches.map(({ reads, writes }) => reads.length + writes.length);
    const { maxBindings } = await coop.device();
    assert.equal(dispatches.length, Math.ceil(4 / Math.floor(maxBindings / 4)), dispatches.map((d) => d.label).join());
    assert.ok(bindings.every((n) => n <= maxBindings));
  });

  test("what needs another's result waits for it; reductions, paddings and helpers keep apart", async () => {
    const { a, b } = await bothWays(
      (p, q) => {
        const total = coop.sum(coop.gelu(p), 0);
        return [total, coop.gelu(q), coop.pad(q, [[1, 2]]), coop.max(coop.sin(p)), mul(total, coop.sum(q))];
      },
      [filled([6, 5]), filled([7], 2)],
    );
    a.forEach((values, i) => {
      values.forEach((v, j) => {
        assert.ok(Math.abs(v - b[i][j]) <= 1e-5 * (1 + Math.abs(v)), `result ${i}[${j}]`);
      });
    });
  });
});
