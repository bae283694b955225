import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { randomFrom } from "../scripts/fuzz/random.ts";
import { memoryBytes } from "../src/clip/bytes.ts";
import { conditionalModel, readConditionalModel } from "../src/coop/conditional-files.ts";
import { indexBytes, parseIndex } from "../src/coop/feature-index.ts";
import { adapterModel, readAdapterModel } from "../src/coop/run-files.ts";
import { loadTraining, saveTraining } from "../src/coop/training-state.ts";
import { FormatError } from "../src/tensor/errors.ts";
import { read, tensor } from "../src/tensor/index.ts";

/** The same bytes with one of them changed, at 200 places, and cut short at 200; all of it where the file is small. */
function* damaged(bytes: Uint8Array): Generator<Uint8Array> {
  const random = randomFrom("corrupt files");
  for (let i = 0; i < 200; i++) {
    const copy = bytes.slice();
    copy[random.below(copy.length)] ^= 1 + random.below(255);
    yield copy;
    yield bytes.subarray(0, random.below(bytes.length));
  }
  yield Buffer.concat([bytes, new Uint8Array(1)]);
}

const floats = (count: number, from = 0) => Float32Array.from({ length: count }, (_, i) => from + i / 8);
const state = (from: number) => ({
  params: { context: tensor(floats(8, from), [2, 4]) },
  momentum: [tensor(floats(3, from))],
});
const SETTINGS = { seed: "1", model: "m" };

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "coop-corrupt-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test("a damaged checkpoint is never gone on from, and the one before it is taken", async (t) => {
  const path = join(folder(t), "checkpoint.safetensors");
  await saveTraining(path, state(1), SETTINGS, 7);
  const whole = new Uint8Array(readFileSync(path));
  const like = state(0);
  for (const bytes of damaged(whole)) {
    writeFileSync(path, bytes);
    await assert.rejects(loadTraining(path, like, SETTINGS), FormatError);
  }
  writeFileSync(path, whole);
  await saveTraining(path, state(2), SETTINGS, 8);
  const last = new Uint8Array(readFileSync(path));
  for (const [i, bytes] of [...damaged(last)].entries()) {
    if (i % 20 > 0) continue;
    writeFileSync(path, bytes);
    const saved = await loadTraining(path, like, SETTINGS);
    assert.equal(saved?.step, 7);
    assert.match(saved.file, /previous/);
    assert.deepEqual(await read(saved.state), await read(state(1)));
  }
  writeFileSync(path, last);
  assert.equal((await loadTraining(path, like, SETTINGS))?.step, 8);
});

/** Refused, or the same numbers. */
async function neverOtherNumbers<T>(
  bytes: Uint8Array,
  parse: (bytes: Uint8Array) => Promise<T>,
  numbers: (value: T) => unknown,
) {
  const expected = numbers(await parse(bytes));
  let refused = 0;
  for (const broken of damaged(bytes))
    try {
      assert.deepEqual(numbers(await parse(broken)), expected);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      refused++;
    }
  assert.ok(refused > 200, `only ${refused} were refused`);
}

test("a damaged prompt is refused, or none of its numbers is another", async () => {
  const config = { classes: ["a", "b"], options: { contextTokens: 2, tokenDim: 4, position: "end", classSpecific: false, initText: null } } as const; // biome-ignore format: one row
  const parse = (bytes: Uint8Array) => readAdapterModel(bytes, config);
  await neverOtherNumbers(adapterModel(floats(8), config), parse, (prompt) => prompt);
  const linear = (rows: number, columns: number) => ({ weight: floats(rows * columns), bias: floats(rows) });
  const metaNet = { linear1: linear(2, 3), linear2: linear(4, 2) };
  await neverOtherNumbers(
    conditionalModel({ context: floats(8), metaNet }),
    readConditionalModel,
    (learned) => learned,
  );
  await neverOtherNumbers(adapterModel(floats(8), config, metaNet), parse, (prompt) => prompt);
});

test("a damaged index is refused, or none of its features is another", async () => {
  const files = ["a.jpg", "b.jpg"].map((path) => ({ path, bytes: 1, modified: 2 }));
  const index = {
    model: { name: "m", sha256: "0".repeat(64) },
    folder: ".",
    dim: 4,
    half: false,
    files,
    features: floats(8),
  };
  await neverOtherNumbers(
    indexBytes(index),
    (bytes) => parseIndex(memoryBytes(bytes)),
    ({ features }) => features,
  );
});
