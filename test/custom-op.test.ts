// An op from outside the library, by the public API alone: declared, applied, checked, fused; and what is said when it is wrong.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  add,
  apply,
  CoopError,
  cast,
  compile,
  DeviceError,
  defineOp,
  grad,
  type Kernel,
  key,
  mul,
  normal,
  type Op,
  square,
  sum,
  type Tensor,
  tensor,
} from "../src/index.ts";
import { checkOp } from "../src/testing.ts";

const TIMEOUT = { timeout: 60_000 };

/** x² + shift as a kernel, with the fields of `Params` on one line and no comma behind the last. */
const source = (value: string) => `
struct Params { COUNT: u32, SHIFT: f32 }
@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;
@group(0) @binding(2) var<uniform> P: Params;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i < P.COUNT) { y[i] = finish(${value}, i, i); }
}`;

const kernel = (text: string): Kernel => ({
  name: "shifted-square",
  source: text,
  columns: () => 0,
  params: ({ output, attrs }) => ({
    COUNT: output.shape.reduce((n, extent) => n * extent, 1),
    SHIFT: attrs.shift as number,
  }),
  workgroups: () => [4, 1, 1],
});

const right = source("x[i] * x[i] + P.SHIFT");
const SHIFTED: Op = defineOp({
  name: "shiftedSquare",
  result: ([x]) => x,
  reference: ([x], attrs) => x.data.map((v) => v * v + (attrs.shift as number)),
  vjp: ({ g, inputs: [x] }) => mul(g, mul(x, 2)),
  run: { kind: "kernel", kernels: [kernel(right)], composed: ([x], attrs) => add(square(x), attrs.shift as number) },
});
const withKernel = (text: string): Op => ({ ...SHIFTED, run: { kind: "kernel", kernels: [kernel(text)] } });
const shifted = (x: Tensor) => apply(SHIFTED, [x], { shift: 3 });
const x = normal(key(1), [3, 5, 7]);

describe("an op of one's own", () => {
  test("value and gradient", TIMEOUT, async () => {
    assert.deepEqual([...(await shifted(tensor([1, 2])).data())], [4, 7]);
    assert.deepEqual([...(await grad((v: Tensor) => sum(shifted(v)))(tensor([1, 2])).data())], [2, 4]);
  });

  test("what follows is fused into its kernel, with operands that need fields of Params", TIMEOUT, async () => {
    const row = tensor([1, 2]);
    const f = compile((v: Tensor) => mul(shifted(v), row));
    const result = f(
      tensor([
        [1, 2],
        [3, 4],
      ]),
    );
    assert.deepEqual([...(await result.data())], [4, 14, 12, 38]);
    assert.equal(f.inspect()[0].dispatches.length, 1);
  });

  test("checkOp tries kernel and composed definition, and derivatives of both orders", TIMEOUT, async () => {
    const { values, gradients } = await checkOp(SHIFTED, [x], { shift: 3 }, { order: 2 });
    assert.deepEqual(Object.keys(values), ["shifted-square", "composed"]);
    for (const error of Object.values(values)) assert.ok(error < 1e-6, `${error}`);
    assert.equal(gradients?.differences.length, 2);
  });

  test("checkOp runs each of several kernels, and a wrong one behind a right one is found", TIMEOUT, async () => {
    const of = (...texts: string[]): Op => {
      const kernels = texts.map((text, i) => ({ ...kernel(text), name: `way-${i}` }));
      return { ...SHIFTED, run: { kind: "kernel", kernels } };
    };
    const { values } = await checkOp(of(right, right), [x], { shift: 3 });
    assert.deepEqual(Object.keys(values), ["way-0", "way-1"]);
    await assert.rejects(checkOp(of(right, source("x[i]")), [x], { shift: 3 }), /shiftedSquare by way-1/);
  });

  test("checkOp of an expression; of an op without a gradient", TIMEOUT, async () => {
    const HALVED: Op = defineOp({
      name: "halvedDown",
      result: ([v]) => v,
      reference: ([v]) => v.data.map((n) => Math.floor(n / 2)),
      stops: true,
      run: { kind: "expression", wgsl: ([v]) => `floor(${v} * 0.5)` },
    });
    const { values, gradients } = await checkOp(HALVED, [x]);
    assert.deepEqual(values, { expression: 0 });
    assert.equal(gradients, undefined);
  });

  test("checkOp checks gradients where only some inputs are floats", TIMEOUT, async () => {
    const TIMES = defineOp({
      name: "timesCount",
      result: ([v]) => v,
      reference: ([v, n]) => v.data.map((value, i) => value * n.data[i]),
      vjp: ({ g, inputs: [, n] }) => mul(g, cast(n, "f32")),
      run: { kind: "expression", wgsl: ([v, n]) => `(${v} * f32(${n}))` },
    });
    const inputs = [tensor([0.5, -1, 2]), tensor(Int32Array.of(3, -2, 1))];
    const { gradients } = await checkOp(TIMES, inputs);
    assert.ok(gradients && gradients.differences[0] < 1e-6 && gradients.gpu < 1e-6);
    await assert.rejects(checkOp({ ...TIMES, vjp: ({ g }) => g }, inputs), /the gradient of order 1/);
  });
});

describe("what is wrong is said", () => {
  const refused = (op: Op, message: RegExp, type: typeof CoopError = CoopError) =>
    assert.rejects(checkOp(op, [x], { shift: 3 }), (error: Error) => {
      assert.ok(error instanceof type, `${error}`);
      assert.match(error.message, message);
      return true;
    });

  test("a kernel that computes something else", TIMEOUT, () =>
    refused(withKernel(source("x[i] * x[i]")), /shiftedSquare by shifted-square against float64/),
  );
  test("one that leaves the end out", TIMEOUT, () =>
    refused(withKernel(right.replace("i < P.COUNT", "i + 1 < P.COUNT")), /by shifted-square against float64/),
  );
  test("a wrong gradient", TIMEOUT, () =>
    refused({ ...SHIFTED, vjp: ({ g }) => g }, /the gradient of order 1 against differences/),
  );
  test("WGSL that does not compile", TIMEOUT, () =>
    refused(withKernel(source("x[i] * y")), /kernel shifted-square.* does not compile/, DeviceError),
  );
  test("no struct Params", TIMEOUT, () =>
    refused(withKernel("fn main() { finish(0.0, 0u, 0u); }"), /shifted-square: its WGSL has no struct Params/),
  );
  test("a field without a value", TIMEOUT, () =>
    refused(withKernel(right.replace("SHIFT: f32", "SHIFT: f32, SCALE: f32")), /no value for P\.SCALE/),
  );
  test("no kernel that can run and nothing to fall back on", TIMEOUT, () => {
    const never = { ...kernel(right), applies: () => false };
    return refused({ ...SHIFTED, run: { kind: "kernel", kernels: [never] } }, /none of its op's kernels can run here/);
  });
  test("a name that is taken", () => {
    assert.throws(() => defineOp(SHIFTED), /an op called shiftedSquare already/);
  });
});
