import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkGradients, normals } from "../src/autograd/check.ts";
import { checkpoint, customVjp, grad, jvp, valueAndGrad, valueAndGradWith, vjp } from "../src/autograd/grad.ts";
import { CoopError, DTypeError, ShapeError } from "../src/tensor/errors.ts";
import * as coop from "../src/tensor/index.ts";
import { lower } from "../src/tensor/lower.ts";
import { reference, referenceOf } from "../src/tensor/reference.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

const { add, compile, cos, exp, matmul, mean, mul, neg, read, sin, square, sub, sum, tanh, tensor } = coop;

const list = async (t: Tensor): Promise<number[]> => [...(await t.data())];
const x = tensor([0.5, -1, 2]);
const w = tensor([
  [1, 2, 3],
  [-1, 0.5, 0.25],
]);

/** Both are the same numbers but for rounding. */
async function near(a: unknown, b: unknown, tolerance = 1e-5): Promise<void> {
  const [p, q] = [coop.treeLeaves<ArrayLike<number>>(await read(a)), coop.treeLeaves<ArrayLike<number>>(await read(b))];
  assert.equal(p.length, q.length);
  p.forEach((values, i) => {
    assert.equal(values.length, q[i].length);
    for (let j = 0; j < values.length; j++)
      assert.ok(Math.abs(values[j] - q[i][j]) <= tolerance * (1 + Math.abs(q[i][j])), `${values} ≠ ${q[i]}`);
  });
}

const labels = (...roots: Tensor[]): string[] =>
  lower(roots, new Map(), { subgroupLanes: 0, maxBindings: 8, kernelsOnly: true }).dispatches.map(({ label }) => label);
/** Launches that compute an op, alone or with others. */
const count = (all: readonly string[], label: string): number => all.filter((l) => l.split("+").includes(label)).length;

