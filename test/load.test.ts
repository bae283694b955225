// Many things at once on one device.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { valueAndGrad } from "../src/autograd/index.ts";
import { fitLearner, type Learner } from "../src/coop/fit.ts";
import { OutOfMemoryError } from "../src/tensor/errors.ts";
import {
  compile,
  crossEntropy,
  device,
  free,
  matmul,
  mean,
  mul,
  square,
  sub,
  type Tensor,
  tensor,
} from "../src/tensor/index.ts";
import { drawFolder } from "./drawn-folder.ts";

const TIMEOUT = { timeout: 180_000 };
const PROGRAMS = 16;
const PROCESSES = Number(process.env.COOP_PROCESSES ?? 3);

test(`${PROGRAMS} programs alive at once train as they would alone`, TIMEOUT, async () => {
  const program = (n: number) =>
    compile(
      (p: Tensor, x: Tensor) => {
        const [, g] = valueAndGrad((q: Tensor) => mean(square(sub(matmul(x, q), n))))(p);
        return sub(p, mul(g, 0.1));
      },
      { donate: [0], name: `step ${n}` },
    );
  const x = tensor(
    Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)),
    [4, 3],
  );
  const begin = (n: number) => tensor(new Float32Array(3 * (1 + n)), [3, 1 + n]);
  const on = await device();
  const numbers = Array.from({ length: PROGRAMS }, (_, n) => n);
  const programs = numbers.map(program);
  let all = numbers.map(begin);
  for (let step = 0; step < 5; step++) all = all.map((p, n) => programs[n](p, x));
  const together = await Promise.all(all.map((p) => p.data()));
  for (const n of [0, 7, 15]) {
    const alone = program(n);
    let p = begin(n);
    for (let step = 0; step < 5; step++) p = alone(p, x);
    assert.deepEqual(await p.data(), together[n]);
    p.free();
    alone.free();
  }
  free([all, x]);
  for (const each of programs) each.free();
  await on.idle();
  assert.equal(on.memory().byOwner.values + on.memory().byOwner.programs, 0);
});

test("a batch larger than memory is an error that says which would fit, and that one does", TIMEOUT, async () => {
  const [width, classes, count] = [64, 8, 256];
  const learner: Learner<{ weight: Tensor }> = {
    init: () => ({ weight: tensor(new Float32Array(width * classes), [width, classes]) }),
    logits: ({ weight }, { features }) => matmul(features!, weight),
    loss: (params, batch) => crossEntropy(learner.logits(params, batch), batch.labels),
  };
  const examples = {
    features: Float32Array.from({ length: count * width }, (_, i) => Math.sin(i)),
    labels: Int32Array.from({ length: count }, (_, i) => i % classes),
  };
  const on = await device();
  on.buffers.trim();
  on.buffers.limit = on.memory().bytes + 48 * 1024;
  let fits = 0;
  const fit = (batchSize: number) => fitLearner(learner, examples, { epochs: 1, seed: 1, batchSize });
  await assert.rejects(fit(count), (error) => {
    assert.ok(error instanceof OutOfMemoryError);
    fits = Number(/a batch of (\d+) would fit instead of 256: --batch-size/.exec(error.message)?.[1]);
    return true;
  });
  assert.ok(fits >= 16 && fits < 200, `${fits}`);
  const { weight } = await fit(fits);
  assert.ok(weight.every(Number.isFinite));
  on.buffers.limit = Number.POSITIVE_INFINITY;
});

test(`${PROCESSES} processes of coop on one device give one answer`, TIMEOUT, async (t) => {
  const root = await mkdtemp(join(tmpdir(), "coop-load-"));
  t.after(() => rm(root, { recursive: true }));
  await drawFolder(root);
  const main = join(import.meta.dirname, "../src/cli/main.ts");
  const words = ["--import", "tsx", main, "zero-shot", root, "--json"];
  const env = { ...process.env, COOP_QUIET: "1" };
  const run = () => promisify(execFile)(process.execPath, words, { env, timeout: 170_000 });
  const outcomes = await Promise.all(Array.from({ length: PROCESSES }, run));
  const answers = outcomes.map(({ stdout }) => JSON.stringify(JSON.parse(stdout).results ?? JSON.parse(stdout)));
  assert.equal(new Set(answers).size, 1);
});
