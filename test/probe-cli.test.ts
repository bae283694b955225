// `coop probe` on a small drawn folder.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import sharp from "sharp";
import { memoryBytes } from "../src/clip/bytes.ts";
import { openSafetensors } from "../src/clip/index.ts";
import { fewShotSplits } from "../src/coop/few-shot.ts";
import { readFolder } from "../src/coop/folder.ts";
import { parseSplits } from "../src/coop/run-files.ts";
import { PICTURE_SIZE, taskPictures } from "../src/world/index.ts";
import { coopHere } from "./coop-here.ts";

const TIMEOUT = { timeout: 120_000 };
const CLASSES = 3;
let root: string;
let pictures: string;

before(async () => {
  process.env.COOP_QUIET = "1";
  root = mkdtempSync(join(tmpdir(), "coop-probe-"));
  pictures = join(root, "pictures");
  for (const split of ["train", "test"] as const) {
    const { pixels, labels, classNames } = taskPictures("above", { perClass: 5, seed: 3, split });
    for (const [i, data] of pixels.entries()) {
      if (labels[i] >= CLASSES) continue;
      const folder = join(pictures, split, classNames[labels[i]]);
      mkdirSync(folder, { recursive: true });
      await sharp(data, { raw: { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } })
        .png()
        .toFile(join(folder, `${i}.png`));
    }
  }
});
after(() => rmSync(root, { recursive: true }));

/** The folder with only so many pictures of each class to train on. */
function keep(count: number): string {
  const dir = join(root, `only-${count}`);
  cpSync(pictures, dir, { recursive: true });
  for (const name of readdirSync(join(dir, "train")))
    for (const file of readdirSync(join(dir, "train", name)).slice(count)) rmSync(join(dir, "train", name, file));
  return dir;
}

const probe = (...words: string[]) => coopHere("probe", ...words);

async function json(...words: string[]) {
  const { code, stdout, stderr } = await probe(...words, "--json");
  assert.equal(code, 0, stderr);
  return { ...JSON.parse(stdout), stderr };
}

test("two seeds: means over them, C by pictures that are no shots", TIMEOUT, async () => {
  const result = await json(pictures, "--shots", "3", "--seeds", "2");
  assert.deepEqual(Object.keys(result), ["classes", "shots", "template", "zeroShot", "probe", "seeds", "stderr"]);
  assert.deepEqual(
    result.seeds.map(({ seed }: { seed: number }) => seed),
    [1, 2],
  );
  const accuracies = result.seeds.map((seed: { probe: { accuracy: number } }) => seed.probe.accuracy);
  assert.ok(Math.abs(result.probe.accuracy - (accuracies[0] + accuracies[1]) / 2) < 1e-12);
  assert.ok(Math.abs(result.probe.deviation - Math.abs(accuracies[0] - accuracies[1]) / 2) < 1e-12);
  for (const seed of result.seeds) {
    assert.deepEqual([seed.validation.from, seed.validation.pictures], ["train", 2 * CLASSES]);
    assert.ok(seed.converged && seed.C > 0 && seed.probe.total === 5 * CLASSES);
    assert.ok(seed.probe.accuracy > 1 / CLASSES, `${seed.probe.accuracy}`);
  }
});

test("one seed: the shots of coop train, the table, and the saved probe", TIMEOUT, async () => {
  const out = join(root, "saved");
  const { code, stdout, stderr } = await probe(pictures, "--shots", "4", "--seed", "7", "--c", "2", "--out", out);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /accuracy +right +of\nzero-shot "a photo of a {}\." .* 15\nlinear probe, 4 shots .* 15\n/);
  assert.match(stdout, /\n +7 .* 2e0 +– +15\n\nsaved /);
  const splits = parseSplits(readFileSync(join(out, "splits.json"), "utf8"));
  assert.deepEqual(splits.train, fewShotSplits(await readFolder(pictures, { seed: 7 }), 4, 7).train);
  assert.deepEqual(splits.val, []);
  const file = await openSafetensors(memoryBytes(readFileSync(join(out, "linear_probe.safetensors"))));
  assert.deepEqual(file.tensors.get("weight")?.shape, [CLASSES, 64]);
  assert.deepEqual(file.tensors.get("bias")?.shape, [CLASSES]);
  const config = JSON.parse(readFileSync(join(out, "linear_probe.json"), "utf8"));
  assert.deepEqual([config.C, config.search, config.shots, config.normalized], [2, null, 4, false]);
  assert.equal(config.metrics.probe.total, 15);
});

test("validation pictures: those of val/, the shots in turns, or none", TIMEOUT, async () => {
  const withVal = join(root, "with-val");
  cpSync(pictures, withVal, { recursive: true });
  cpSync(join(pictures, "test"), join(withVal, "val"), { recursive: true });
  const val = await json(withVal, "--shots", "2", "--seed", "1", "--val-shots", "3", "--normalize");
  assert.deepEqual(val.seeds[0].validation.from, "val");
  assert.equal(val.seeds[0].validation.pictures, 3 * CLASSES);

  const folds = await json(keep(2), "--shots", "16", "--seed", "1");
  assert.deepEqual([folds.seeds[0].validation.from, folds.seeds[0].validation.pictures], ["folds", 2 * CLASSES]);
  assert.match(folds.stderr, /Fewer than 16 pictures/);
  assert.match(folds.stderr, /predicted in turns/);

  const none = await json(keep(1), "--shots", "1", "--seed", "1");
  assert.deepEqual([none.seeds[0].validation.from, none.seeds[0].C], ["none", 1]);
  assert.match(none.stderr, /C is 1\. Give another with --c/);
});

test("wrong use and bad input", TIMEOUT, async () => {
  const taken = join(root, "taken");
  mkdirSync(taken);
  writeFileSync(join(taken, "note.txt"), "mine");
  for (const [words, code, pattern] of [
    [[], 2, /DIR is missing/],
    [[pictures, "--seed", "1", "--seeds", "2"], 2, /exclude/],
    [[pictures, "--out", join(root, "new")], 2, /say which with --seed/],
    [[pictures, "--c", "0"], 1, /--c is 0/],
    [[pictures, "--c", "nought"], 1, /--c is nought/],
    [[pictures, "--shots", "0"], 1, /--shots is 0/],
    [[pictures, "--val-shots", "1.5"], 1, /--val-shots is 1\.5/],
    [[pictures, "--template", "no place", "--seed", "1"], 1, /has no \{\}/],
    [[pictures, "--seed", "1", "--out", taken], 1, /not empty/],
    [[join(root, "nowhere")], 1, /nowhere/],
    [[pictures, "--model", "/nowhere/clip"], 1, /no such folder or file/],
  ] as const) {
    const outcome = await probe(...words);
    assert.equal(outcome.code, code, `${words}: ${outcome.stderr}`);
    assert.equal(outcome.stdout, "");
    assert.match(outcome.stderr, pattern);
  }
  assert.deepEqual(readdirSync(taken), ["note.txt"]);
  assert.ok(!existsSync(join(root, "new")));
});