describe("gradients", { timeout: 60_000 }, () => {
  test("the gradient of a sum is the sum of the gradients, and that of a product follows Leibniz", async () => {
    const f = (t: Tensor) => sum(mul(sin(t), t));
    const g = (t: Tensor) => mean(exp(tanh(t)));
    await near(grad((t: Tensor) => add(f(t), g(t)))(x), add(grad(f)(x), grad(g)(x)));
    await near(grad((t: Tensor) => mul(f(t), g(t)))(x), add(mul(grad(f)(x), g(x)), mul(grad(g)(x), f(x))));
    await near(grad((t: Tensor) => mul(f(t), -3))(x), mul(grad(f)(x), -3));
  });

  test("the chain rule: pulling back through two functions is pulling back twice", async () => {
    const [f, g] = [(t: Tensor) => matmul(w, t), (t: Tensor) => tanh(t)];
    const [y, pullF] = vjp(f, x);
    const [, pullG] = vjp(g, y);
    const [, pull] = vjp((t: Tensor) => g(f(t)), x);
    const c = tensor([1, -2]);
    await near(pull(c), pullF(pullG(c)));
  });

  test("what a function returns beside its value comes along, and adds nothing to the gradient", async () => {
    const f = (t: Tensor, by: number): [Tensor, { double: Tensor }] => [sum(square(t)), { double: mul(t, by) }];
    const [[value, { double }], gradient] = valueAndGradWith(f)(x, 2);
    await near(value, tensor(5.25));
    await near([double, gradient], [mul(x, 2), mul(x, 2)]);
  });

  test("structure is kept; what plays no part has gradient 0; the value comes along", async () => {
    const params = { z: x, layers: [{ w, b: tensor([1, 2]) }], "a.b": tensor([7]), a: { b: tensor([3]) } };
    const loss = (p: typeof params) => sum(add(matmul(p.layers[0].w, p.z), mul(p.layers[0].b, p.a.b)));
    const [value, gradient] = valueAndGrad(loss)(params);
    assert.deepEqual(Object.keys(gradient), Object.keys(params));
    await near(value, loss(params));
    await near(gradient, {
      z: tensor([0, 2.5, 3.25]),
      layers: [
        {
          w: tensor([
            [0.5, -1, 2],
            [0.5, -1, 2],
          ]),
          b: tensor([3, 3]),
        },
      ],
      "a.b": tensor([0]),
      a: { b: tensor([3]) },
    });
  });

  test("a tensor used twice gets both gradients; another use of the same tensor gets none", async () => {
    await near(grad((t: Tensor) => sum(mul(t, t)))(x), mul(x, 2));
    await near(grad((t: Tensor) => sum(mul(t, x)))(x), x);
    await near(grad((p: { a: Tensor; b: Tensor }) => sum(mul(p.a, square(p.b))))({ a: x, b: x }), {
      a: square(x),
      b: mul(square(x), 2),
    });
  });

  test("derivatives of derivatives", async () => {
    const derivative = (f: (t: Tensor) => Tensor) => (t: Tensor) => grad((u: Tensor) => sum(f(u)))(t);
    await near(derivative(derivative(sin))(x), neg(sin(x)));
    await near(derivative(derivative(derivative((t) => mul(square(t), t))))(x), coop.full([3], 6));
    await near(derivative(derivative(tanh))(x), mul(mul(tanh(x), -2), sub(1, square(tanh(x)))));
    // the Hessian of xᵀAx times v is (A + Aᵀ)v
    const a = tensor([
      [1, 2, 0],
      [0, 3, 4],
      [5, 0, 6],
    ]);
    const v = tensor([1, -1, 0.5]);
    const quadratic = (t: Tensor) => sum(mul(t, matmul(a, t)));
    await near(grad((t: Tensor) => sum(mul(grad(quadratic)(t), v)))(x), matmul(add(a, coop.transpose(a)), v));
  });

  test("compiled functions are differentiated as what they are, and compiled gradients are gradients", async () => {
    const f = (p: { w: Tensor; b: Tensor }) => sum(square(add(matmul(p.w, x), p.b)));
    const params = { w, b: tensor([1, 2]) };
    await near(grad(compile(f))(params), grad(f)(params));
    await near(compile(grad(f))(params), grad(f)(params));
    await near(grad(grad2(compile(sin)))(x), neg(sin(x)));
    const [y, pull] = vjp(
      compile((t: Tensor) => sin(t)),
      x,
    );
    await near(pull(coop.ones([3])), cos(x));
    await near(y, sin(x));
  });

  /** Σ of the gradient of Σ f. */
  const grad2 = (f: (t: Tensor) => Tensor) => (t: Tensor) => sum(grad((u: Tensor) => sum(f(u)))(t));

  test("reading the value first does not cut the way back", async () => {
    const [y, pull] = vjp((t: Tensor) => mul(sin(t), 2), x);
    await y.data();
    await near(pull(coop.ones([3])), mul(cos(x), 2));
    await near(pull(x), mul(cos(x), mul(x, 2)));
  });
});

describe("jvp", { timeout: 60_000 }, () => {
  const f = (p: { t: Tensor; w: Tensor }) => ({ y: tanh(matmul(p.w, p.t)), z: [sum(exp(p.t))] });
  const at = { t: x, w };
  const along = {
    t: tensor([1, 0.5, -1]),
    w: tensor([
      [0, 1, 0],
      [2, 0, -1],
    ]),
  };

  test("is the derivative along the tangent, by differences in float64", async () => {
    const [value, pushed] = jvp(f, at, along);
    await near(value, f(at));
    const step = 1e-4;
    const leaves = (p: typeof at) => coop.treeLeaves<Tensor>(p);
    const data = new Map(
      await Promise.all(
        [...leaves(at), ...leaves(along)].map(async (l) => [l, Float64Array.from(await l.data())] as const),
      ),
    );
    const moved = (sign: number) =>
      new Map(
        leaves(at).map((l, i) => [l, data.get(l)!.map((v, j) => v + sign * step * data.get(leaves(along)[i])![j])]),
      );
    const outputs = coop.treeLeaves<Tensor>(f(at));
    const got = coop.treeLeaves<ArrayLike<number>>(await read(pushed));
    outputs.forEach((output, i) => {
      const [up, down] = [reference(output, moved(1)), reference(output, moved(-1))];
      up.forEach((v, j) => {
        assert.ok(Math.abs((v - down[j]) / (2 * step) - got[i][j]) < 1e-4, `output ${i}, ${j}`);
      });
    });
  });

  test("⟨w, J v⟩ = ⟨Jᵀ w, v⟩, and linear in the tangent", async () => {
    const [, pushed] = jvp(f, at, along);
    const c = { y: tensor([0.5, -2]), z: [tensor(3)] };
    const pulled = vjp(f, at)[1](c);
    const dot = (a: unknown, b: unknown) =>
      coop
        .treeLeaves<Tensor>(a)
        .map((t, i) => sum(mul(t, coop.treeLeaves<Tensor>(b)[i])))
        .reduce((p, q) => add(p, q));
    await near(dot(pushed, c), dot(pulled, along));
    const twice = coop.treeMap((t: Tensor) => mul(t, 2), along) as typeof along;
    await near(
      jvp(f, at, twice)[1],
      coop.treeMap((t: Tensor) => mul(t, 2), pushed),
    );
  });
});

