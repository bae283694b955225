// Search and recall against brute force in float64, and the file of an index.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { memoryBytes } from "../src/clip/bytes.ts";
import { writeSafetensors } from "../src/clip/index.ts";
import { type FeatureIndex, type IndexedFile, indexBytes, parseIndex, updateIndex } from "../src/coop/feature-index.ts";
import { normalizeRows } from "../src/coop/index.ts";
import { captionRecall, featureSearch, recallOf } from "../src/retrieval.ts";
import { FormatError, InputError } from "../src/tensor/errors.ts";
import { mulberry } from "./arguments.ts";
import { MORE, SEED } from "./gpu-settings.ts";

/** Vectors of whole numbers with the same length, so that equal cosines are equal in every precision. */
function whole(rows: number, dim: number, seed: number): Float32Array {
  const random = mulberry(seed);
  return Float32Array.from({ length: rows * dim }, () => (random() < 0.5 ? -1 : 1));
}

function uniform(rows: number, dim: number, seed: number): Float32Array {
  const random = mulberry(seed);
  return Float32Array.from({ length: rows * dim }, () => random() - 0.5);
}

/** All cosines [R][N] in float64. */
function cosines(queries: Float32Array, features: Float32Array, dim: number): number[][] {
  const rows = (x: Float32Array) =>
    Array.from({ length: x.length / dim }, (_, r) => [...x.subarray(r * dim, (r + 1) * dim)]);
  const dot = (a: number[], b: number[]) => a.reduce((total, v, i) => total + v * b[i], 0);
  return rows(queries).map((q) => rows(features).map((f) => dot(q, f) / Math.sqrt(dot(q, q) * dot(f, f))));
}

const order = (scores: number[]) => [...scores.keys()].sort((i, j) => scores[j] - scores[i] || i - j);

describe("featureSearch", { timeout: 120_000 }, () => {
  const CALL = fc.record({
    queries: fc.constantFrom(1, 2, 5),
    count: fc.constantFrom(1, 2, 7, 33, 64, 100),
    k: fc.nat(),
    blocks: fc.constantFrom(1, 1, 2, 5),
    seed: fc.nat(),
  });

  test("the nearest, in one block and in several: rows and order as by brute force, ties included", async () => {
    const dim = 16; // ±1/4 each: cosines are exact
    await fc.assert(
      fc.asyncProperty(CALL, async ({ queries, count, blocks, seed, ...call }) => {
        const k = 1 + (call.k % count);
        const [q, f] = [whole(queries, dim, seed), whole(count, dim, seed + 1)];
        const search = await featureSearch(f, dim, { blockBytes: Math.ceil(count / blocks) * dim * 4 });
        const found = await search.nearest(q, k);
        search.free();
        const exact = cosines(q, f, dim);
        const expected = exact.flatMap((scores) => order(scores).slice(0, k));
        assert.deepEqual([...found.indices], expected);
        assert.deepEqual(
          [...found.cosines],
          expected.map((row, i) => exact[Math.floor(i / k)][row]),
        );
      }),
      { numRuns: 12 * MORE, seed: SEED },
    );
  });

  test("many features of any length: cosines as in float64, none larger left out", async () => {
    const [dim, count, k] = [12, 9000, 10];
    const [q, f] = [uniform(3, dim, SEED), uniform(count, dim, SEED + 1)];
    const search = await featureSearch(f, dim, { blockBytes: 5000 * dim * 4 });
    const found = await search.nearest(q, k);
    search.free();
    cosines(q, f, dim).forEach((scores, r) => {
      const sorted = order(scores);
      for (let j = 0; j < k; j++) {
        const row = found.indices[r * k + j];
        assert.ok(Math.abs(found.cosines[r * k + j] - scores[row]) < 1e-6);
        assert.ok(scores[row] > scores[sorted[j]] - 1e-6);
      }
    });
  });

  test("ranks of the first of several targets, in one block and in several", async () => {
    const dim = 16;
    const [q, f] = [whole(20, dim, SEED), whole(70, dim, SEED + 1)];
    const random = mulberry(SEED);
    const targets = Array.from({ length: 20 }, () =>
      Array.from({ length: 1 + Math.floor(3 * random()) }, () => Math.floor(70 * random())),
    );
    const expected = cosines(q, f, dim).map(
      (scores, i) => 1 + order(scores).findIndex((row) => targets[i].includes(row)),
    );
    for (const rows of [70, 24]) {
      const search = await featureSearch(f, dim, { blockBytes: rows * dim * 4 });
      assert.deepEqual([...(await search.ranks(q, targets))], expected);
      search.free();
    }
  });

  test("what it refuses", async () => {
    const search = await featureSearch(whole(3, 4, 1), 4);
    await assert.rejects(search.nearest(whole(1, 4, 2), 4), InputError);
    await assert.rejects(search.ranks(whole(1, 4, 2), [[]]), InputError);
    search.free();
    await assert.rejects(featureSearch(new Float32Array(7), 4), /7 numbers/);
  });
});

