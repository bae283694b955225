import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { allMutants, replacementOf } from "../scripts/mutate/generate.ts";
import { mutantsOf, mutated, sampleOf } from "../scripts/mutate/mutant.ts";
import { Runner } from "../scripts/mutate/runner.ts";
import { FILES, stagesFor } from "../scripts/mutate/tests.ts";
import { typescriptEdits } from "../scripts/mutate/typescript.ts";
import { wgslEdits } from "../scripts/mutate/wgsl.ts";

const changes = (file: string, text: string): string[] => {
  const edits = file.endsWith(".wgsl") ? wgslEdits(text) : typescriptEdits(file, text);
  return mutantsOf(file, text, edits).map((mutant) => mutated(text, mutant));
};

test("faults in TypeScript: signs, constants, indices, order and terms, but no message and no hint", () => {
  assert.deepEqual(changes("a.ts", "const f = (x: number) => -x + 1;").sort(), [
    "const f = (x: number) => -x + 0;",
    "const f = (x: number) => -x + 2;",
    "const f = (x: number) => -x - 1;",
    "const f = (x: number) => x + 1;",
  ]);
  assert.deepEqual(changes("a.ts", "const g = (a: T, b: T) => sub(a, b);").sort(), [
    "const g = (a: T, b: T) => a;",
    "const g = (a: T, b: T) => sub(b, a);",
  ]);
  assert.deepEqual(changes("a.ts", "const s = x.shape[0]; // + 1"), ["const s = x.shape[1]; // + 1"]);
  assert.deepEqual(changes("a.ts", "if (a) throw new ShapeError(show(b[0] + 1));"), []);
  assert.deepEqual(changes("a.ts", "const kernel = { cost: () => ({ flops: 2 * n }), slowToCompile: true };"), []);
});

test("faults in WGSL: operators, constants, components, conditions and terms, but no declaration", () => {
  assert.deepEqual(changes("a.wgsl", "if (i < P.N) { y[i] = finish(fma(a, b, c), i, 0u); }").sort(), [
    "if (i < P.N) { y[i] = finish(c, i, 0u); }",
    "if (i < P.N) { y[i] = finish(fma(a, b, -(c)), i, 0u); }",
    "if (i < P.N) { y[i] = finish(fma(a, b, c), i, 1u); }",
    "if (i <= P.N) { y[i] = finish(fma(a, b, c), i, 0u); }",
  ]);
  assert.deepEqual(changes("a.wgsl", "let r = id.x * 2.0; // 3"), [
    "let r = id.x / 2.0; // 3",
    "let r = id.x * 4.0; // 3",
    "let r = id.y * 2.0; // 3",
  ]);
  assert.deepEqual(changes("a.wgsl", "@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;"), []);
});

test("every file has faults, all of them different; a sample is the same for the same seed", () => {
  const all = allMutants();
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
  const sample = sampleOf(all, 400, 1);
  assert.ok(sample.length >= 400);
  assert.deepEqual(new Set(sample.map(({ file }) => file)), new Set(FILES));
  assert.deepEqual(sample, sampleOf(all, 400, 1));
  assert.notDeepEqual(sample, sampleOf(all, 400, 2));
});

test("the code passes as it is; a wrong gradient and a wrong kernel are noticed", { timeout: 240_000 }, async (t) => {
  const runner = new Runner();
  t.after(() => runner.close());
  const all = allMutants();
  for (const [file, what] of [
    ["src/tensor/ops/elementwise.ts", "mul(g, sub(1, square(y))) → g"],
    ["shaders/softmax.wgsl", "1.0 → 2.0"],
  ]) {
    const mutant = all.find((one) => one.file === file && one.id.endsWith(what));
    assert.ok(mutant, what);
    const [few] = stagesFor(mutant);
    const sound = await runner.run(few, 100);
    assert.ok(sound.ran > 0 && sound.failed === undefined, sound.message);
    const broken = await runner.run({ ...few, replaced: replacementOf(mutant) }, 100);
    assert.ok(broken.failed, mutant.id);
  }
});
