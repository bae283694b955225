import assert from "node:assert/strict";
import { test } from "node:test";
import {
  adamw,
  clipByGlobalNorm,
  constantWarmup,
  cosine,
  globalNorm,
  linearWarmup,
  sgd,
} from "../src/autograd/index.ts";
import { device, read, type Tensor, tensor } from "../src/tensor/index.ts";

const TIMEOUT = { timeout: 60_000 };
await device();

const P = [0.5, -2, 3];
const G = [
  [0.1, -0.4, 2],
  [-0.3, 0.2, 1],
  [0.05, 0.6, -1],
];

/** Runs three steps of an optimizer on one parameter and returns it after each. */
async function run(
  step: (g: Tensor, p: Tensor, state: unknown) => [Tensor, unknown],
  state: (p: Tensor) => unknown,
): Promise<number[][]> {
  let p = tensor(P);
  let s = state(p);
  const seen: number[][] = [];
  for (const g of G) {
    [p, s] = step(tensor(g), p, s);
    seen.push([...((await read(p)) as Float32Array)]);
  }
  return seen;
}

function close(got: number[][], expected: number[][]): void {
  got.forEach((row, i) =>
    row.forEach((v, j) =>
      assert.ok(
        Math.abs(v - expected[i][j]) < 2e-6 * Math.max(1, Math.abs(expected[i][j])),
        `step ${i}: ${v}, not ${expected[i][j]}`,
      ),
    ),
  );
}

for (const nesterov of [false, true]) {
  test(`sgd with momentum, weight decay${nesterov ? " and Nesterov" : ""} in float64`, TIMEOUT, async () => {
    const [lr, mu, decay] = [0.1, 0.9, 0.01];
    const optimizer = sgd({ learningRate: lr, momentum: mu, weightDecay: decay, nesterov });
    const expected: number[][] = [];
    const [p, v] = [[...P], [0, 0, 0]];
    for (const g of G) {
      p.forEach((_, i) => {
        const d = g[i] + decay * p[i];
        v[i] = mu * v[i] + d;
        p[i] -= lr * (nesterov ? d + mu * v[i] : v[i]);
      });
      expected.push([...p]);
    }
    close(
      await run(
        (g, q, s) => optimizer.update(g, s as never, q),
        (q) => optimizer.init(q),
      ),
      expected,
    );
  });
}

test("sgd without momentum keeps no state", TIMEOUT, async () => {
  const optimizer = sgd({ learningRate: 0.5 });
  assert.deepEqual(optimizer.init(tensor(P)), { velocity: null });
  const [p] = optimizer.update(tensor(G[0]), { velocity: null }, tensor(P));
  close([[...((await read(p)) as Float32Array)]], [P.map((v, i) => v - 0.5 * G[0][i])]);
});

test("adamw in float64; only matrices decay; a rate given at the step counts", TIMEOUT, async () => {
  const [lr, b1, b2, epsilon, decay] = [0.05, 0.8, 0.95, 1e-6, 0.1];
  const optimizer = adamw({ learningRate: 99, beta1: b1, beta2: b2, epsilon, weightDecay: decay });
  for (const shape of [[3], [1, 3]]) {
    const expected: number[][] = [];
    const [p, m, v] = [[...P], [0, 0, 0], [0, 0, 0]];
    G.forEach((g, t) => {
      p.forEach((_, i) => {
        if (shape.length === 2) p[i] *= 1 - lr * decay;
        m[i] = b1 * m[i] + (1 - b1) * g[i];
        v[i] = b2 * v[i] + (1 - b2) * g[i] ** 2;
        p[i] -= (lr * (m[i] / (1 - b1 ** (t + 1)))) / (Math.sqrt(v[i] / (1 - b2 ** (t + 1))) + epsilon);
      });
      expected.push([...p]);
    });
    let q = tensor(P, shape);
    let state = optimizer.init(q);
    for (const [t, g] of G.entries()) {
      [q, state] = optimizer.update(tensor(g, shape), state, q, lr);
      close([[...((await read(q)) as Float32Array)]], [expected[t]]);
    }
  }
});

test("clipping scales all gradients together, and only long ones", TIMEOUT, async () => {
  const grads = { a: tensor([3, 0]), b: tensor([[4]]) };
  assert.ok(Math.abs((await globalNorm(grads).item()) - 5) < 1e-6);
  const short = await read(clipByGlobalNorm(grads, 10));
  assert.deepEqual([[...short.a], [...short.b]], [[3, 0], [4]]);
  const clipped = await read(clipByGlobalNorm(grads, 1));
  assert.ok(Math.abs(clipped.a[0] - 0.6) < 1e-6 && Math.abs(clipped.b[0] - 0.8) < 1e-6);
});

test("impossible settings are refused by name", () => {
  assert.throws(() => sgd({ learningRate: Number.NaN }), /sgd: learningRate is NaN/);
  assert.throws(() => sgd({ learningRate: 1, momentum: -1 }), /sgd: momentum is -1/);
  assert.throws(() => adamw({ learningRate: Number.POSITIVE_INFINITY }), /adamw: learningRate/);
});

test("schedules", () => {
  const fall = cosine(2, 10, 1);
  assert.equal(fall(0), 2);
  assert.ok(Math.abs(fall(5) - 1.5) < 1e-12);
  assert.equal(fall(10), 1);
  assert.equal(fall(99), 1);
  assert.equal(cosine(2, 10)(10), 0);
  assert.equal(cosine(2, 10)(10), 0, "down to nothing where no end is given");
  const rise = linearWarmup(4, fall);
  assert.deepEqual([0, 1, 3, 4].map(rise), [0.5, 1, 2, 2]);
  assert.ok(Math.abs(rise(9) - 1.5) < 1e-12);
  const hold = constantWarmup(0.1, 2, fall);
  assert.deepEqual([0, 1, 2].map(hold), [0.1, 0.1, 2]);
});