describe("what stops, replaces and repeats gradients", { timeout: 60_000 }, () => {
  test("stopGradient: the value without the gradient", async () => {
    await near(coop.stopGradient(sin(x)), sin(x));
    await near(grad((t: Tensor) => sum(mul(t, coop.stopGradient(square(t)))))(x), square(x));
    await near(grad((t: Tensor) => sum(coop.stopGradient(t)))(x), coop.zeros([3]));
  });

  test("what is frozen costs no kernel", () => {
    const [a, b, c] = [4, 5, 6].map((n, i) => coop.tensor(new Float32Array(n * (n + 1)).fill(i), [n, n + 1]));
    const input = coop.tensor(new Float32Array(8), [2, 4]);
    const loss = (p: { a: Tensor; b: Tensor; c: Tensor }) =>
      sum(tanh(matmul(tanh(matmul(tanh(matmul(input, p.a)), p.b)), p.c)));
    const p = { a, b, c };
    const products = (...roots: Tensor[]) => count(labels(...roots), "matmul");
    assert.equal(products(loss(p)), 3);
    assert.equal(products(...coop.treeLeaves<Tensor>(grad(loss)(p))), 3 + 5);
    assert.equal(products(grad((last: Tensor) => loss({ ...p, c: last }))(c)), 3 + 1);
    assert.equal(products(grad((first: Tensor) => loss({ ...p, a: first }))(a)), 3 + 3);
    assert.deepEqual(labels(grad((t: Tensor) => sum(coop.stopGradient(matmul(t, b))))(a)), ["copy"]);
  });

  test("frozen gains and biases of a norm cost no kernel", () => {
    const [gain, bias] = [tensor([1, 2, 3]), tensor([4, 5, 6])];
    const weights = tensor([
      [1, 2, 4],
      [3, 5, 4],
    ]);
    const loss = (t: Tensor, p: { gain: Tensor; bias: Tensor }) =>
      sum(mul(coop.layerNorm(t, p.gain, p.bias), coop.sin(weights)));
    const of = (...roots: Tensor[]) => labels(...roots).filter((label) => label !== "sin+mul");
    assert.deepEqual(of(grad((t: Tensor) => loss(t, { gain, bias }))(weights)), ["layer-norm-grad-alone"]);
    const { bias: only } = grad((p: { bias: Tensor }) => loss(weights, { gain, ...p }))({ bias });
    assert.deepEqual(labels(only), ["sin+mul+sum"]);
  });

  test("customVjp: the rule instead of the ops, of several arguments, and twice", async () => {
    const clipped = customVjp(
      (t: Tensor) => t,
      (g) => [coop.minimum(coop.maximum(g, -1), 1)],
    );
    await near(grad((t: Tensor) => sum(mul(clipped(t), tensor([5, 0.5, -7]))))(x), tensor([1, 0.5, -1]));
    await near(clipped(x), x);
    const swapped = customVjp(
      (a: Tensor, b: Tensor) => mul(a, b),
      (g, [a, b]) => [mul(g, a), mul(g, b)],
    );
    await near(grad((p: Tensor[]) => sum(swapped(p[0], p[1])))([x, cos(x)]), [x, cos(x)]);
    const honest = customVjp(
      (t: Tensor) => exp(t),
      (g, _, y) => [mul(g, y)],
    );
    await near(grad((t: Tensor) => sum(grad((u: Tensor) => sum(honest(u)))(t)))(x), exp(x));
  });

  test("checkpoint: the same value and gradients, to the second order, from half the memory", async () => {
    const block = (t: Tensor, m: Tensor) => tanh(matmul(m, tanh(matmul(m, t))));
    const m = tensor([
      [1, 2, 3],
      [-1, 0.5, 0.25],
      [0, 1, -1],
    ]);
    const chain = (f: typeof block) => (p: { t: Tensor; m: Tensor }) => sum(f(f(f(p.t, p.m), p.m), p.m));
    const at = { t: x, m };
    await near(valueAndGrad(chain(checkpoint(block)))(at), valueAndGrad(chain(block))(at));
    const second = (f: typeof block) =>
      grad((p: typeof at) =>
        coop
          .treeLeaves<Tensor>(grad(chain(f))(p))
          .map((g) => sum(sin(g)))
          .reduce((a, b) => add(a, b)),
      )(at);
    await near(second(checkpoint(block)), second(block), 1e-4);
    // forward, then forward again inside the backward pass
    const products = (f: typeof block) => count(labels(...coop.treeLeaves<Tensor>(grad(chain(f))(at))), "matmul");
    assert.equal(products(block), 6 + 12);
    assert.equal(products(checkpoint(block)), 4 + 6 + 12); // nobody needs the last block's own value
  });
});

