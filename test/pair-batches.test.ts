// From pairs to batches on the host: order, crops, replacements, words, files of tensors.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import sharp from "sharp";
import {
  clipPreprocess,
  loadTokenizer,
  type Picture,
  preprocess,
  preprocessAt,
  preprocessJson,
  readPreprocess,
  safetensorsPieces,
  writeSafetensors,
} from "../src/clip/index.ts";
import { commonWords, wordLevelTokenizerJson } from "../src/clip/word-tokenizer.ts";
import { orderedBatches, pairBatches } from "../src/coop/pair-batches.ts";
import { openPairs } from "../src/coop/pairs.ts";
import { loadTraining, saveTraining } from "../src/coop/training-state.ts";
import { read, tensor } from "../src/tensor/index.ts";

const TIMEOUT = { timeout: 60_000 };
const SIDE = 8;
const pixels = clipPreprocess(SIDE);

/** A folder of pictures of one colour each, number i with the caption "word<i>"; those in `broken` are damaged. */
async function world(t: TestContext, count: number, broken: readonly number[] = []): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "coop-batches-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const background = { r: 10 * i, g: 5 * i, b: 200 };
    const file = join(dir, `${i}.png`);
    if (broken.includes(i)) writeFileSync(file, "damaged");
    else
      await sharp({ create: { width: 12, height: 9, channels: 3, background } })
        .png()
        .toFile(file);
    lines.push(JSON.stringify({ image: `${i}.png`, text: `number ${"abcdefghijklmnopqrst"[i]}` }));
  }
  writeFileSync(join(dir, "metadata.jsonl"), lines.join("\n"));
  return dir;
}

async function batchesOf(dir: string, options: { batch: number; microBatch?: number; seed?: number }) {
  const pairs = await openPairs(dir);
  const tokenizer = await loadTokenizer(wordLevelTokenizerJson(commonWords(pairs.captions, 100)), { contextLength: 8 });
  const told: string[] = [];
  const all = {
    tokenizer,
    pixels,
    microBatch: options.batch,
    seed: 1,
    onDamaged: (m: string) => told.push(m),
    ...options,
  };
  const batches = pairBatches(pairs, all);
  /** The pairs of a step, by their captions, and all of its pixels; a picture's colour must fit its caption. */
  const step = async (n: number) => {
    const captions: string[] = [];
    const images: number[] = [];
    for (const piece of await batches.at(n)) {
      const { images: some, ids } = piece();
      const [rows, values] = [await ids.data(), (await some.data()) as Float32Array];
      const length = rows.length / some.shape[0];
      for (let i = 0; i < some.shape[0]; i++) {
        const caption = tokenizer.decode([...rows.slice(i * length, (i + 1) * length)].filter((id) => id >= 0));
        captions.push(caption);
        const red = Math.round((values[i * 3 * SIDE * SIDE] * pixels.std[0] + pixels.mean[0]) * 255);
        assert.equal(caption, `number ${"abcdefghijklmnopqrst"[red / 10]}`);
      }
      images.push(...values);
    }
    return { captions, images };
  };
  return { pairs, tokenizer, batches, step, told };
}

test("an epoch visits every pair once, in an order of its own that the seed decides", TIMEOUT, async (t) => {
  const dir = await world(t, 9);
  const { batches, step } = await batchesOf(dir, { batch: 4, microBatch: 2 });
  assert.equal(batches.perEpoch, 2);
  const epoch = async (n: number) => [...(await step(2 * n)).captions, ...(await step(2 * n + 1)).captions];
  const [first, second] = [await epoch(0), await epoch(1)];
  assert.equal(new Set(first).size, 8);
  assert.notDeepEqual(first, second);
  const again = await batchesOf(dir, { batch: 4, microBatch: 4 });
  assert.deepEqual(await again.step(1), await step(1)); // whatever came before, in however many pieces
  const other = await batchesOf(dir, { batch: 4, seed: 2 });
  assert.notDeepEqual((await other.step(0)).captions, first.slice(0, 4));
});

