import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { grad } from "../src/autograd/grad.ts";
import { DonatedError, OutOfMemoryError } from "../src/tensor/errors.ts";
import * as coop from "../src/tensor/index.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { collectLeftovers } from "./garbage.ts";
import { MORE, SEED } from "./gpu-settings.ts";

const { add, compile, device, free, mul, read, sum, tensor, upload } = coop;

/** Bytes that a tensor's buffer takes. */
const rounded = (count: number): number => Math.ceil(Math.max(4, 4 * count) / 256) * 256;
const valueBytes = async (): Promise<number> => (await device()).memory().byOwner.values;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** What the calls below compute, in whole numbers that stay small. */
const f = (a: Tensor, b: Tensor): Tensor => coop.remainder(add(a, sum(b)), 64);
const expected = (a: readonly number[], b: readonly number[]): number[] => a.map((v) => (v + total(b)) % 64);
const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

const keep = compile(f, { name: "keep" });
const take = compile(f, { name: "take", donate: [0] });

test("before the device is up: computing, freeing and donating wait for it", { timeout: 60_000 }, async () => {
  const [a, b] = [tensor([1, 2]), tensor([3, 4])];
  const c = take(a, b);
  const d = add(c, b);
  const e = keep(d, c);
  b.free();
  assert.throws(() => add(a, 1), DonatedError);
  assert.throws(() => add(b, 1), /free\(\)/);
  assert.deepEqual([...(await e.data())], [8 + 3 + 17, 9 + 4 + 17]);
  free([c, d, e]);
  assert.equal(await valueBytes(), 0);
});

// ---- a model of who owns what -----------------------------------------------------------------------------------------

/** A tensor as the model sees it: its values, or the name of the call that took its memory. */
interface Slot {
  readonly values: readonly number[];
  goneBy?: RegExp;
}
type Model = Slot[];
type Real = Tensor[];
type Command = fc.AsyncCommand<Model, Real>;

const pick = <T>(list: readonly T[], n: number): T => list[n % list.length];

abstract class Act implements Command {
  constructor(
    readonly i: number,
    readonly j: number,
  ) {}
  check = (model: Readonly<Model>): boolean => model.length > 0;
  abstract act(model: Model, real: Real): Promise<void>;
  toString = (): string => `${this.constructor.name}(${this.i}, ${this.j})`;

  async run(model: Model, real: Real): Promise<void> {
    await this.act(model, real);
    await (await device()).idle();
    const owned = model.filter(({ goneBy }) => !goneBy).map(({ values }) => rounded(values.length));
    assert.equal(await valueBytes(), total(owned), `${this}: bytes of values`);
  }

  /** Runs an op on two slots: gives a new slot, or throws because one is gone. */
  async operate(model: Model, real: Real, f: (a: Tensor, b: Tensor) => Tensor, gone?: RegExp): Promise<void> {
    const [a, b] = [pick(model, this.i), pick(model, this.j)];
    const call = () => f(pick(real, this.i), pick(real, this.j));
    if (a.goneBy || b.goneBy) {
      const taken = [a.goneBy, b.goneBy].filter((by) => by !== undefined);
      assert.throws(
        call,
        (error: Error) => error instanceof DonatedError && taken.some((by) => by.test(error.message)),
      );
      return;
    }
    const made = call();
    model.push({ values: expected(a.values, b.values) });
    real.push(made);
    if (gone) a.goneBy = gone;
    await made.data();
  }
}

class FromArray extends Act {
  override check = (): boolean => true;
  async act(model: Model, real: Real): Promise<void> {
    const values = range((this.i % 70) + 1).map((v) => (v + this.j) % 5);
    model.push({ values });
    real.push(tensor(values));
    await real.at(-1)!.data();
  }
}

class Upload extends FromArray {
  override async act(model: Model, real: Real): Promise<void> {
    const values = Float32Array.from(range((this.i % 70) + 1), (v) => (v * this.j) % 7);
    model.push({ values: [...values] });
    real.push(await upload([values.length], "f32", (put) => put(0, new Uint8Array(values.buffer))));
  }
}

class Step extends Act {
  act = (model: Model, real: Real): Promise<void> => this.operate(model, real, keep);
}

class Donate extends Act {
  act = (model: Model, real: Real): Promise<void> =>
    this.operate(model, real, take, /a call of take that it was donated to/);
}

class Op extends Act {
  act = (model: Model, real: Real): Promise<void> => this.operate(model, real, f);
}

class Free extends Act {
  async act(model: Model, real: Real): Promise<void> {
    pick(model, this.i).goneBy ??= /free\(\)/;
    pick(real, this.i).free();
  }
}

/** Frees the argument of a call whose result nobody has waited for. */
class FreeUnderWork extends Act {
  async act(model: Model, real: Real): Promise<void> {
    const a = pick(model, this.i);
    if (a.goneBy) return;
    const made = keep(pick(real, this.i), pick(real, this.i));
    pick(real, this.i).free();
    a.goneBy = /free\(\)/;
    model.push({ values: expected(a.values, a.values) });
    real.push(made);
    await made.data();
  }
}

class Read extends Act {
  async act(model: Model, real: Real): Promise<void> {
    const { values, goneBy } = pick(model, this.i);
    const twice = () => Promise.all([pick(real, this.i).data(), read({ x: pick(real, this.i) })]);
    if (goneBy) {
      await assert.rejects(twice, (error: Error) => error instanceof DonatedError && goneBy.test(error.message));
      return;
    }
    const [first, { x }] = await twice();
    assert.deepEqual([...first], values.map(Math.fround));
    assert.deepEqual(first, x);
  }
}