describe("errors", { timeout: 60_000 }, () => {
  test("name what was wrong, and where in the tree", () => {
    const throws = (f: () => unknown, kind: new (...args: never[]) => Error, message: RegExp) =>
      assert.throws(
        f,
        (error: Error) =>
          (error instanceof kind && message.test(error.message)) || assert.fail(`${error.name}: ${error.message}`),
      );
    throws(() => grad((t: Tensor) => sin(t))(x), ShapeError, /grad.*\[3\].*scalar/);
    throws(() => grad(((t: Tensor) => [sum(t)]) as unknown as (t: Tensor) => Tensor)(x), ShapeError, /list.*scalar/);
    throws(
      () => grad((p: { layers: { ids: Tensor }[] }) => sum(p.layers[0].ids))({ layers: [{ ids: coop.arange(3) }] }),
      DTypeError,
      /layers\[0\]\.ids is i32/,
    );
    throws(
      () => grad((p: { rate: unknown }) => sum(p.rate as Tensor))({ rate: "fast" }),
      CoopError,
      /rate is not a tensor/,
    );
    throws(() => vjp((t: Tensor) => sin(t), x)[1](tensor([1, 2])), ShapeError, /vjp.*\[2\].*\[3\]/);
    throws(() => jvp((t: Tensor) => sin(t), x, tensor([1, 2])), ShapeError, /jvp.*\[2\].*\[3\]/);
    throws(
      () =>
        grad((t: Tensor) =>
          sum(
            customVjp(
              (u: Tensor) => u,
              () => [],
            )(t),
          ),
        )(x),
      CoopError,
      /0 gradients for 1/,
    );
    throws(
      () =>
        grad((t: Tensor) =>
          sum(
            customVjp(
              (u: Tensor) => u,
              (g) => [g, g],
            )(t),
          ),
        )(x),
      CoopError,
      /2 gradients for 1/,
    );
    throws(
      () =>
        grad((t: Tensor) =>
          sum(
            customVjp(
              (u: Tensor) => u,
              (g) => [sum(g)],
            )(t),
          ),
        )(x),
      ShapeError,
      /gradient 0 has shape \[\], its argument \[3\]/,
    );
    throws(
      () => grad((t: Tensor) => (sum(t) > (0 as unknown as Tensor) ? sum(t) : neg(sum(t))))(x),
      CoopError,
      /where/,
    );
    throws(() => coop.treeMap((a: Tensor, b: Tensor) => add(a, b), { a: [x, x] }, { a: [x] }), CoopError, /"a"/);
  });
});

