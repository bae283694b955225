import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { grad } from "../src/autograd/grad.ts";
import { floatToHalf, halfToFloat } from "../src/tensor/half.ts";
import * as coop from "../src/tensor/index.ts";
import { allOps, type Op } from "../src/tensor/op.ts";
import { references } from "../src/tensor/reference.ts";
import { apply, type Tensor } from "../src/tensor/tensor.ts";

type Class = "NaN" | "∞" | "-∞" | "0" | "-0" | "+" | "-";

const classOf = (v: number): Class => {
  if (Number.isNaN(v)) return "NaN";
  if (!Number.isFinite(v)) return v > 0 ? "∞" : "-∞";
  if (v === 0) return Object.is(v, -0) ? "-0" : "0";
  return v > 0 ? "+" : "-";
};

const HUGE = Math.fround(3e38);
const TINY = Math.fround(1e-40);
const SPECIAL = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  0,
  -0,
  1,
  -1,
  2.5,
  -2.5,
  HUGE,
  -HUGE,
  TINY,
  -TINY,
];

const isSubnormal = (v: number) => v !== 0 && Math.abs(v) < 2 ** -126;
const anyNaN = (...x: number[]) => x.some(Number.isNaN);
const anyZero = (...x: number[]) => x.some((v) => v === 0);
const zeros = (...x: number[]) => x.every((v) => v === 0);

/**
 * Where GPUs may leave the float64 reference's class, beyond subnormals, which all of them may flush to zero. WGSL
 * (§15.7) lets implementations assume that NaN and infinities do not occur; these are the places where one was seen to.
 */
const EXCEPTIONS: Record<string, { readonly why: string; readonly when: (...inputs: number[]) => boolean }> = {
  sign: { why: "sign(NaN) is 0, and 0 has no sign", when: (x) => anyNaN(x) || anyZero(x) },
  exp: { why: "SwiftShader: exp(NaN) = ∞", when: anyNaN },
  log: { why: "SwiftShader: log of NaN, 0 and below are finite", when: (x) => !(x > 0) },
  sin: { why: "huge angles are the driver's; sin(−0) = 0", when: (x) => Math.abs(x) > 1e6 || x === 0 },
  cos: { why: "huge angles are the driver's", when: (x) => Math.abs(x) > 1e6 },
  roughCos: { why: "as cos", when: (x) => Math.abs(x) > 1e6 },
  tanh: { why: "clamp takes NaN to −15; tanh(−0) = 0", when: (x) => anyNaN(x) || anyZero(x) },
  sigmoid: { why: "SwiftShader: as exp", when: anyNaN },
  relu: { why: "max(NaN, 0) = 0", when: anyNaN },
  maximum: { why: "the other operand of NaN; either zero", when: (a, b) => anyNaN(a, b) || zeros(a, b) },
  minimum: { why: "the other operand of NaN; either zero", when: (a, b) => anyNaN(a, b) || zeros(a, b) },
  notEqual: { why: "ordered comparison: NaN ≠ x is false", when: anyNaN },
  pow: {
    why: "through exp2 and log2: only bases above 0 and finite exponents are sure; −0 loses its sign",
    when: (a, b) => !Number.isFinite(a) || !Number.isFinite(b) || Math.abs(b) > 1e6 || Object.is(a, -0),
  },
  remainder: {
    why: "nothing is left of a/b past 2²³, and a subnormal quotient may be 0",
    when: (a, b) => !(Math.abs(a / b) < 2 ** 23) || isSubnormal(a / b),
  },
};

const UNARY = [
  "neg",
  "abs",
  "sign",
  "floor",
  "exp",
  "log",
  "sqrt",
  "rsqrt",
  "square",
  "sin",
  "cos",
  "roughCos",
  "tanh",
  "sigmoid",
  "relu",
  "quickGelu",
  "erf",
  "orderKey",
  "finite",
] as const;
const BINARY = [
  "add",
  "sub",
  "mul",
  "div",
  "pow",
  "maximum",
  "minimum",
  "remainder",
  "equal",
  "notEqual",
  "less",
  "lessEqual",
  "greater",
  "greaterEqual",
] as const;
/** Elementwise ops that do not take floats, or are tried below. */
const OTHERS = ["logicalAnd", "logicalOr", "logicalNot", "shiftRight", "threefry", "where", "cast"];