describe("recall", { timeout: 60_000 }, () => {
  test("by hand", () => {
    const { at, medianRank, queries } = recallOf([7, 1, 2, 11]);
    assert.deepEqual(
      [...at],
      [
        [1, 0.25],
        [5, 0.5],
        [10, 0.75],
      ],
    );
    assert.equal(medianRank, 4.5);
    assert.equal(queries, 4);
    assert.equal(recallOf([3, 1, 9]).medianRank, 3);
    assert.throws(() => recallOf([]), InputError);
  });

  test("pictures with several captions, against sorting", async () => {
    const dim = 16;
    const random = mulberry(SEED);
    const imageOf = [...Array(30).keys()].flatMap((i) => Array<number>(1 + Math.floor(random() * 4)).fill(i));
    const images = whole(30, dim, SEED);
    const captions = whole(imageOf.length, dim, SEED + 1);
    const { imageToText, textToImage } = await captionRecall(images, captions, imageOf, { dim, at: [1, 5, 10] });
    const share = (hits: boolean[]) => hits.filter(Boolean).length / hits.length;
    const byImage = cosines(images, captions, dim).map(order);
    const byCaption = cosines(captions, images, dim).map(order);
    for (const k of [1, 5, 10]) {
      assert.equal(
        imageToText.at.get(k),
        share(byImage.map((sorted, i) => sorted.slice(0, k).some((caption) => imageOf[caption] === i))),
      );
      assert.equal(textToImage.at.get(k), share(byCaption.map((sorted, c) => sorted.slice(0, k).includes(imageOf[c]))));
    }
    assert.equal(textToImage.queries, imageOf.length);
    await assert.rejects(captionRecall(images, captions, imageOf.fill(30), { dim }), InputError);
  });
});

describe("an index", () => {
  const model = { name: "tiny-clip", sha256: "a".repeat(64) };
  const about = { model, folder: ".", dim: 3, half: false };
  const file = (path: string, modified = 1.5): IndexedFile => ({ path, bytes: 10, modified });
  const asked: string[][] = [];
  /** Features that depend on name and time; names with "bad" cannot be read. */
  const encode = async (files: readonly IndexedFile[]) => {
    asked.push(files.map(({ path }) => path));
    const read = files.filter(({ path }) => !path.includes("bad"));
    const features = read.flatMap(({ path, modified }) => [path.length, path.charCodeAt(0), modified]);
    return { features: Float32Array.from(features), read };
  };
  const again = (index: FeatureIndex) => parseIndex(memoryBytes(indexBytes(index)));

  test("is written and read back", async () => {
    for (const half of [false, true]) {
      const { index } = await updateIndex(undefined, [file('b"é\n.png'), file("a/ü.png")], { ...about, half }, encode);
      const back = await again(index);
      assert.deepEqual(back, index);
      assert.deepEqual(
        back.files.map(({ path }) => path),
        ["a/ü.png", 'b"é\n.png'],
      );
      assert.deepEqual(indexBytes(back), indexBytes(index));
    }
  });

  test("an update encodes what is new or has changed, and keeps the rest bit for bit", async () => {
    for (const half of [false, true]) {
      const options = { ...about, half };
      const first = await updateIndex(
        undefined,
        ["a", "b", "c", "bad"].map((p) => file(p)),
        options,
        encode,
      );
      assert.deepEqual([first.added, first.changed, first.removed, first.kept], [3, 0, 0, 0]);
      const now = [file("0"), file("b"), file("c", 2.5), file("bad")];
      const { index, ...counts } = await updateIndex(await again(first.index), now, options, encode);
      assert.deepEqual(counts, { added: 1, changed: 1, removed: 1, kept: 1 });
      assert.deepEqual(asked.at(-1), ["0", "c", "bad"]);
      assert.deepEqual(index.files, now.slice(0, 3));
      assert.deepEqual(index.features.subarray(3, 6), first.index.features.subarray(3, 6));
      const whole = (await updateIndex(undefined, now, options, encode)).index;
      assert.deepEqual(indexBytes(index), indexBytes(whole));
    }
    const other = { ...about, model: { ...model, sha256: "b".repeat(64) } };
    const { index } = await updateIndex(undefined, [file("a")], about, encode);
    await assert.rejects(updateIndex(index, [file("a")], other, encode), /other weights/);
  });

  test("features are of length 1, zeros stay", () => {
    assert.deepEqual([...normalizeRows(Float32Array.of(3, 4, 0, 0), 2)], [Math.fround(0.6), Math.fround(0.8), 0, 0]);
  });

  test("what is no index is refused", async () => {
    const data = new Uint8Array(12);
    const refused = async (metadata: Record<string, string>, pattern: RegExp, name = "features", shape = [1, 3]) => {
      const bytes = writeSafetensors([[name, { dtype: "F32", shape, data }]], metadata);
      await assert.rejects(parseIndex(memoryBytes(bytes, "x.safetensors")), (error: Error) => {
        assert.ok(error instanceof FormatError);
        assert.match(error.message, pattern);
        return true;
      });
    };
    const good = {
      format: "coop-index",
      version: "1",
      model: "m",
      model_sha256: "0".repeat(64),
      folder: ".",
      files: '[["a",1,2]]',
    };
    await refused({}, /not an index of coop/);
    await refused({ ...good, version: "2" }, /newer coop/);
    await refused({ ...good, files: "[[1]]" }, /list of files/);
    await refused({ ...good, files: "[" }, /list of files/);
    await refused({ ...good, files: "[]" }, /for 0 files/);
    await refused({ ...good, model_sha256: "x" }, /model_sha256/);
    await refused(good, /no tensor called features/, "weights");
    await refused(good, /\[3,1\] for 1 files/, "features", [3, 1]);
  });
});
