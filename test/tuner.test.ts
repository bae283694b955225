import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { choiceOf, forget, kindOf, recall, remember } from "../src/tensor/choices.ts";
import { compile, device, linear, tensor, tune } from "../src/tensor/index.ts";
import { allOps, type KernelCall } from "../src/tensor/op.ts";
import { sizeOf } from "../src/tensor/shape.ts";

const cache = mkdtempSync(join(tmpdir(), "coop-tuner-"));
const file = join(cache, "coop", "tuner.json");
const stored = () => JSON.parse(readFileSync(file, "utf8"));
const op = allOps().find(({ name }) => name === "matmul")!;
const { XDG_CACHE_HOME, COOP_TUNE } = process.env;

/** [8, 12] times the transpose of [12, 12]: several kernels fit it. */
const call: KernelCall = {
  inputs: [
    { shape: [16, 28], dtype: "f32", strides: [28, 1], offset: 0 },
    { shape: [28, 28], dtype: "f32", strides: [1, 28], offset: 0 },
  ],
  output: { shape: [16, 28], dtype: "f32" },
  attrs: {},
};

const filled = (...shape: number[]) => tensor(new Float32Array(sizeOf(shape)).fill(1), shape);

/** The kernel that a product of this shape runs on when it is compiled now. */
async function kernelOf(rows = 16, columns = 28): Promise<string> {
  const f = compile(linear);
  const y = f(filled(rows, columns), filled(columns, columns));
  assert.deepEqual(await y.data(), new Float32Array(rows * columns).fill(columns));
  return f.inspect()[0].dispatches.at(-1)!.label;
}

describe("the tuner", { timeout: 120_000 }, () => {
  let adapter: string;
  let usual: string;

  before(async () => {
    process.env.XDG_CACHE_HOME = cache;
    adapter = (await device()).adapter;
    usual = await kernelOf();
  });

  beforeEach(() => {
    delete process.env.COOP_TUNE;
    rmSync(file, { force: true });
    forget();
  });

  after(() => {
    Object.assign(process.env, { COOP_TUNE });
    delete process.env.XDG_CACHE_HOME;
    if (XDG_CACHE_HOME) process.env.XDG_CACHE_HOME = XDG_CACHE_HOME;
    rmSync(cache, { recursive: true });
  });

  test("measures every kernel that fits, once for each kind of call, and programs take the fastest", async () => {
    const weight = filled(28, 28);
    const measured = await tune(() => [linear(filled(16, 28), weight), linear(filled(17, 28), weight)]);
    assert.equal(measured.length, 1);
    const [{ call: kind, milliseconds, fastest }] = measured;
    assert.equal(kind, kindOf(op, call));
    assert.ok(Object.keys(milliseconds).includes("matmul") && Object.keys(milliseconds).length > 2);
    assert.equal(milliseconds[fastest], Math.min(...Object.values(milliseconds)));
    assert.deepEqual(stored(), { [adapter]: { [kind]: fastest } });
    assert.deepEqual(
      readdirSync(join(cache, "coop")).filter((name) => name.startsWith("tuner")),
      ["tuner.json"],
    );
    assert.equal(await kernelOf(), fastest);
  });

  test("choices last, for the adapter that they were made on, and COOP_TUNE=0 leaves them aside", async () => {
    await remember(adapter, { [kindOf(op, call)]: "matmul" });
    await remember("another adapter", { [kindOf(op, call)]: "matmul-tiles-64" });
    forget();
    assert.equal(choiceOf(adapter, op, call), undefined);
    await recall();
    assert.equal(choiceOf(adapter, op, call), "matmul");
    assert.equal(choiceOf("another adapter", op, call), "matmul-tiles-64");
    assert.equal(await kernelOf(), "matmul");
    process.env.COOP_TUNE = "0";
    assert.equal(await kernelOf(), usual);
  });

  test("a choice counts for its orientation and its extents, rounded to powers of two", () => {
    const [a, b] = call.inputs;
    const like = (inputs: KernelCall["inputs"]) => kindOf(op, { ...call, inputs });
    assert.equal(
      like([
        { ...a, shape: [15, 29], offset: 3 },
        { ...b, shape: [29, 28] },
      ]),
      kindOf(op, call),
    );
    assert.notEqual(like([a, { ...b, strides: [28, 1] }]), kindOf(op, call));
    assert.notEqual(like([{ ...a, shape: [100, 28] }, b]), kindOf(op, call));
    assert.notEqual(like([{ ...a, dtype: "f16" }, b]), kindOf(op, call));
  });

  for (const [what, text] of Object.entries({ "no JSON": "{", "other JSON": "[[1], null, 3]", nothing: "null" })) {
    test(`a file with ${what} in it is as good as none`, async () => {
      await remember(adapter, {});
      writeFileSync(file, text);
      forget();
      await recall();
      assert.equal(await kernelOf(), usual);
      await remember(adapter, { kind: "matmul" });
      assert.equal(stored()[adapter].kind, "matmul");
    });
  }

  test("a kernel that does not exist, or does not fit, is passed over", async () => {
    await remember(adapter, { [kindOf(op, call)]: "matmul-of-tomorrow" });
    assert.equal(await kernelOf(), usual);
  });

  test("COOP_TUNE=1 measures what a program needs before its first run", async () => {
    process.env.COOP_TUNE = "1";
    const taken = await kernelOf(16, 36);
    assert.deepEqual(Object.values(stored()[adapter]), [taken]);
  });
});
