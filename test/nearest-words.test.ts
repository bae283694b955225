// The words nearest to vectors, against brute force in float64.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { loadClip, loadTokenizer } from "../src/clip/index.ts";
import { type Measure, nearestTokens, nearestWords } from "../src/coop/nearest-words.ts";
import { shownWord, tokenWord } from "../src/coop/token-word.ts";
import { InputError } from "../src/tensor/errors.ts";
import { device, free, tensor } from "../src/tensor/index.ts";
import { mulberry } from "./arguments.ts";
import { SEED } from "./gpu-settings.ts";

function uniform(rows: number, dim: number, seed: number): Float32Array {
  const random = mulberry(seed);
  return Float32Array.from({ length: rows * dim }, () => random() - 0.5);
}

/** Distance and cosine of each query to each row, in float64. */
function measured(queries: Float32Array, rows: Float32Array, dim: number) {
  const list = (x: Float32Array) =>
    Array.from({ length: x.length / dim }, (_, r) => [...x.subarray(r * dim, r * dim + dim)]);
  const dot = (a: number[], b: number[]) => a.reduce((total, v, i) => total + v * b[i], 0);
  return list(queries).map((q) =>
    list(rows).map((row, id) => ({
      id,
      distance: Math.hypot(...row.map((v, i) => v - q[i])),
      cosine: dot(q, row) / Math.sqrt(dot(q, q) * dot(row, row)) || 0,
    })),
  );
}

test("the nearest tokens, in one block of the table and in several, as by brute force", {
  timeout: 60_000,
}, async () => {
  const dim = 12;
  const call = fc.record({
    queries: fc.constantFrom(1, 3),
    rows: fc.constantFrom(1, 5, 33),
    blocks: fc.constantFrom(1, 3),
    k: fc.nat(),
    by: fc.constantFrom<Measure>("distance", "cosine"),
    seed: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(call, async ({ queries, rows, blocks, by, seed, ...rest }) => {
      const k = 1 + (rest.k % rows);
      const [q, table] = [uniform(queries, dim, seed), uniform(rows, dim, seed + 1)];
      const height = Math.ceil(rows / blocks);
      const parts = Array.from({ length: Math.ceil(rows / height) }, (_, b) => {
        const part = table.subarray(b * height * dim, (b + 1) * height * dim);
        return tensor(part, [part.length / dim, dim]);
      });
      const found = await nearestTokens(parts, q, k, by);
      free(parts);
      measured(q, table, dim).forEach((all, i) => {
        const sorted = all.sort((a, b) => (by === "distance" ? a.distance - b.distance : b.cosine - a.cosine));
        assert.deepEqual(found[i].map(({ id }) => id), sorted.slice(0, k).map(({ id }) => id)); // biome-ignore format: one row
        for (const [j, { distance, cosine }] of found[i].entries()) {
          assert.ok(Math.abs(distance - sorted[j].distance) < 1e-12);
          assert.ok(Math.abs(cosine - sorted[j].cosine) < 1e-12);
        }
      });
    }),
    { numRuns: 12, seed: SEED },
  );
});

test("a table in half precision, a vector that is a row of it, equal rows", { timeout: 60_000 }, async (t) => {
  if (!(await device()).gpu.features.has("shader-f16")) return t.skip("this adapter has no shader-f16");
  const values = uniform(20, 8, 5).map((x) => Math.round(64 * x) / 64); // exact in half precision
  values.copyWithin(8 * 11, 8 * 4, 8 * 5);
  const table = [tensor(values, [20, 8], "f16")];
  const [[first, second]] = await nearestTokens(table, values.slice(8 * 11, 8 * 12), 2);
  assert.deepEqual([first, second].map(({ id, distance }) => [id, distance]), [[4, 0], [11, 0]]); // biome-ignore format: one row
  await assert.rejects(nearestTokens(table, new Float32Array(8), 21), InputError);
  await assert.rejects(nearestTokens(table, new Float32Array(9), 1), InputError);
  free(table);
});

test("the control tells words from random vectors", { timeout: 60_000 }, async () => {
  const clip = await loadClip(join(import.meta.dirname, "../models/tiny-clip"));
  const { tokenEmbedding } = clip.params.text;
  const dim = clip.config.text.width;
  const table = (await tokenEmbedding[0].data()) as Float32Array;
  const word = clip.tokenizer.encode("red")[0];
  const noise = uniform(1, dim, 9);
  const near = table.slice(word * dim, (word + 1) * dim).map((x, i) => x + 0.01 * noise[i]);
  const [ofWord, ofNoise] = await nearestWords(tokenEmbedding, Float32Array.from([...near, ...noise]), { k: 3 });
  assert.equal(ofWord.byDistance[0].id, word);
  assert.equal(ofWord.byCosine[0].id, word);
  assert.equal(tokenWord(clip.tokenizer, word).text, "red");
  assert.deepEqual(ofWord.control.asNear, { distance: 0, cosine: 0 });
  assert.equal(ofWord.control.draws, 64);
  assert.ok(ofWord.byDistance[0].distance < 0.1 * ofWord.control.distance.mean);
  assert.ok(ofNoise.control.asNear.distance > 0, "a random vector is not nearer than random vectors");
  assert.ok(Math.abs(ofNoise.norm - Math.hypot(...noise)) < 1e-6);
  assert.equal(ofNoise.control.example.length, 3);
  // the control is what it says: vectors of that norm
  const { distance } = ofNoise.control;
  const lengths = Array.from({ length: table.length / dim }, (_, r) =>
    Math.hypot(...table.subarray(r * dim, r * dim + dim)),
  );
  const shortest = Math.min(...lengths);
  assert.ok(distance.mean < Math.hypot(ofNoise.norm, shortest) && distance.mean > Math.abs(ofNoise.norm - shortest));
  const again = await nearestWords(tokenEmbedding, noise, { k: 3, draws: 64 });
  assert.deepEqual(again[0].control, ofNoise.control);
  clip.free();
});

test("tokens that end a word and tokens within one", async () => {
  const vocab = { a: 0, "a</w>": 1, "Ã©</w>": 2, "ab</w>": 3, "<|startoftext|>": 4, "<|endoftext|>": 5 };
  const special = [4, 5].map((id) => ({ id, content: Object.keys(vocab)[id], special: true, normalized: false, single_word: false, lstrip: false, rstrip: false })); // biome-ignore format: one row
  const tokenizer = await loadTokenizer({
    version: "1.0",
    normalizer: null,
    post_processor: null,
    added_tokens: special,
    model: { type: "BPE", vocab, merges: ["a b</w>"], unk_token: "<|endoftext|>", end_of_word_suffix: "</w>" },
    decoder: { type: "ByteLevel" },
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
  });
  assert.deepEqual([0, 1, 3, 4].map((id) => tokenWord(tokenizer, id).endsWord), [false, true, true, true]); // biome-ignore format: one row
  assert.equal(shownWord({ text: "pre", endsWord: false }), "pre…");
  assert.equal(shownWord({ text: "cat", endsWord: true }), "cat");
});