describe("infinities, NaN and zeros", { timeout: 60_000 }, () => {
  test("the tables name every elementwise op", () => {
    const elementwise = allOps().filter(({ run }) => run.kind === "expression");
    assert.deepEqual(elementwise.map(({ name }) => name).sort(), [...UNARY, ...BINARY, ...OTHERS].sort());
  });

  test("elementwise ops give the class of the float64 reference, but for the written exceptions", async () => {
    const pairs = SPECIAL.flatMap((a) => SPECIAL.map((b) => [a, b] as const));
    const x = tensorOf(SPECIAL);
    const [a, b] = [0, 1].map((i) => tensorOf(pairs.map((pair) => pair[i])));
    const outputs = [
      ...UNARY.map((name) => apply(opCalled(name), [x.tensor])),
      ...BINARY.map((name) => apply(opCalled(name), [a.tensor, b.tensor])),
    ];
    const data = new Map([x, a, b].map((leaf) => [leaf.tensor, leaf.data]));
    const [onGpu, exact] = [await coop.read(outputs), references(outputs, data)];
    const wrong: string[] = [];
    [...UNARY, ...BINARY].forEach((name, n) => {
      exact[n].forEach((value, i) => {
        const inputs = n < UNARY.length ? [SPECIAL[i]] : [...pairs[i]];
        const expected = Math.fround(value);
        if ([...inputs, expected].some(isSubnormal) || EXCEPTIONS[name]?.when(...inputs)) return;
        if (classOf(onGpu[n][i]) !== classOf(expected))
          wrong.push(`${name}(${inputs}) is ${onGpu[n][i]}, not ${value}`);
      });
    });
    assert.deepEqual(wrong, []);
  });

  test("where picks, cast saturates, and what is picked stays as it is", async () => {
    const { tensor: x } = tensorOf(SPECIAL);
    const picked = await coop.where(coop.greater(coop.ones([SPECIAL.length]), 0), x, 7).data();
    for (const [i, v] of SPECIAL.entries()) if (!isSubnormal(v)) assert.equal(classOf(picked[i]), classOf(v));
    const finite = coop.tensor([3e38, -3e38, 4e9, -1, 2.9, -2.9]);
    assert.deepEqual(
      [...(await coop.cast(finite, "i32").data())],
      [2 ** 31 - 1, -(2 ** 31), 2 ** 31 - 1, -1, 2, -2].map(nearest),
    );
    assert.deepEqual([...(await coop.cast(finite, "u32").data())], [2 ** 32 - 1, 0, 4e9, 0, 2, 0].map(nearest));
    const ends = { i32: [2 ** 31 - 1, -(2 ** 31), 2 ** 31 - 1], u32: [2 ** 32 - 1, 0, 4e9] } as const;
    const given = new Map([[finite, Float64Array.of(3e38, -3e38, 4e9, -1, 2.9, -2.9)]]);
    for (const [dtype, values] of Object.entries(ends) as [keyof typeof ends, readonly number[]][])
      assert.deepEqual([...references([coop.cast(finite, dtype)], given)[0]].slice(0, 3), values);
    assert.deepEqual([...(await coop.cast(finite, "bool").data())], [1, 1, 1, 1, 1, 1]);
  });

  test("NaN goes through sums and products, whatever computes them; infinities of both signs make one", async () => {
    const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];
    for (const [bad, n] of [
      [[nan, 0], 3],
      [[inf, -inf], 3],
      [[nan, 0], 40],
    ] as const) {
      const x = coop.tensor(
        Float32Array.from({ length: n * n }, (_, i) => (i % n < 2 ? bad[i % n] : 1)),
        [n, n],
      );
      const image = coop.reshape(x, [1, 1, n, n]);
      const results = await coop.read([
        coop.sum(x),
        coop.sum(x, 1),
        coop.mean(x, 1),
        coop.matmul(x, coop.ones([n, n])),
        coop.conv2d(image, coop.ones([1, 1, n, n])),
      ]);
      for (const [at, values] of results.entries())
        assert.ok(values.every(Number.isNaN), `result ${at} of ${bad} in ${n} columns: ${values}`);
    }
  });

  test("sums and maxima of infinities; the softmax of huge and of masked scores, composed too", async () => {
    const inf = Number.POSITIVE_INFINITY;
    const x = coop.tensor([
      [1, inf, 2],
      [-inf, 1, 2],
      [inf, -inf, 0],
    ]);
    const [total, largest, smallest] = await coop.read([sum(x, 1), coop.max(x, 1), coop.min(x, 1)]);
    assert.deepEqual([...total], [inf, -inf, Number.NaN]);
    assert.deepEqual([...largest], [inf, 2, inf]);
    assert.deepEqual([...smallest], [1, -inf, -inf]);
    const scores = coop.tensor([
      [1e30, -1e30, 1e30],
      [-1e30, -1e30, 5],
    ]);
    const far = coop.tensor([
      [1000, 0],
      [-1000, -1000],
    ]);
    for (const composedOnly of [false, true]) {
      const both = coop.compile((a: Tensor, b: Tensor) => [coop.softmax(a), coop.logSumExp(b)], { composedOnly });
      const [shares, [sure, even]] = await coop.read(both(scores, far));
      assert.deepEqual([...shares], [0.5, 0, 0.5, 0, 0, 1]);
      assert.equal(sure, 1000);
      assert.ok(Math.abs(even - (Math.LN2 - 1000)) < 1e-3);
    }
  });
});

