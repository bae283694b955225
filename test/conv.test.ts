// Every kernel of the convolution, forced one after the other, against float64.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import { compile, conv2d, device, relu, type Tensor, tensor } from "../src/tensor/index.ts";
import { allOps } from "../src/tensor/op.ts";
import { MORE, SEED } from "./gpu-settings.ts";

interface Call {
  readonly batch: number;
  readonly channels: number;
  readonly out: number;
  readonly size: readonly [number, number];
  readonly image: readonly [number, number];
  readonly stride: number;
  readonly padding: number;
}

const call = fc.record<Call>({
  batch: fc.integer({ min: 1, max: 2 }),
  channels: fc.constantFrom(1, 3, 4, 8, 12),
  out: fc.constantFrom(1, 3, 16, 31, 33, 65),
  size: fc.constantFrom([1, 1], [3, 3], [2, 4], [4, 1]),
  image: fc.tuple(fc.integer({ min: 4, max: 9 }), fc.integer({ min: 4, max: 9 })),
  stride: fc.integer({ min: 1, max: 2 }),
  padding: fc.integer({ min: 0, max: 2 }),
});

/**
 * Results that end in each quarter of a tile behind the first, where one that is stored past the end overwrites another,
 * and results of one channel and one pixel more than whole tiles hold.
 */
const AT_EDGES = [
  [9, 8, 9],
  [9, 8, 11],
  [9, 8, 13],
  [9, 8, 15],
  [33, 5, 13],
].map(
  ([out, ...image]) => ({ batch: 2, channels: 4, out, size: [3, 3], image, stride: 1, padding: 1 }) as unknown as Call,
);

/** Numbers without pattern in (-1, 1). */
const noise = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => (Math.sin(i * 12.9898 + seed * 78.233) * 43758.5453) % 1);

/** The definition, in float64. */
function expected({ batch, channels, out, size, image, stride, padding }: Call, x: Float32Array, w: Float32Array) {
  const [rows, columns] = image.map((extent, d) => Math.floor((extent + 2 * padding - size[d]) / stride) + 1);
  const y: number[] = [];
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < out; o++)
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) {
          let sum = 0;
          for (let c = 0; c < channels; c++)
            for (let p = 0; p < size[0]; p++)
              for (let q = 0; q < size[1]; q++) {
                const [a, b] = [i * stride + p - padding, j * stride + q - padding];
                if (a < 0 || b < 0 || a >= image[0] || b >= image[1]) continue;
                const weight = w[((o * channels + c) * size[0] + p) * size[1] + q];
                sum += weight * x[((n * channels + c) * image[0] + a) * image[1] + b];
              }
          y.push(sum);
        }
  return { y, shape: [batch, out, rows, columns] };
}

const kernels = allOps().flatMap(({ name, run }) => (name === "conv2d" && run.kind === "kernel" ? run.kernels : []));

describe("conv2d", { timeout: 120_000 }, () => {
  let lanes = 0;
  before(async () => {
    lanes = (await device()).subgroupLanes;
  });
  for (const { name, subgroup = 0 } of kernels) {
    test(`${name} computes the definition, with what follows fused`, async (t) => {
      if (subgroup > lanes) return t.skip(`the adapter has no subgroups of ${subgroup}`);
      let ran = 0;
      const calls = [...AT_EDGES, ...fc.sample(fc.noBias(call), { numRuns: 40 * MORE, seed: SEED })];
      for (const c of calls) {
        const x = noise(c.batch * c.channels * c.image[0] * c.image[1], 1);
        const w = noise(c.out * c.channels * c.size[0] * c.size[1], 2);
        const f = compile((image: Tensor, weight: Tensor) => relu(conv2d(image, weight, c)), {
          kernelsOnly: true,
          choose: (op) => (op.name === "conv2d" ? name : undefined),
        });
        const got = await f(
          tensor(x, [c.batch, c.channels, ...c.image]),
          tensor(w, [c.out, c.channels, ...c.size]),
        ).data();
        const used = f.inspect().some(({ dispatches }) => dispatches.some(({ label }) => label.startsWith(name)));
        f.free();
        if (!used) continue;
        ran++;
        const { y } = expected(c, x, w);
        assert.equal(got.length, y.length);
        const worst = Math.max(...y.map((v, i) => Math.abs(Math.max(0, v) - got[i])));
        assert.ok(worst < 1e-4, `off by ${worst}: ${JSON.stringify(c)}`);
      }
      assert.ok(ran >= 8, `${name} ran ${ran} times only`);
    });
  }
});
