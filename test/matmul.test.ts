import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import {
  compile,
  type Device,
  type DType,
  device,
  equal,
  flip,
  full,
  matmul,
  ones,
  pad,
  read,
  slice,
  type Tensor,
  tensor,
  where,
} from "../src/tensor/index.ts";
import { cast } from "../src/tensor/ops/elementwise.ts";
import { MATMUL_KERNELS } from "../src/tensor/ops/matmul.ts";
import { referenceOf } from "../src/tensor/reference.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import { valuesOf } from "./arguments.ts";
import { MORE, SEED } from "./gpu-settings.ts";

/** How an operand lies in its buffer. */
type Lies = "whole" | "inFours" | "askew" | "flipped";

interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batchA: readonly number[];
  readonly batchB: readonly number[];
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly liesA: Lies;
  readonly liesB: Lies;
}

const edge = fc.constantFrom(1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65);
/** Loads of four want whole fours: half of the extents are. */
const extent = fc.oneof(edge, fc.constantFrom(4, 8, 16, 32, 36, 64, 68, 132));
const lies = fc.constantFrom<Lies>("whole", "whole", "inFours", "askew", "flipped");
const batches = fc.constantFrom(
  [[], []],
  [[], []],
  [[3], [3]],
  [[2, 3], [3]],
  [
    [1, 3],
    [2, 1],
  ],
  [
    [2, 2, 3],
    [2, 1, 3],
  ],
  [
    [2, 1, 2, 2],
    [3, 1, 2],
  ],
);
const products: fc.Arbitrary<Product> = fc
  .tuple(extent, extent, extent, batches, fc.boolean(), fc.boolean(), lies, lies)
  .map(([m, n, k, [batchA, batchB], transposeA, transposeB, liesA, liesB]) => ({
    ...{ m, n, k, batchA, batchB, transposeA, transposeB, liesA, liesB },
  }));

/** Whole numbers from −2 to 2: sums of their products are exact in float32, and here in float16 too. */
const whole = (shape: readonly number[], seed: number, dtype: DType): Tensor =>
  cast(tensor(Float32Array.from(valuesOf("coarse", "f32", sizeOf(shape), seed)), shape), dtype);

const MARGIN: Record<Lies, number> = { whole: 0, inFours: 4, askew: 3, flipped: 0 };

/** An operand as it is stored: what lies around it is no number, and must not be read. */
function stored(batch: readonly number[], extents: readonly [number, number], lies: Lies, seed: number, dtype: DType) {
  const margin = MARGIN[lies];
  const widths = [...batch.map(() => [0, 0] as const), [margin, margin] as const, [margin, margin] as const];
  const edge = pad(ones([...batch, ...extents]), widths);
  return where(
    equal(edge, 1),
    pad(whole([...batch, ...extents], seed, dtype), widths),
    cast(full([], Number.NaN), dtype),
  );
}

/** An operand as the product sees it. */
function seen(x: Tensor, lies: Lies): Tensor {
  if (lies === "flipped") return flip(x, [-2]);
  const margins = x.shape.map((_, i) => (i < x.rank - 2 ? 0 : MARGIN[lies]));
  return slice(
    x,
    margins,
    x.shape.map((n, i) => n - margins[i]),
  );
}

const operands = (p: Product, dtype: DType): [Tensor, Tensor] => [
  stored(p.batchA, p.transposeA ? [p.k, p.m] : [p.m, p.k], p.liesA, 1, dtype),
  stored(p.batchB, p.transposeB ? [p.n, p.k] : [p.k, p.n], p.liesB, 2, dtype),
];

const multiply = (p: Product, [a, b]: readonly [Tensor, Tensor]): Tensor =>
  matmul(seen(a, p.liesA), seen(b, p.liesB), p);

describe("matrix products", { timeout: 240_000 }, () => {
  let on: Device;
  before(async () => {
    on = await device();
  });

  /** Runs the products on one kernel wherever it fits and returns how often that was. */
  async function agree(name: string, cases: readonly Product[], dtype: DType): Promise<number> {
    const inputs = cases.map((p) => operands(p, dtype));
    const all = (xs: [Tensor, Tensor][]) => xs.map((x, i) => multiply(cases[i], x));
    const products = compile(all, { choose: () => name, kernelsOnly: true });
    const expected = await referenceOf(all(inputs));
    const got = await read(products(inputs));
    cases.forEach((p, i) => {
      const wrong = expected[i].findIndex((v, j) => got[i][j] !== v);
      const where = `element ${wrong} is ${got[i][wrong]}, not ${expected[i][wrong]}: ${JSON.stringify(p)}`;
      assert.equal(wrong, -1, `${name}: ${where}`);
    });
    return products.inspect()[0].dispatches.filter(({ label }) => label === name).length;
  }

  const sampled = fc.sample(products, { numRuns: 60 * MORE, seed: SEED });
  const beyondOneTile = [true, false].flatMap((transposeA) =>
    [true, false].map((transposeB): Product => {
      const rest = { batchA: [], batchB: [], liesA: "whole", liesB: "whole" } as const;
      return { m: 33, n: 65, k: 5, transposeA, transposeB, ...rest };
    }),
  );

  for (const { name, subgroup = 0 } of MATMUL_KERNELS) {
    for (const dtype of ["f32", "f16"] as const) {
      test(`${name} gives what float64 gives, ${dtype}`, async (t) => {
        if (on.subgroupLanes < subgroup) return t.skip("this adapter has no subgroups as large");
        if (dtype === "f16" && !on.gpu.features.has("shader-f16")) return t.skip("this adapter has no shader-f16");
        const times = await agree(name, [...beyondOneTile, ...sampled], dtype);
        assert.ok(times >= 3, `it ran ${times} times: the cases do not fit it`);
      });
    }
  }

  test("float16 is summed in float32", async (t) => {
    if (!on.gpu.features.has("shader-f16")) return t.skip("this adapter has no shader-f16");
    const row = Float32Array.from({ length: 64 }, (_, i) => (i % 2 ? 1 : i % 4 ? -2048 : 2048));
    const product = matmul(
      cast(tensor(row, [1, 64]), "f16"),
      cast(tensor(new Float32Array(64).fill(1), [64, 1]), "f16"),
    );
    assert.deepEqual([...(await product.data())], [32]);
  });
});
