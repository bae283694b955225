// KgCoOp and ProGrad against their formulas in float64, computed from the text features; gradients by pulling what those
// formulas say of the text features back through the text tower.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { valueAndGrad, vjp } from "../src/autograd/index.ts";
import type { Clip } from "../src/clip/index.ts";
import {
  type PromptLearner,
  type PromptParams,
  projected,
  promptLearner,
  withKnowledge,
  withProjection,
} from "../src/coop/index.ts";
import { compile, key, normal, read, tensor } from "../src/tensor/index.ts";
import { randomClip } from "./random-clip.ts";

const [N, K, E, M, D] = [4, 3, 12, 4, 16];
const LABELS = [0, 1, 2, 1];

type Matrix = number[][];
const rows = (data: ArrayLike<number>, width: number): Matrix =>
  Array.from({ length: data.length / width }, (_, i) => Array.from(data).slice(i * width, (i + 1) * width));
const unit = (x: number[]) => x.map((v) => v / Math.hypot(...x));
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, v, i) => sum + v * b[i], 0);
const softmax = (x: number[]) => {
  const e = x.map((v) => Math.exp(v - Math.max(...x)));
  return e.map((v) => v / e.reduce((a, b) => a + b));
};

/** Values and gradients with respect to text features [K, E] by central differences in float64. */
function slopes(f: (texts: Matrix) => number, texts: Matrix): Float32Array {
  const step = 1e-5;
  const moved = (k: number, e: number, by: number) =>
    texts.map((t, i) => t.map((v, j) => v + (i === k && j === e ? by : 0)));
  return Float32Array.from(
    texts.flatMap((t, k) => t.map((_, e) => (f(moved(k, e, step)) - f(moved(k, e, -step))) / (2 * step))),
  );
}

function assertClose(computed: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  const error = Math.hypot(...Array.from(expected, (v, i) => v - computed[i]));
  const size = Math.hypot(...Array.from(expected));
  assert.ok(error <= 1e-4 * size, `${what}: off by ${error} of ${size}`);
}