describe("ownership", { timeout: 120_000 }, () => {
  test("memory and errors are the model's, whatever is done in whatever order", async () => {
    const numbers = fc.tuple(fc.nat(500), fc.nat(500));
    const commands = [FromArray, Upload, Step, Donate, Op, Free, FreeUnderWork, Read].map((Kind) =>
      numbers.map(([i, j]) => new Kind(i, j) as Command),
    );
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 40, size: "max" }), async (all) => {
        const real: Real = [];
        try {
          await fc.asyncModelRun(() => ({ model: [] as Model, real }), all);
        } finally {
          free(real);
          await (await device()).idle();
        }
        assert.equal(await valueBytes(), 0);
      }),
      { numRuns: 30 * MORE, seed: SEED, includeErrorInReport: true },
    );
  });

  test("an error says what took the tensor, and what to do", async () => {
    const [a, b] = [tensor([1, 2]), tensor([3])];
    const c = take(a, b);
    const gone = /add.*a call of take that it was donated to.*use the value that call returned/s;
    assert.throws(() => add(a, 1), gone);
    assert.throws(() => keep(a, b), /keep.*a call of take/s);
    assert.throws(() => grad((x: Tensor) => sum(x))(a), DonatedError);
    const closes = compile((x: Tensor) => add(x, b), { name: "closes" });
    const made = closes(c);
    await made.data();
    b.free();
    assert.throws(() => closes(c), DonatedError);
    free([c, made]);
  });

  test("one tensor cannot be donated twice in a call, and the refusal takes nothing", async () => {
    const swap = compile((p: { x: Tensor; y: Tensor }) => ({ x: p.y, y: p.x }), { name: "swap", donate: [0] });
    const a = tensor([5]);
    assert.throws(() => swap({ x: a, y: a }), /swap: argument 0\.y and argument 0\.x are the same tensor/);
    assert.deepEqual([...(await a.data())], [5]);
    const both = compile((p: Tensor, q: Tensor) => add(p, q), { name: "both", donate: [0, 1] });
    assert.throws(() => both(a, a), /argument 1 and argument 0/);
    const b = tensor([7]);
    const made = swap({ x: a, y: b });
    assert.deepEqual(await read(made), { x: Float32Array.of(7), y: Float32Array.of(5) });
    free(made);
  });

  test("results that are one tensor, or an argument, are buffers of their own", async () => {
    const a = tensor([1, 2, 3]);
    const same = compile((x: Tensor) => ({ x, again: x, y: add(x, 1), z: add(x, 1) }), { name: "same" });
    const made = same(a);
    a.free();
    made.x.free();
    made.y.free();
    assert.deepEqual(await read({ again: made.again, z: made.z }), {
      again: Float32Array.of(1, 2, 3),
      z: Float32Array.of(2, 3, 4),
    });
    free(made);
  });

  test("a thousand steps take no more memory than ten", async () => {
    const on = await device();
    await collectLeftovers(on);
    const step = compile(
      (p: { w: Tensor; b: Tensor }, x: Tensor, rate: number) =>
        coop.treeMap(
          (v: Tensor, g: Tensor) => coop.sub(v, mul(g, rate)),
          p,
          grad((q: { w: Tensor; b: Tensor }) => coop.mean(coop.square(coop.linear(x, q.w, q.b))))(p),
        ) as { w: Tensor; b: Tensor },
      { donate: [0], name: "step" },
    );
    const x = tensor(Float32Array.from(range(96), Math.sin), [12, 8]);
    let p = { w: coop.ones([3, 8]), b: coop.zeros([3]) };
    const at: number[] = [];
    for (let i = 1; i <= 1000; i++) {
      p = step(p, x, 0.01 / i);
      if (i === 10 || i === 1000) {
        await p.w.data();
        await on.idle();
        at.push(on.memory().bytes, on.memory().buffers, on.memory().byOwner.values);
      }
    }
    assert.deepEqual(at.slice(3), at.slice(0, 3));
    free([p, x]);
    step.free();
  });

  test("an allocation that fails at any point leaks nothing, and everything works afterwards", async () => {
    const on = await device();
    await collectLeftovers(on);
    const g = (x: Tensor, y: Tensor) => ({ a: coop.matmul(x, y), b: coop.softmax(add(x, sum(y))) });
    const { allocate } = on.buffers;
    for (let n = 0; n < 8; n++) {
      const before = on.memory().byOwner;
      const run = compile(g, { name: "g" });
      const [x, y] = [
        coop.tensor([
          [1, 2],
          [3, n],
        ]),
        coop.tensor([
          [n, 1],
          [1, 0],
        ]),
      ];
      let calls = 0;
      on.buffers.allocate = (...args) => {
        if (calls++ === n) throw new OutOfMemoryError("as planned");
        return allocate.apply(on.buffers, args);
      };
      let failed = false;
      try {
        const made = run(x, y);
        await read(made).catch((error) => {
          assert.ok(error instanceof OutOfMemoryError);
          failed = true;
        });
        free(made);
      } finally {
        on.buffers.allocate = allocate;
      }
      assert.equal(failed, calls > n);
      const made = run(x, y);
      assert.deepEqual([...(await made.a.data())], [n + 2, 1, 3 * n + n, 3]);
      free([made, x, y]);
      run.free();
      await on.idle();
      const { values, programs } = on.memory().byOwner;
      assert.deepEqual({ values, programs }, { values: before.values, programs: before.programs }, `allocation ${n}`);
    }
  });

  test("an upload that breaks off gives its memory back", async () => {
    await collectLeftovers(await device());
    const before = await valueBytes();
    await assert.rejects(
      upload([8], "f32", () => Promise.reject(new Error("cable"))),
      /cable/,
    );
    await assert.rejects(
      upload([8], "f32", (put) => put(16, new Uint8Array(32))),
      /16/,
    );
    assert.equal(await valueBytes(), before);
  });
});
