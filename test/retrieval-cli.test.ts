// index, search and recall as a person uses them, on drawn pictures with the tiny CLIP.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import sharp from "sharp";
import { memoryBytes } from "../src/clip/bytes.ts";
import { openSafetensors } from "../src/clip/index.ts";
import { caption, PICTURE_SIZE, Random, trainingPair } from "../src/world/index.ts";

const MAIN = join(import.meta.dirname, "../src/cli/main.ts");
const TIMEOUT = 120_000;
let root: string;
let pictures: string;
const captions: string[] = [];
const names: string[] = [];

function coop(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const options = { timeout: TIMEOUT, env: { ...process.env, COOP_QUIET: "1", COOP_NO_CACHE: "1" } };
    execFile(process.execPath, ["--import", "tsx", MAIN, ...words], options, (error, stdout, stderr) => {
      resolve({ code: error ? (typeof error.code === "number" ? error.code : -1) : 0, stdout, stderr });
    });
  });
}

async function json(...words: string[]) {
  const { code, stdout, stderr } = await coop(...words, "--json");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

async function refused(pattern: RegExp, code: number, ...words: string[]) {
  const outcome = await coop(...words);
  assert.equal(outcome.code, code, outcome.stderr);
  assert.equal(outcome.stdout, "");
  assert.match(outcome.stderr, pattern);
}

async function draw(path: string, index: number): Promise<void> {
  const { pixels } = trainingPair(5, index);
  await sharp(pixels, { raw: { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } })
    .png()
    .toFile(join(pictures, path));
}

before(async () => {
  root = mkdtempSync(join(tmpdir(), "coop-retrieval-"));
  pictures = join(root, "pictures");
  mkdirSync(join(pictures, "more"), { recursive: true });
  for (let i = 0; i < 12; i++) {
    names.push(i % 3 ? `${i}.png` : `more/${i}.png`);
    await draw(names[i], i);
    captions.push(caption(trainingPair(5, i).latent, new Random(5, i)));
  }
});
after(() => rmSync(root, { recursive: true }));

/** Features of length 1 by \`coop embed\`. */
async function embedded(...words: string[]): Promise<number[][]> {
  const { embeddings } = await json("embed", ...words, "--normalize");
  return embeddings.map(({ values }: { values: number[] }) => values);
}
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * b[i], 0);

test("index, search, and an update", { timeout: 3 * TIMEOUT }, async () => {
  writeFileSync(join(pictures, "broken.png"), "<html>not found</html>");
  const first = await json("index", pictures);
  const file = join(pictures, ".coop-index.safetensors");
  assert.deepEqual(first, {
    index: file,
    model: "tiny-clip",
    dim: 64,
    pictures: 12,
    added: 12,
    changed: 0,
    removed: 0,
    kept: 0,
    refused: 1,
  });

  const query = join(pictures, names[4]);
  const found = await json("search", pictures, captions[0], query, "--top-k", "3");
  const [text, image] = found.results;
  assert.deepEqual([text.kind, image.kind], ["text", "image"]);
  assert.equal(found.pictures, 12);
  assert.equal(image.found[0].path, query);
  assert.ok(Math.abs(image.found[0].cosine - 1) < 1e-5);
  const features = await embedded(...names.map((name) => join(pictures, name)));
  const [asked] = await embedded("--text", captions[0]);
  const expected = features
    .map((feature, i) => ({ path: join(pictures, names[i]), cosine: dot(feature, asked) }))
    .sort((a, b) => b.cosine - a.cosine);
  for (const [i, { rank, path, cosine }] of text.found.entries()) {
    assert.equal(rank, i + 1);
    assert.equal(path, expected[i].path);
    assert.ok(Math.abs(cosine - expected[i].cosine) < 1e-4);
  }
  const { stdout } = await coop("search", file, captions[0], "--top-k", "99");
  assert.equal(stdout.trimEnd().split("\n").length, 12);
  assert.ok(stdout.includes(`  ${text.found[0].cosine.toFixed(4)}  ${text.found[0].path}\n`), stdout);

  const bytes = readFileSync(file);
  rmSync(join(pictures, names[0]));
  rmSync(join(pictures, "broken.png"));
  await draw("new.png", 40);
  await draw(names[1], 41);
  const { added, changed, removed, kept } = await json("index", pictures);
  assert.deepEqual([added, changed, removed, kept], [1, 1, 1, 10]);
  const [old, updated] = await Promise.all([bytes, readFileSync(file)].map(rowsOf));
  for (const name of names.slice(2)) assert.deepEqual(updated.get(name), old.get(name));
  assert.notDeepEqual(updated.get(names[1]), old.get(names[1]));
  assert.deepEqual(await json("index", pictures).then(({ kept }) => kept), 12);

  const elsewhere = join(root, "half.safetensors");
  await json("index", pictures, "--out", elsewhere, "--half");
  const half = await json("search", elsewhere, captions[0], "--top-k", "1");
  assert.ok(half.results[0].found[0].path.startsWith(pictures));
  assert.deepEqual((await rowsOf(readFileSync(elsewhere))).size, 12);
});