describe("losses and gradients with a regard to hand-written prompts", { timeout: 120_000 }, () => {
  let clip: Clip;
  let learner: PromptLearner;
  let features: Matrix;
  let known: Matrix;
  let texts: Matrix;
  let scale: number;
  const x = normal(key(2), [N, E]);
  const handWritten = normal(key(3), [K, E]);
  const params = { context: normal(key(4), [M, D]) };
  const batch = { features: x, labels: tensor(Int32Array.from(LABELS)) };

  before(async () => {
    clip = await randomClip(2);
    learner = promptLearner(clip, ["2 3", "4", "3 5 2"], { contextTokens: M });
    const [a, b, c] = await read([x, handWritten, learner.textFeatures(params)]);
    [features, known, texts] = [rows(a, E).map(unit), rows(b, E).map(unit), rows(c, E)];
    scale = clip.logitScale;
  });

  const logitsOf = (t: Matrix) => features.map((f) => t.map((w) => scale * dot(f, unit(w))));
  const crossEntropy = (t: Matrix, labels = LABELS) =>
    logitsOf(t).reduce((sum, row, n) => sum - Math.log(softmax(row)[labels[n]]), 0) / N;
  const distance = (t: Matrix) => t.reduce((sum, w, k) => sum + 1 - dot(unit(w), known[k]), 0) / K;
  const divergence = (t: Matrix) => {
    const expected = logitsOf(known).map(softmax);
    return (
      logitsOf(t).reduce((sum, row, n) => {
        const p = softmax(row);
        return sum + expected[n].reduce((total, q, k) => total + q * Math.log(q / p[k]), 0);
      }, 0) / N
    );
  };
  const pulled = async (cotangent: Float32Array) =>
    (await vjp((p: PromptParams) => learner.textFeatures(p), params)[1](
      tensor(cotangent, [K, E]),
    ).context.data()) as Float32Array;
  const trained = (of: PromptLearner, labels = batch.labels) =>
    read(compile((p: PromptParams) => valueAndGrad(of.loss)(p, { ...batch, labels }))(params)) as Promise<
      [Float32Array, { context: Float32Array }]
    >;

  test("KgCoOp: the cross entropy and λ times the mean of 1 − cos", async () => {
    for (const weight of [undefined, 0.5]) {
      const λ = weight ?? 8;
      const [loss, { context }] = await trained(withKnowledge(clip, learner, handWritten, { weight }));
      const f = (t: Matrix) => crossEntropy(t) + λ * distance(t);
      assertClose(loss, [f(texts)], "loss");
      assertClose(context, await pulled(slopes(f, texts)), "gradient");
    }
  });

  test("ProGrad: the cross entropy's gradient, without what goes against the hand-written prompts", async () => {
    const general = await pulled(slopes(divergence, texts));
    const zeroShot = logitsOf(known);
    for (const [conflict, labels] of [
      [false, zeroShot.map((row) => row.indexOf(Math.max(...row)))],
      [true, zeroShot.map((row) => row.indexOf(Math.min(...row)))],
    ] as const) {
      const task = await pulled(slopes((t) => crossEntropy(t, labels), texts));
      const product = dot(task, general);
      assert.equal(product < 0, conflict);
      for (const weight of conflict ? [1, 0.8] : [1]) {
        const learned = withProjection(clip, learner, handWritten, { weight });
        const [loss, { context }] = await trained(learned, tensor(Int32Array.from(labels)));
        assertClose(loss, [crossEntropy(texts, labels)], "loss");
        const share = conflict ? (weight * product) / dot(general, general) : 0;
        assertClose(
          context,
          task.map((v, i) => v - share * general[i]),
          "gradient",
        );
      }
    }
  });

  test("ProGrad runs the text tower forward once and backward twice, KgCoOp each once", () => {
    const dispatches = (f: (p: PromptParams) => unknown) => {
      const compiled = compile(f);
      compiled(params);
      const [{ dispatches }] = compiled.inspect();
      compiled.free();
      return dispatches.length;
    };
    const stepOf = (of: PromptLearner) => dispatches((p) => valueAndGrad(of.loss)(p, batch));
    const forward = dispatches((p) => learner.loss(p, batch));
    const step = stepOf(learner);
    assert.ok(stepOf(withKnowledge(clip, learner, handWritten)) < step + 5);
    assert.ok(stepOf(withProjection(clip, learner, handWritten)) < step + (step - forward) + 15);
  });

  test("gradients are projected where they conflict, over the whole tree, and else left as they are", async () => {
    const tree = (a: number[], b: number) => ({ a: tensor(Float32Array.from(a)), b: tensor(Float32Array.of(b)) });
    const cases: [number[], number, number[], number, number, number[]][] = [
      [[1, 2], 3, [1, 0], 0, 1, [1, 2, 3]], // agree
      [[1, 2], 3, [-2, 0], 0, 1, [0, 2, 3]], // all that is against it goes
      [[1, 2], 3, [-2, 0], 0, 0.5, [0.5, 2, 3]], // or half of it
      [[1, 2], 3, [-2, 0], 1, 1, [1, 2, 3]], // the tree as a whole agrees: −2 + 3 > 0
      [[1, 2], 3, [0, 0], 0, 1, [1, 2, 3]], // nothing is said
    ];
    for (const [a, b, c, d, weight, expected] of cases) {
      const result = await read(projected(tree(a, b), tree(c, d), weight));
      assert.deepEqual([...result.a, ...result.b], expected);
    }
  });

  test("features of other classes are refused", () => {
    const wrong = normal(key(3), [K + 1, E]);
    assert.throws(() => withKnowledge(clip, learner, wrong), /there are 3 classes, so \[3, E\]/);
    assert.throws(() => withProjection(clip, learner, wrong), /there are 3 classes/);
  });
});
