import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sgd, valueAndGrad } from "../src/autograd/index.ts";
import {
  add,
  compile,
  device,
  matmul,
  mean,
  mul,
  read,
  square,
  sum,
  type Tensor,
  tensor,
} from "../src/tensor/index.ts";
import { collectLeftovers } from "./garbage.ts";

const values = async (t: Tensor) => [...(await t.data())];

describe("a compiled function called again", { timeout: 60_000 }, () => {
  test("with other numbers, results of all calls still held", async () => {
    const f = compile((x: Tensor, s: number, t: number) => [mul(x, s), add(x, t)]);
    const x = tensor([1, 2]);
    const calls = [
      [2, 0],
      [2, 0],
      [3, 0],
      [3, -0],
      [2, 5],
    ];
    const results = calls.map(([s, t]) => f(x, s, t));
    const got = await read(results);
    calls.forEach(([s, t], i) => {
      assert.deepEqual(
        got[i].map((a) => [...a]),
        [
          [s, 2 * s],
          [1 + t, 2 + t],
        ],
      );
    });
    assert.equal(f.inspect().length, 1);
  });

  test("is traced anew where shapes, types, keys or plain values differ, and only there", async () => {
    let traced = 0;
    const f = compile((p: { a: Tensor; b?: Tensor }, how: string | undefined) => {
      traced++;
      const x = p.b ? add(p.a, p.b) : p.a;
      return how === "sum" ? sum(x) : mean(x);
    });
    const [two, three, whole] = [tensor([1, 3]), tensor([1, 2, 6]), tensor(Int32Array.of(5, 7))];
    const rounds = async () => [
      ...(await values(f({ a: two }, "sum"))),
      ...(await values(f({ a: two }, "mean"))),
      ...(await values(f({ a: three }, "mean"))),
      ...(await values(f({ a: two, b: two }, "sum"))),
      ...(await values(f({ b: two, a: two }, "sum"))),
      ...(await values(f({ a: whole }, "sum"))),
      ...(await values(f({ a: two }, undefined))),
    ];
    const expected = [4, 2, 3, 8, 8, 12, 2];
    assert.deepEqual(await rounds(), expected);
    assert.deepEqual(await rounds(), expected);
    assert.equal(traced, 6);
    assert.throws(() => f({ a: two, b: new Map() as never }, "sum"), /not a Map/);
  });

  test("refuses what is gone, in the arguments and around them, and donating twice", async () => {
    const around = tensor([1, 1]);
    const f = compile((a: Tensor, b: Tensor) => [add(a, around), add(b, around)], { donate: [0, 1], name: "f" });
    await read(f(tensor([1, 2]), tensor([3, 4])));
    const [a, b] = [tensor([1, 2]), tensor([3, 4])];
    assert.throws(() => f(a, a), /argument 1 and argument 0 are the same tensor/);
    await read(f(a, b));
    assert.throws(() => f(a, tensor([0, 0])), /given away by a call of f/);
    around.free();
    assert.throws(() => f(tensor([1, 2]), tensor([3, 4])), /f, which closes over it/);
  });

  test("a training step settles: no bind group is made, no memory taken", async () => {
    const on = await device();
    await collectLeftovers(on);
    const optimizer = sgd({ learningRate: 0.1, momentum: 0.9 });
    const x = tensor([[1, 2], [3, 4]]); // biome-ignore format: a matrix
    const step = compile(
      (p: { w: Tensor; b: Tensor }, s: ReturnType<typeof optimizer.init>, rate: number) => {
        const [loss, g] = valueAndGrad((q: typeof p) => mean(square(add(matmul(x, q.w), q.b))))(p);
        return [...optimizer.update(g, s, p, rate), loss] as const;
      },
      { donate: [0, 1] },
    );
    let p = { w: tensor([[1, 0], [0, 1]]), b: tensor([1, 1]) }; // biome-ignore format: a matrix
    let s = optimizer.init(p);
    const losses: Tensor[] = [];
    const train = (steps: number) => {
      for (let i = 0; i < steps; i++) {
        let loss: Tensor;
        [p, s, loss] = step(p, s, 0.01);
        losses.push(loss);
        if (losses.length > 3) losses.shift()!.free();
      }
    };
    train(3);
    await read(losses);
    train(20);
    const { gpu } = on;
    const original = gpu.createBindGroup;
    const before = on.memory().bytes;
    let made = 0;
    gpu.createBindGroup = (descriptor) => {
      made++;
      return original.call(gpu, descriptor);
    };
    try {
      train(50);
    } finally {
      gpu.createBindGroup = original;
    }
    assert.equal(made, 0);
    assert.equal(on.memory().bytes, before);
    assert.ok((await losses[2].item()) < 5);
  });
});
