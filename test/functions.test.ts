import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { vjp } from "../src/autograd/grad.ts";
import * as coop from "../src/tensor/index.ts";
import { forEachIndex, rowMajor, type Shape, sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { valuesOf } from "./arguments.ts";
import { SEED } from "./gpu-settings.ts";

/**
 * Functions made of several ops, against their definitions written as loops over indices. (The reference of a graph
 * cannot find what is wrong in how the graph was put together.)
 */
interface Array_ {
  readonly shape: Shape;
  readonly data: ArrayLike<number>;
  readonly at: (...index: number[]) => number;
}

const view = (shape: Shape, data: ArrayLike<number>): Array_ => {
  const strides = rowMajor(shape);
  return { shape, data, at: (...index) => data[index.reduce((sum, c, i) => sum + c * strides[i], 0)] };
};

const build = (shape: Shape, f: (...index: number[]) => number): Array_ => {
  const data = new Float64Array(sizeOf(shape));
  forEachIndex(shape, (index, flat) => {
    data[flat] = f(...index);
  });
  return view(shape, data);
};

let seeds = 1;
const random = (...shape: number[]): { tensor: Tensor; array: Array_ } => {
  const data = valuesOf("real", "f32", sizeOf(shape), seeds++);
  return { tensor: coop.tensor(Float32Array.from(data), shape), array: view(shape, data) };
};

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const total = (n: number, f: (i: number) => number): number => range(n).reduce((sum, i) => sum + f(i), 0);

/** Reads all at once and compares each with its definition. */
async function same(pairs: readonly (readonly [Tensor, Array_])[], tolerance = 2e-6): Promise<void> {
  const values = await coop.read(pairs.map(([t]) => t));
  pairs.forEach(([t, expected], n) => {
    assert.deepEqual([...t.shape], [...expected.shape], `pair ${n}`);
    const size = Math.max(1, ...Array.from(expected.data, Math.abs));
    for (let i = 0; i < expected.data.length; i++) {
      const error = Math.abs(values[n][i] - expected.data[i]);
      assert.ok(error <= tolerance * size, `pair ${n}, element ${i}: ${values[n][i]}, not ${expected.data[i]}`);
    }
  });
}

const softmaxRow = (n: number, f: (i: number) => number): number[] => {
  const largest = Math.max(...range(n).map(f));
  const e = range(n).map((i) => Math.exp(f(i) - largest));
  const sum = total(n, (i) => e[i]);
  return e.map((v) => v / sum);
};

describe("functions against their definitions", { timeout: 120_000 }, () => {
  test("mean, logSumExp, softmax, logSoftmax, l2Normalize along any axis", async () => {
    const { tensor: x, array: a } = random(3, 5, 4);
    const across = (i: number, k: number) => softmaxRow(5, (j) => a.at(i, j, k));
    const lse = (i: number, k: number) => Math.log(total(5, (j) => Math.exp(a.at(i, j, k))));
    await same([
      [coop.mean(x), build([], () => total(60, (i) => a.data[i]) / 60)],
      [coop.mean(x, [0, 2]), build([5], (j) => total(3, (i) => total(4, (k) => a.at(i, j, k))) / 12)],
      [coop.mean(x, -1, { keepDims: true }), build([3, 5, 1], (i, j) => total(4, (k) => a.at(i, j, k)) / 4)],
      [coop.logSumExp(x, 1), build([3, 4], lse)],
      [coop.logSumExp(x), build([3, 5], (i, j) => Math.log(total(4, (k) => Math.exp(a.at(i, j, k)))))],
      [coop.softmax(x, 1), build([3, 5, 4], (i, j, k) => across(i, k)[j])],
      [coop.softmax(x, -3), build([3, 5, 4], (i, j, k) => softmaxRow(3, (h) => a.at(h, j, k))[i])],
      [coop.logSoftmax(x, 1), build([3, 5, 4], (i, j, k) => a.at(i, j, k) - lse(i, k))],
      [
        coop.l2Normalize(x),
        build([3, 5, 4], (i, j, k) => a.at(i, j, k) / Math.hypot(...range(4).map((h) => a.at(i, j, h)))),
      ],
      [
        coop.l2Normalize(x, 0),
        build([3, 5, 4], (i, j, k) => a.at(i, j, k) / Math.hypot(...range(3).map((h) => a.at(h, j, k)))),
      ],
    ]);
  });

  test("gelu, layerNorm, linear", async () => {
    const { tensor: x, array: a } = random(2, 3, 17);
    const { tensor: weight, array: w } = random(17);
    const { tensor: bias, array: b } = random(17);
    const { tensor: matrix, array: m } = random(5, 17);
    const { tensor: offset, array: o } = random(5);
    const mean = (i: number, j: number) => total(17, (k) => a.at(i, j, k)) / 17;
    const variance = (i: number, j: number) => total(17, (k) => (a.at(i, j, k) - mean(i, j)) ** 2) / 17;
    const tenths = build([61], (i) => (i - 30) / 10);
    // Φ by integrating the density
    const phi = (z: number) =>
      0.5 + total(2000, (i) => Math.exp(-0.5 * ((z * (i + 0.5)) / 2000) ** 2) / Math.sqrt(2 * Math.PI)) * (z / 2000);
    await same([
      [coop.gelu(coop.tensor(Float32Array.from(tenths.data))), build([61], (i) => tenths.at(i) * phi(tenths.at(i)))],
      [
        coop.layerNorm(x, weight, bias, 0.01),
        build(
          [2, 3, 17],
          (i, j, k) => ((a.at(i, j, k) - mean(i, j)) / Math.sqrt(variance(i, j) + 0.01)) * w.at(k) + b.at(k),
        ),
      ],
      [
        coop.linear(x, matrix, offset),
        build([2, 3, 5], (i, j, n) => total(17, (k) => a.at(i, j, k) * m.at(n, k)) + o.at(n)),
      ],
      [coop.linear(x, matrix), build([2, 3, 5], (i, j, n) => total(17, (k) => a.at(i, j, k) * m.at(n, k)))],
    ]);
  });

  test("attention: plain, causal, of fewer queries than keys, with a scale", async () => {
    const [q, k, v] = [random(2, 3, 4, 8), random(2, 3, 6, 8), random(2, 3, 6, 5)];
    const expected = (scale: number, causal: boolean) =>
      build([2, 3, 4, 5], (b, h, t, e) => {
        const seen = causal ? t + 6 - 4 + 1 : 6;
        const p = softmaxRow(seen, (s) => scale * total(8, (d) => q.array.at(b, h, t, d) * k.array.at(b, h, s, d)));
        return total(seen, (s) => p[s] * v.array.at(b, h, s, e));
      });
    const [x, y, z] = [q.tensor, k.tensor, v.tensor];
    await same([
      [coop.attention(x, y, z), expected(8 ** -0.5, false)],
      [coop.attention(x, y, z, { causal: true }), expected(8 ** -0.5, true)],
      [coop.attention(x, y, z, { causal: true, scale: 0.7 }), expected(0.7, true)],
    ]);
  });

  test("attention: with any number of axes before the last two", async () => {
    const pairs = [[], [3], [2, 1, 3]].map((lead): readonly [Tensor, Array_] => {
      const [q, k, v] = [random(...lead, 4, 8), random(...lead, 5, 8), random(...lead, 5, 2)];
      const row = ({ array: { data } }: typeof q, i: number, width: number, at: number) => data[i * width + at];
      const each = build([sizeOf(lead), 4, 2], (b, t, e) => {
        const p = softmaxRow(5, (s) => 8 ** -0.5 * total(8, (d) => row(q, 4 * b + t, 8, d) * row(k, 5 * b + s, 8, d)));
        return total(5, (s) => p[s] * row(v, 5 * b + s, 2, e));
      });
      return [coop.attention(q.tensor, k.tensor, v.tensor), view([...lead, 4, 2], each.data)];
    });
    await same(pairs);
  });

  /** Attention and its gradients. */
  const withGradients = ([q, k, v, g]: readonly Tensor[], pattern: coop.AttentionPattern): Tensor[] => {
    const [y, pull] = vjp((xs: Tensor[]) => coop.attend(xs[0], xs[1], xs[2], pattern), [q, k, v]);
    return [y, ...pull(g)];
  };

  test("attention and its gradients: rows and heads that do not begin at whole fours", async () => {
    const [rows, heads, width] = [5, 2, 8];
    const pattern = coop.densePattern(1, rows, rows, { causal: true });
    for (const [before, behindRow, behindHead] of [
      [2, 0, 0],
      [0, 2, 0],
      [0, 0, 2],
      [4, 4, 4],
    ]) {
      const head = width + behindHead;
      const row = heads * head + behindRow;
      const all = [1, 2, 3, 4].map(() => random(before + rows * row).tensor);
      const views = () =>
        // anew each time, since one that was read is stored
        all.map((numbers) => {
          const flat = coop.slice(numbers, [before], [before + rows * row]);
          const inRows = coop.slice(coop.reshape(flat, [rows, row]), [0, 0], [rows, heads * head]);
          return coop.slice(coop.reshape(inRows, [rows, heads, head]), [0, 0, 0], [rows, heads, width]);
        });
      const copies = (await coop.read(views())).map((data) =>
        coop.tensor(Float32Array.from(data), [rows, heads, width]),
      );
      const [found, expected] = await coop.read([withGradients(views(), pattern), withGradients(copies, pattern)]);
      found.forEach((values, n) => {
        values.forEach((x, i) => {
          assert.ok(Math.abs(x - expected[n][i]) <= 1e-5, `result ${n}, element ${i}: ${x}, not ${expected[n][i]}`);
        });
      });
    }
  });

  test("attention and its gradients: what is no number in one head stays in it", async () => {
    const [rows, heads] = [3, 3];
    const pattern = coop.densePattern(1, rows, rows);
    for (const width of [5, 8]) {
      const head = coop.reshape(coop.arange(heads), [heads, 1]);
      const args = [1, 2, 3, 4].map(() => random(rows, heads, width).tensor);
      const broken = args.map((x) => coop.where(coop.equal(head, 1), Number.NaN, x));
      const [sound, found] = await coop.read([withGradients(args, pattern), withGradients(broken, pattern)]);
      found.forEach((values, n) => {
        values.forEach((x, i) => {
          const wanted = Math.floor(i / width) % heads === 1 ? Number.NaN : sound[n][i];
          assert.equal(x, wanted, `width ${width}, result ${n}, element ${i}`);
        });
      });
    }
  });

  test("attention patterns: the readers of a key are the queries that see it", async () => {
    const keys = 3;
    const part = fc.tuple(fc.nat(keys), fc.nat(keys)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    const query = fc.tuple(part, part).map(([[a, b], [c, d]]): coop.Spans => (b <= c ? [a, b, c, d] : [a, b, b, b]));
    const spans = fc.array(
      query.filter(([a, b, c, d]) => a < b || c < d),
      { minLength: 1, maxLength: 8 },
    );
    let accepted = 0;
    /** Keys that are read by too many ranges. */
    const scattered = new Set<number>();
    for (const asked of fc.sample(spans, { numRuns: 200, seed: SEED })) {
      const sees = ([a, b, c, d]: ArrayLike<number> & Iterable<number>, n: number) =>
        (a <= n && n < b) || (c <= n && n < d);
      const readers = range(keys).map((key) => asked.map((of) => sees(of, key)));
      const runs = readers.map((by) => by.filter((is, i) => is && !by[i - 1]).length);
      if (Math.max(...runs) > 2) {
        const key = runs.findIndex((n) => n > 2);
        scattered.add(key);
        assert.throws(() => coop.attentionPattern(asked, keys), new RegExp(`see key ${key} are not in two ranges`));
        continue;
      }
      accepted++;
      const pattern = coop.attentionPattern(asked, keys);
      const [told, found] = await coop.read([pattern.spans, pattern.readers]);
      assert.deepEqual([...told], asked.flat());
      readers.forEach((by, key) => {
        const of = Array.from(found).slice(4 * key, 4 * key + 4);
        assert.ok(of[0] <= of[1] && of[2] <= of[3], `the ranges of key ${key} are ${of}`);
        assert.deepEqual(
          asked.map((_, i) => sees(of, i)),
          by,
        );
      });
    }
    assert.ok(accepted >= 20 && scattered.size === keys, `${accepted} patterns; refused for keys ${[...scattered]}`);
  });

  test("crossEntropy, with and without smoothing; oneHot, argmax, gather of rows", async () => {
    const { tensor: logits, array: a } = random(7, 5);
    const classes = [0, 4, 2, 2, 1, 3, 0];
    const labels = coop.tensor(Int32Array.from(classes));
    const logP = (n: number, c: number) => Math.log(softmaxRow(5, (i) => a.at(n, i))[c]);
    const loss = (smoothing: number) =>
      -total(7, (n) => (1 - smoothing) * logP(n, classes[n]) + (smoothing / 5) * total(5, (c) => logP(n, c))) / 7;
    const best = (n: number) => range(5).reduce((at, c) => (a.at(n, c) > a.at(n, at) ? c : at), 0);
    await same([
      [coop.crossEntropy(logits, labels), build([], () => loss(0))],
      [coop.crossEntropy(logits, labels, { labelSmoothing: 0.1 }), build([], () => loss(0.1))],
      [coop.oneHot(labels, 6), build([7, 6], (n, c) => Number(classes[n] === c))],
      [coop.argmax(logits), build([7], best)],
      [coop.row(logits, 3), build([5], (c) => a.at(3, c))],
      [coop.gather(logits, labels), build([7, 5], (n, c) => a.at(classes[n], c))],
    ]);
  });

  test("conv2d and avgPool2d: padded, strided, tiling", async () => {
    const { tensor: x, array: a } = random(2, 3, 8, 6);
    const inside = (n: number, c: number, y: number, z: number) =>
      y < 0 || z < 0 || y >= 8 || z >= 6 ? 0 : a.at(n, c, y, z);
    const conv = ([high, wide]: readonly [number, number], stride: number, padding: number) => {
      const { tensor: weight, array: w } = random(4, 3, high, wide);
      const out = (n: number, size: number) => Math.floor((n + 2 * padding - size) / stride) + 1;
      const expected = build([2, 4, out(8, high), out(6, wide)], (n, o, i, j) =>
        total(3, (c) =>
          total(high, (p) =>
            total(wide, (q) => w.at(o, c, p, q) * inside(n, c, i * stride + p - padding, j * stride + q - padding)),
          ),
        ),
      );
      return [coop.conv2d(x, weight, { stride, padding }), expected] as const;
    };
    const pooled = (size: number, stride = size, padding = 0) => {
      const out = (n: number) => Math.floor((n + 2 * padding - size) / stride) + 1;
      const expected = build([2, 3, out(8), out(6)], (n, c, i, j) =>
        total(size, (p) => total(size, (q) => inside(n, c, i * stride + p - padding, j * stride + q - padding))),
      );
      const mean = build(expected.shape, (...at) => expected.at(...at) / size ** 2);
      return [coop.avgPool2d(x, size, { stride, padding }), mean] as const;
    };
    await same([
      conv([3, 3], 1, 1),
      conv([3, 3], 2, 0),
      conv([2, 2], 2, 0),
      conv([1, 1], 1, 0),
      conv([1, 1], 1, 1),
      conv([2, 1], 2, 0),
      conv([2, 2], 3, 1),
      conv([4, 1], 1, 1),
      conv([1, 3], 2, 2),
      pooled(2),
      pooled(2, 1),
      pooled(2, 2, 1),
      pooled(4), // two columns are left over
      [coop.avgPool2d(x, 2), pooled(2)[1]],
    ]);
  });

  test("reshape, concat, stack, split, expandDims, squeeze, swapAxes, flip", async () => {
    const [p, q] = [random(2, 3, 4), random(2, 5, 4)];
    const r = random(2, 3, 4);
    await same(
      [
        [coop.reshape(p.tensor, [3, -1, 2]), view([3, 4, 2], p.array.data)],
        [
          coop.concat([p.tensor, q.tensor], 1),
          build([2, 8, 4], (i, j, k) => (j < 3 ? p.array.at(i, j, k) : q.array.at(i, j - 3, k))),
        ],
        [
          coop.concat([p.tensor, r.tensor, p.tensor]),
          build([6, 3, 4], (i, j, k) => [p, r, p][i >> 1].array.at(i & 1, j, k)),
        ],
        [coop.concat([p.tensor], 1), p.array],
        [coop.stack([p.tensor, r.tensor]), build([2, 2, 3, 4], (s, i, j, k) => [p, r][s].array.at(i, j, k))],
        [coop.stack([p.tensor, r.tensor], 2), build([2, 3, 2, 4], (i, j, s, k) => [p, r][s].array.at(i, j, k))],
        [coop.stack([p.tensor, r.tensor], -1), build([2, 3, 4, 2], (i, j, k, s) => [p, r][s].array.at(i, j, k))],
        [coop.split(p.tensor, 2)[1], build([1, 3, 4], (_, j, k) => p.array.at(1, j, k))],
        [coop.split(p.tensor, 2, -1)[1], build([2, 3, 2], (i, j, k) => p.array.at(i, j, k + 2))],
        [coop.split(p.tensor, 1)[0], p.array],
        [coop.squeeze(coop.expandDims(p.tensor, -1)), p.array],
        [coop.squeeze(coop.expandDims(p.tensor, 1), 1), p.array],
        [coop.expandDims(p.tensor, 1), build([2, 1, 3, 4], (i, _, j, k) => p.array.at(i, j, k))],
        [coop.swapAxes(p.tensor, 0, -1), build([4, 3, 2], (k, j, i) => p.array.at(i, j, k))],
        [coop.transpose(p.tensor), build([4, 3, 2], (k, j, i) => p.array.at(i, j, k))],
        [coop.flip(p.tensor, [-1, 0]), build([2, 3, 4], (i, j, k) => p.array.at(1 - i, j, 3 - k))],
        [coop.slice(p.tensor, [0, 1, -3], [1, 3, -1]), build([1, 2, 2], (i, j, k) => p.array.at(i, j + 1, k + 1))],
        [
          coop.pad(coop.ones([1, 2]), [
            [1, 1],
            [1, 1],
          ]),
          build([3, 4], (i, j) => Number(i === 1 && j > 0 && j < 3)),
        ],
        [
          coop.pad(p.tensor, [
            [1, 0],
            [0, 0],
            [0, 2],
          ]),
          build([3, 3, 6], (i, j, k) => (i < 1 || k >= 4 ? 0 : p.array.at(i - 1, j, k))),
        ],
      ],
      0,
    );
  });

  test("erf errs by rounding alone inside 1: not to one side over a stretch", async () => {
    const x = Float32Array.from({ length: 8192 }, (_, i) => (i + 0.5) / 8192);
    const y = await coop.erf(coop.tensor(x)).data();
    const series = (v: number) => {
      let [term, sum] = [v, v];
      for (let n = 1; n < 40; n++) sum += term *= (2 * v * v) / (2 * n + 1);
      return (2 / Math.sqrt(Math.PI)) * Math.exp(-v * v) * sum;
    };
    for (const stretch of range(32)) {
      const bias = total(256, (i) => y[256 * stretch + i] - series(x[256 * stretch + i])) / 256;
      assert.ok(Math.abs(bias) < 2 ** -24, `by ${bias} between ${stretch / 32} and ${(stretch + 1) / 32}`);
    }
  });

  test("sine and cosine of angles beyond 50,000: the driver's, roughly", async () => {
    const angles = Float32Array.of(60_000, -70_000, 123_456);
    const found = await coop.read([coop.sin(coop.tensor(angles)), coop.cos(coop.tensor(angles))]);
    for (const [i, exact] of [Math.sin, Math.cos].entries())
      angles.forEach((x, j) =>
        assert.ok(Math.abs(found[i][j] - exact(x)) < 0.01, `${exact.name} ${x}: ${found[i][j]}`),
      );
  });

  test("long sums, folded in two steps, and maxima with parts that are empty", async () => {
    const { tensor: x, array: a } = random(40, 30);
    const { tensor: long, array: l } = random(2, 100_003);
    const block = range(40 * 20).map((i) => a.at(Math.floor(i / 20), (i % 20) + 3) - 9);
    const part = coop.sub(coop.slice(x, [0, 3], [40, 23]), 9);
    await same([
      [coop.max(part), build([], () => Math.max(...block))],
      [coop.min(coop.neg(part)), build([], () => -Math.max(...block))],
      [coop.sum(part), build([], () => total(block.length, (i) => block[i]))],
      [coop.sum(coop.transpose(x), 1), build([30], (j) => total(40, (i) => a.at(i, j)))],
    ]);
    // one after another, the terms would be off by 2e-4
    const far = [
      [coop.sum(long, 1), build([2], (i) => total(100_003, (j) => l.at(i, j)))],
      [coop.mean(coop.square(long)), build([], () => total(200_006, (i) => l.data[i] ** 2) / 200_006)],
    ] as const;
    await same(far, 1e-5);
  });
});

describe("shapes that are refused", () => {
  const x = coop.zeros([2, 3]);
  const image = coop.zeros([1, 2, 4, 4]);
  const at = (...shape: number[]) => coop.zeros(shape, "i32");
  const refused: Record<string, readonly (() => unknown)[]> = {
    reshape: [
      () => coop.reshape(x, [2, 2]),
      () => coop.reshape(x, [-2, -3]),
      () => coop.reshape(x, [1.5, 4]),
      () => coop.reshape(x, [4, -1]),
      () => coop.reshape(x, [-1, -1]),
      () => coop.reshape(coop.zeros([1]), [-1, -1]),
    ],
    broadcastTo: [() => coop.broadcastTo(x, [2, 2]), () => coop.broadcastTo(x, [3]), () => coop.broadcastTo(x, [1, 3])],
    transpose: [
      () => coop.transpose(x, [0]),
      () => coop.transpose(x, [0, 0]),
      () => coop.transpose(x, [0, 1, 0]),
      () => coop.transpose(x, [0, 2]),
    ],
    slice: [
      () => coop.slice(x, [0, 0, 0]),
      () => coop.slice(x, [], [1, 1, 1]),
      () => coop.slice(x, [0.5]),
      () => coop.slice(x, [0], [0.5]),
      () => coop.slice(x, [-3]),
      () => coop.slice(x, [0], [3]),
      () => coop.slice(x, [2], [1]),
    ],
    pad: [
      () => coop.pad(x, [[1, 1]]),
      () =>
        coop.pad(x, [
          [0, 0],
          [0, -1],
        ]),
      () =>
        coop.pad(x, [
          [0, 0],
          [0.5, 0],
        ]),
    ],
    flip: [() => coop.flip(x, [2])],
    concat: [
      () => coop.concat([]),
      () => coop.concat([x, coop.zeros([2, 4])]),
      () => coop.concat([x, coop.zeros([2, 3, 1])], 1),
      () => coop.concat([x, coop.zeros([2])]),
    ],
    expandDims: [() => coop.expandDims(x, 3)],
    squeeze: [() => coop.squeeze(x, 0), () => coop.squeeze(x, 2)],
    split: [() => coop.split(x, 2, 1), () => coop.split(x, 3), () => coop.split(x, -1), () => coop.split(x, 0)],
    gather: [() => coop.gather(coop.zeros([]), at(1))],
    gatherElements: [
      () => coop.gatherElements(x, at(3, 1)),
      () => coop.gatherElements(x, at(2)),
      () => coop.gatherElements(x, at(2, 1, 1)),
      () => coop.gatherElements(coop.zeros([2]), at(2, 1)),
    ],
    scatterAdd: [() => coop.scatterAdd(x, at(3), 4), () => coop.scatterAdd(x, at(2, 3, 1), 4)],
    gatherRows: [() => coop.gatherRows(x, coop.rowIndex(Int32Array.of(0, 1), 3))],
    conv2d: [
      () => coop.conv2d(image, coop.zeros([1, 3, 2, 2])),
      () => coop.conv2d(image, coop.zeros([1, 2, 5, 1])),
      () => coop.conv2d(x, coop.zeros([1, 2, 1, 1])),
      () => coop.conv2d(image, coop.zeros([2, 2])),
    ],
    unfold: [
      () => coop.unfold(image, [5, 1]),
      () => coop.unfold(image, [1, 5]),
      () => coop.unfold(image, [0, 1]),
      () => coop.unfold(image, [1.5, 1]),
      () => coop.unfold(image, [1, 1], { stride: 0 }),
      () => coop.unfold(image, [1, 1], { padding: -1 }),
      () => coop.unfold(image, [1, 1], { padding: 0.5 }),
      () => coop.unfold(x, [1, 1]),
    ],
    avgPool2d: [() => coop.avgPool2d(x, 1)],
    logSumExp: [() => coop.logSumExp(coop.zeros([2, 0]))],
    standardize: [() => coop.standardize(coop.zeros([]))],
    layerNorm: [
      () => coop.layerNorm(x, coop.zeros([2]), coop.zeros([3])),
      () => coop.layerNorm(x, coop.zeros([3]), coop.zeros([1])),
      () => coop.layerNorm(x, coop.zeros([3, 1]), coop.zeros([3])),
    ],
    topKIndices: [
      () => coop.topKIndices(x, 4),
      () => coop.topKIndices(x, 1.5),
      () => coop.topKIndices(coop.zeros([]), 1),
    ],
  };
  for (const [op, calls] of Object.entries(refused))
    test(op, () => {
      for (const call of calls)
        assert.throws(
          call,
          (error) => error instanceof coop.ShapeError && error.message.startsWith(`${op}: `),
          `${call}`,
        );
    });
});

describe("random numbers", { timeout: 60_000 }, () => {
  test("bits are Threefry's: a known answer; keys and counters matter", async () => {
    assert.equal((await coop.bits(coop.key(0), [1]).data())[0], 0x6b200159);
    const [a, b, c] = await coop.read([
      coop.bits(coop.key(1), [64]),
      coop.bits(coop.key(2 ** 32), [64]),
      coop.bits(coop.key(1), [64]),
    ]);
    assert.deepEqual(a, c);
    assert.notDeepEqual(a, b);
    assert.equal(new Set([...a, ...b]).size, 128);
  });

  test("split and folded keys give streams of their own, the same ones every time", async () => {
    const k = coop.key(7);
    const keys = [
      ...coop.splitKey(k, 3),
      ...range(4).map((i) => coop.foldIn(k, i)),
      coop.foldIn(coop.foldIn(k, 0), 1),
      k,
    ];
    const streams = await coop.read(keys.map((one) => coop.uniform(one, [8])));
    const again = await coop.read(
      [...coop.splitKey(coop.key(7), 3), coop.foldIn(coop.key(7), 0)].map((one) => coop.uniform(one, [8])),
    );
    assert.equal(new Set(streams.flatMap((s) => [...s])).size, 9 * 8);
    assert.deepEqual(again, streams.slice(0, 4));
  });

  test("uniform and normal numbers have the moments they should", async () => {
    const n = 40_000;
    const [u, v, z] = await coop.read([
      coop.uniform(coop.key(3), [n]),
      coop.uniform(coop.key(4), [n], { min: -2, max: 6 }),
      coop.normal(coop.key(5), [n], { mean: 1, std: 3 }),
    ]);
    const moments = (x: ArrayLike<number>) => {
      const mean = total(n, (i) => x[i]) / n;
      const central = (p: number) => total(n, (i) => (x[i] - mean) ** p) / n;
      return { mean, std: Math.sqrt(central(2)), kurtosis: central(4) / central(2) ** 2 };
    };
    const near = (value: number, expected: number, by: number) =>
      assert.ok(Math.abs(value - expected) < by, `${value}, not ${expected}`);
    near(moments(u).mean, 0.5, 0.008);
    near(moments(u).std, Math.sqrt(1 / 12), 0.005);
    assert.ok(u.every((x) => x >= 0 && x < 1));
    near(moments(v).mean, 2, 0.06);
    assert.ok(v.every((x) => x >= -2 && x < 6));
    near(moments(z).mean, 1, 0.075);
    near(moments(z).std, 3, 0.06);
    near(moments(z).kurtosis, 3, 0.15);
  });
});