/** f32 has no 2³¹ − 1: a conversion ends at the nearest float below. */
const nearest = (v: number): number => (v === 2 ** 31 - 1 ? 2147483520 : v === 2 ** 32 - 1 ? 4294967040 : v);

const { sum } = coop;
const opCalled = (name: string): Op => allOps().find((op) => op.name === name)!;

function tensorOf(values: readonly number[]): { tensor: Tensor; data: Float64Array } {
  const data = Float64Array.from(values);
  return { tensor: coop.tensor(Float32Array.from(data)), data };
}

test("half precision: every number comes back, and what lies between goes to the nearest, ties to even", () => {
  const value = (bits: number) => halfToFloat(Uint16Array.of(bits))[0];
  const bits = (v: number) => floatToHalf(Float32Array.of(v))[0];
  for (let low = 0; low < 0x7bff; low++) {
    const [a, b] = [value(low), value(low + 1)];
    const middle = (a + b) / 2; // exact in float32
    const nudge = (b - a) / 64;
    const found = [bits(a), bits(-a), bits(middle - nudge), bits(middle), bits(middle + nudge)];
    assert.deepEqual(found, [low, low | 0x8000, low, low + (low & 1), low + 1], `${a} and ${b}`);
  }
  const ends = [65504, 65519, 65520, 1e30, Number.POSITIVE_INFINITY, 2 ** -25, 2 ** -25 * 1.001].map(bits);
  assert.deepEqual(ends, [0x7bff, 0x7bff, 0x7c00, 0x7c00, 0x7c00, 0, 1]);
  assert.ok(Number.isNaN(value(bits(Number.NaN))));
});

describe("gradients at kinks and ties, by their written rules", { timeout: 60_000 }, () => {
  const at = async (f: (x: Tensor) => Tensor, x: number[] | number[][]): Promise<number[]> => [
    ...(await grad((t: Tensor) => sum(f(t)))(coop.tensor(x)).data()),
  ];

  test("relu and abs at 0: 0", async () => {
    assert.deepEqual(await at(coop.relu, [-1, 0, 1]), [0, 0, 1]);
    assert.deepEqual(await at(coop.abs, [-1, 0, 1]), [-1, 0, 1]);
  });

  test("maximum and minimum at ties: half each", async () => {
    assert.deepEqual(await at((x) => coop.maximum(x, 2), [1, 2, 3]), [0, 0.5, 1]);
    assert.deepEqual(await at((x) => coop.maximum(2, x), [1, 2, 3]), [0, 0.5, 1]);
    assert.deepEqual(await at((x) => coop.minimum(x, 2), [1, 2, 3]), [1, 0.5, 0]);
    assert.deepEqual(await at((x) => coop.minimum(2, x), [1, 2, 3]), [1, 0.5, 0]);
  });

  test("max and min among ties: equal shares", async () => {
    assert.deepEqual(
      await at(
        (x) => coop.max(x, 1),
        [
          [3, 1, 3, 3],
          [0, 0, 1, 0],
        ],
      ),
      [1 / 3, 0, 1 / 3, 1 / 3, 0, 0, 1, 0].map(Math.fround),
    );
    assert.deepEqual(
      await at(
        (x) => coop.min(x, 0),
        [
          [3, 1],
          [3, 2],
        ],
      ),
      [0.5, 1, 0.5, 0],
    );
  });

  test("topKIndices and argmax among ties: the lower index first", async () => {
    assert.deepEqual([...(await coop.topKIndices(coop.tensor([2, 7, 7, 1, 7]), 4).data())], [1, 2, 4, 0]);
    assert.deepEqual(
      [
        ...(await coop
          .argmax(
            coop.tensor([
              [2, 1],
              [2, 5],
              [0, 5],
            ]),
            0,
          )
          .data()),
      ],
      [0, 1],
    );
  });

  test("pow at base 0, and with negative bases", async () => {
    assert.deepEqual(await at((x) => coop.pow(x, 1), [0, 2]), [1, 1]);
    const [flat, steep] = await at((x) => coop.pow(x, 2), [0, -3]);
    assert.ok(flat === 0 && Math.abs(steep + 6) < 1e-5);
    const values = await coop.pow(coop.tensor([0, 0, 0, -2, -2, -8]), coop.tensor([0, 2, -1, 3, 2, -1])).data();
    const expected = [1, 0, Number.POSITIVE_INFINITY, -8, 4, -0.125];
    for (const [i, v] of expected.entries()) assert.ok(values[i] === v || Math.abs(values[i] - v) < 1e-5, `${values}`);
  });
});
