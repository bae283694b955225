// The k largest against sorting on the CPU, both kernels and rows that are cut into chunks.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { grad } from "../src/autograd/index.ts";
import { grid } from "../src/tensor/codegen.ts";
import { DTypeError, ShapeError } from "../src/tensor/errors.ts";
import { compile, mul, sum, tensor, topK, topKIndices } from "../src/tensor/index.ts";
import { TOP_K_KERNELS } from "../src/tensor/ops/top-k.ts";
import { mulberry } from "./arguments.ts";
import { MORE, SEED } from "./gpu-settings.ts";

/** Numbers with ties, both zeros, infinities and NaN among them. */
function rows(count: number, seed: number, levels: number): Float32Array {
  const random = mulberry(seed);
  const odd = [Number.NaN, -0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  return Float32Array.from({ length: count }, () =>
    random() < 0.02 ? odd[Math.floor(random() * odd.length)] : Math.round((random() - 0.5) * levels),
  );
}

/** Indices by a stable sort: NaN behind all numbers. */
function sorted(x: Float32Array, width: number, k: number): number[] {
  const before = (a: number, b: number) => (Number.isNaN(b) ? !Number.isNaN(a) : a > b);
  return Array.from({ length: x.length / width }, (_, r) => {
    const row = x.subarray(r * width, (r + 1) * width);
    return [...row.keys()].sort((i, j) => Number(before(row[j], row[i])) - Number(before(row[i], row[j]))).slice(0, k);
  }).flat();
}

const CALL = fc.record({
  rows: fc.constantFrom(1, 2, 3, 17),
  width: fc.constantFrom(1, 2, 3, 63, 64, 65, 130),
  k: fc.nat(),
  seed: fc.nat(),
  levels: fc.constantFrom(2, 20, 1e6),
});

describe("topK", { timeout: 120_000 }, () => {
  for (const { name } of TOP_K_KERNELS) {
    test(`${name}: as a stable sort has it`, async () => {
      await fc.assert(
        fc.asyncProperty(CALL, async (call) => {
          const k = 1 + (call.k % call.width);
          const x = rows(call.rows * call.width, call.seed, call.levels);
          const run = compile((t: ReturnType<typeof tensor>) => topKIndices(t, k), { choose: () => name });
          const found = run(tensor(x, [call.rows, call.width]));
          assert.deepEqual([...(await found.data())], sorted(x, call.width, k));
          assert.deepEqual(
            run.inspect()[0].dispatches.map(({ label }) => label),
            [name],
          );
        }),
        { numRuns: 12 * MORE, seed: SEED },
      );
    });
  }

  for (const { name } of TOP_K_KERNELS) {
    test(`${name}: in several rows of workgroups`, async () => {
      const { widest } = grid;
      grid.widest = 2;
      const x = rows(256 * 5, SEED, 20); // whole workgroups: none computes what another leaves out
      const run = compile((t: ReturnType<typeof tensor>) => topKIndices(t, 2), { choose: () => name });
      const found = [...(await run(tensor(x, [256, 5])).data())];
      grid.widest = widest;
      assert.deepEqual(found, sorted(x, 5, 2));
    });
  }

  for (const [count, width, k, levels] of [
    [1, 5000, 10, 1e6],
    [3, 5003, 7, 20], // the last chunk is not full, ties everywhere
    [2, 4097, 1, 3],
    [1, 70001, 64, 2e6],
    [1, 9001, 1500, 1e4], // chunks of chunks
    [1, 6000, 2000, 50], // too many to leave anything out
  ]) {
    test(`rows of ${width}, k = ${k}`, async () => {
      const x = rows(count * width, SEED + width, levels);
      const { values, indices } = topK(tensor(x, [count, width]), k);
      const expected = sorted(x, width, k);
      assert.deepEqual([...(await indices.data())], expected);
      assert.deepEqual(
        [...(await values.data())],
        expected.map((at, i) => x[Math.floor(i / k) * width + at]),
      );
    });
  }

  test("nothing but NaN, and NaN first", async () => {
    const nan = Number.NaN;
    assert.deepEqual([...(await topKIndices(tensor([nan, 1, nan, 2]), 4).data())], [3, 1, 0, 2]);
    const all = new Float32Array(5000).fill(nan);
    assert.deepEqual([...(await topKIndices(tensor(all), 3).data())], [0, 1, 2]);
  });

  test("whole numbers at their ends", async () => {
    const i32 = Int32Array.of(-1, -(2 ** 31), 2 ** 31 - 1, 0);
    assert.deepEqual([...(await topKIndices(tensor(i32), 4).data())], [2, 3, 0, 1]);
    const u32 = Uint32Array.of(1, 2 ** 32 - 1, 0, 2 ** 31);
    assert.deepEqual([...(await topKIndices(tensor(u32), 4).data())], [1, 3, 0, 2]);
  });

  test("the gradient of the values goes to the elements that were taken", async () => {
    const x = tensor([
      [3, 1, 2, 5],
      [0, 7, 7, 1],
    ]);
    const weights = tensor([1, 10]);
    const g = grad((t: typeof x) => sum(mul(topK(t, 2).values, weights)))(x);
    assert.deepEqual([...(await g.data())], [10, 0, 0, 1, 0, 1, 10, 0]);
  });

  test("what it refuses", () => {
    assert.throws(() => topK(tensor([1, 2]), 3), ShapeError);
    assert.throws(() => topK(tensor([1, 2]), 0), ShapeError);
    assert.throws(() => topK(tensor(new Float32Array(20000)), 16385), /16384 at most/);
    assert.throws(() => topKIndices(tensor([true, false]), 1), DTypeError);
  });
});