describe("the gradient checker", { timeout: 60_000 }, () => {
  test("passes what is right, to the second order", async () => {
    const report = await checkGradients(
      (p: { w: Tensor }, t: Tensor) => coop.softmax(matmul(p.w, tanh(t))),
      [{ w }, x],
      { order: 2, seed: 3 },
    );
    assert.ok(report.differences.length === 2 && report.differences.every((e) => e < 1e-8) && report.gpu < 1e-5);
    const ids = tensor(Int32Array.of(0, 1, 1));
    await checkGradients((table: Tensor, at: Tensor) => coop.gather(table, at), [w, ids]);
    assert.ok(Number.isNaN((await checkGradients(sin, [x], { gpuTolerance: Number.POSITIVE_INFINITY })).gpu));
  });

  test("catches a gradient that is a little wrong, in the first and in the second order", async () => {
    const wrong = customVjp(
      (t: Tensor) => sin(t),
      (g, [t]) => [mul(g, mul(cos(t), 1.0001))],
    );
    await assert.rejects(
      checkGradients(wrong, [x]),
      (e: Error) => e instanceof CoopError && /order 1.*e-5/.test(e.message),
    );
    const hidden = customVjp(
      (t: Tensor) => sin(t),
      (g, [t]) => [mul(g, coop.stopGradient(cos(t)))],
    );
    await checkGradients(hidden, [x]);
    await assert.rejects(checkGradients(hidden, [x], { order: 2 }), /order 2/);
    const missing = (t: Tensor) => mul(t, coop.stopGradient(t));
    await assert.rejects(checkGradients(missing, [x]), /order 1/);
  });

  test("allows a hundred-thousandth of a gradient by itself, and what it is told to", async () => {
    const off = (by: number) =>
      customVjp(
        (t: Tensor) => sin(t),
        (g, [t]) => [mul(g, mul(cos(t), 1 + by))],
      );
    const one = tensor([0.5]);
    await checkGradients(off(0.5e-5), [one]);
    await assert.rejects(checkGradients(off(1.5e-5), [one]), /order 1.*1\.50e-5, more than 0\.00001/);
    await checkGradients(off(1.5e-5), [one], { tolerance: 2e-5 });
    await assert.rejects(checkGradients(off(0.5e-5), [one], { tolerance: 4e-6 }), /order 1/);
  });

  test("its random numbers are normal and do not repeat; a seed gives the same again", () => {
    for (const seed of [0, 1, -7]) {
      const random = normals(seed);
      const sorted = Float64Array.from({ length: 4000 }, random).sort();
      assert.ok(new Set(sorted).size > 3990, `${new Set(sorted).size} of 4000 are different`);
      const within = (bound: number) => sorted.filter((v) => v < bound).length / sorted.length;
      for (const [bound, share] of [
        [-2, 0.0228],
        [-1, 0.1587],
        [-0.3, 0.3821],
        [0, 0.5],
        [0.3, 0.6179],
        [1, 0.8413],
        [2, 0.9772],
      ])
        assert.ok(Math.abs(within(bound) - share) < 0.03, `${within(bound)} below ${bound}`);
      assert.deepEqual(normals(seed)(), normals(seed)());
    }
    assert.notEqual(normals(1)(), normals(2)());
  });

  test("the reference reads what lies on the device, and says which leaf has no value", async () => {
    const y = exp(mul(x, 2));
    assert.deepEqual([...(await referenceOf([y]))[0]], [1, -2, 4].map(Math.exp));
    assert.deepEqual([...reference(y, new Map([[x, Float64Array.of(0, 1, 2)]]))], [0, 2, 4].map(Math.exp));
    assert.throws(
      () => reference(y),
      (e: Error) => e instanceof CoopError && /source.*referenceOf/.test(e.message),
    );
    assert.deepEqual(await list(y), [...new Float32Array(await y.data())]);
  });
});