/** Bytes of each picture's feature in an index file. */
async function rowsOf(bytes: Uint8Array): Promise<Map<string, Uint8Array>> {
  const file = await openSafetensors(memoryBytes(bytes));
  const features = await file.read("features");
  const list = JSON.parse(file.metadata.get("files")!) as [string][];
  const width = features.length / list.length;
  return new Map(list.map(([name], i) => [name, features.slice(i * width, (i + 1) * width)]));
}

test("recall", { timeout: TIMEOUT }, async () => {
  await draw(names[0], 0);
  const pairs = join(root, "pairs.jsonl");
  const images = names.slice(2, 10);
  const texts = images.flatMap((_, i) => (i % 2 ? [captions[i + 2], captions[i]] : [captions[i + 2]]));
  const imageOf = images.flatMap((_, i) => (i % 2 ? [i, i] : [i]));
  texts.forEach((text, c) => {
    const image = `pictures/${images[imageOf[c]]}`;
    appendFileSync(pairs, `${JSON.stringify(c % 2 ? { image, caption: text } : { file_name: image, text })}\n`);
  });
  const report = await json("recall", pairs);
  assert.deepEqual([report.pictures, report.captions], [8, 12]);
  const a = await embedded(...images.map((name) => join(pictures, name)));
  const b = await embedded("--text", ...texts);
  const order = (scores: number[]) => [...scores.keys()].sort((i, j) => scores[j] - scores[i] || i - j);
  const share = (hits: boolean[]) => hits.filter(Boolean).length / hits.length;
  for (const k of [1, 5, 10]) {
    const right = a.map((x, i) =>
      order(b.map((y) => dot(x, y)))
        .slice(0, k)
        .some((c) => imageOf[c] === i),
    );
    assert.equal(report.imageToText.recall[k], share(right));
    const own = b.map((y, c) =>
      order(a.map((x) => dot(x, y)))
        .slice(0, k)
        .includes(imageOf[c]),
    );
    assert.equal(report.textToImage.recall[k], share(own));
  }
  assert.match((await coop("recall", pairs)).stdout, /R@1 .*\npicture → caption .*\ncaption → picture /);
});

test("what they refuse", { timeout: 3 * TIMEOUT }, async () => {
  const empty = join(root, "empty");
  mkdirSync(empty);
  const notes = join(root, "notes.txt");
  writeFileSync(notes, "not an index");
  await Promise.all([
    refused(/no picture/, 1, "index", empty),
    refused(/there is no such folder/, 1, "index", empty, "--out", join(root, "nowhere", "x.safetensors")),
    refused(/another --out/, 1, "index", pictures, "--out", notes),
  ]);
  assert.equal(readFileSync(notes, "utf8"), "not an index");
  await Promise.all([
    refused(/no index yet; run/, 1, "search", empty, "a star"),
    refused(/query is missing/, 2, "search", empty),
    refused(/exclude/, 2, "search", pictures, "a star", "--text", "--image"),
  ]);
  await Promise.all([
    refused(/photo\.png: there is no such file.*--text/, 1, "search", pictures, "photo.png"),
    refused(/there is no such file/, 1, "recall", join(root, "none.jsonl")),
    refused(/notes/, 1, "recall", notes),
  ]);
});