test("a damaged picture is named, and a pair of the next batch takes its place", TIMEOUT, async (t) => {
  const dir = await world(t, 6, [2, 3]);
  const { step, told, pairs, tokenizer } = await batchesOf(dir, { batch: 3 });
  for (const n of [0, 1]) {
    const { captions } = await step(n);
    assert.equal(new Set(captions).size, 3);
    assert.ok(!captions.some((caption) => /number [cd]$/.test(caption)));
  }
  assert.match(told[0], /[23]\.png is not a picture/);
  const left: string[] = [];
  for await (const { captions } of orderedBatches(pairs, { tokenizer, pixels, microBatch: 3 })) left.push(...captions);
  assert.deepEqual(left, ["number a", "number b", "number e", "number f"]);
  const one = await batchesOf(dir, { batch: 6 });
  await assert.rejects(one.step(0), /There is no pair to take its place; remove it/);
});

test("pictures of an archive are the pictures", {
  ...TIMEOUT,
  skip: spawnSync("tar", ["--version"]).status !== 0,
}, async (t) => {
  const dir = await world(t, 4);
  mkdirSync(join(dir, "in"));
  for (let i = 0; i < 4; i++) {
    writeFileSync(join(dir, "in", `${i}.png`), readFileSync(join(dir, `${i}.png`)));
    writeFileSync(join(dir, "in", `${i}.json`), JSON.stringify({ caption: `number ${"abcd"[i]}` }));
  }
  execFileSync("tar", ["-cf", join(dir, "shard.tar"), "-C", join(dir, "in"), "."]);
  assert.equal(new Set((await (await batchesOf(join(dir, "shard.tar"), { batch: 4 })).step(0)).captions).size, 4);
});

test("the random square: in the middle it is preprocess's, at the ends the picture's", () => {
  const data = Uint8Array.from({ length: 3 * 20 * 8 }, (_, i) => (Math.floor(i / 3) % 20) * 12); // brighter to the right
  const picture: Picture = { width: 20, height: 8, data };
  assert.deepEqual(preprocessAt(picture, pixels, [0.5, 0]), preprocess(picture, pixels));
  const [left, right] = [preprocessAt(picture, pixels, [0, 0]), preprocessAt(picture, pixels, [0.9999, 0.9999])];
  assert.ok(left[0] < right[0]);
  assert.ok(Math.abs(right[7] * pixels.std[0] + pixels.mean[0] - (19 * 12) / 255) < 1e-6);
  assert.deepEqual(readPreprocess(JSON.parse(JSON.stringify(preprocessJson(pixels)))), pixels);
});

test("the commonest words", () => {
  const texts = ["A cat, a dog!", "the CAT &amp; 12 dogs", "cat"];
  assert.deepEqual(commonWords(texts, 4), ["cat", "a", "!", "&"]);
  assert.doesNotThrow(() => wordLevelTokenizerJson(commonWords([...texts, "İstanbul ﬁsh ǅ Å"], 99)));
});

test("safetensors in pieces: the same bytes", async () => {
  const entries = [2, 3].map(
    (n) => [`t${n}`, { dtype: "F32", shape: [n], data: new Uint8Array(4 * n).fill(n) }] as const,
  );
  const pieces: Uint8Array[] = [];
  const lazy = entries.map(([name, { data, ...rest }]) => [name, { ...rest, load: async () => data }] as const);
  for await (const piece of safetensorsPieces(lazy, { a: "b" })) pieces.push(piece);
  assert.deepEqual(new Uint8Array(Buffer.concat(pieces)), writeSafetensors(entries, { a: "b" }));
  const wrong = safetensorsPieces([["w", { dtype: "F32", shape: [2], load: async () => new Uint8Array(4) }]]);
  await assert.rejects(async () => {
    for await (const _ of wrong);
  }, /4 bytes are not a F32 \[2\]/);
});

test("a checkpoint with a number that is not finite is not written", TIMEOUT, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "coop-state-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, "deep", "state.safetensors");
  const state = (value: number) => ({ a: tensor([1, value]), b: [tensor(2)] });
  assert.equal(await loadTraining(path, state(0), {}), undefined);
  await saveTraining(path, state(3), { seed: "1" }, 5);
  await assert.rejects(saveTraining(path, state(Number.NaN), { seed: "1" }, 6), /after step 6, a is not finite/);
  const { state: found, step } = (await loadTraining(path, state(0), { seed: "1" }))!;
  assert.equal(step, 5);
  assert.deepEqual([...(await read(found)).a], [1, 3]);
  await assert.rejects(loadTraining(path, state(0), { seed: "2" }), /made with seed 1, not 2/);
  await assert.rejects(loadTraining(path, { a: tensor([1]), b: [tensor(2)] }, { seed: "1" }), /of another model/);
});
