// coop explain, import and export as a person uses them.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";
import { pngOf } from "../src/cli/thumbnail.ts";
import { type Clip, loadClip } from "../src/clip/index.ts";
import { answersTo, comparePrompts } from "../src/coop/prompt-change.ts";
import { adapterConfigJson, type SavedConfig } from "../src/coop/run-config.ts";
import { adapterModel } from "../src/coop/run-files.ts";
import { PICTURE_SIZE, taskPictures } from "../src/world/index.ts";
import { coop, jsonOf, refused } from "./run-coop.ts";

const MODEL = join(import.meta.dirname, "../models/tiny-clip");
const TIMEOUT = 60_000;

let root: string;
let pictures: string;
let clip: Clip;
let classes: string[];

/** A run's folder without a training: the context is the embeddings of words, or anything of class-specific shape. */
function saveRun(name: string, context: Float32Array, classSpecific: boolean): string {
  const tokenDim = clip.config.text.width;
  const contextTokens = context.length / tokenDim / (classSpecific ? classes.length : 1);
  const config: SavedConfig = {
    model: { name: "tiny-clip", revision: null, sha256: clip.sha256 },
    classes,
    options: { contextTokens, tokenDim, position: "end", classSpecific, initText: null },
    recipe: null,
    metrics: null,
    versions: {},
  };
  const dir = join(root, name);
  mkdirSync(dir);
  writeFileSync(join(dir, "adapter_config.json"), adapterConfigJson(config));
  writeFileSync(join(dir, "adapter_model.safetensors"), adapterModel(context, config));
  return dir;
}

before(async () => {
  root = mkdtempSync(join(tmpdir(), "coop-explain-"));
  pictures = join(root, "pictures");
  const { pixels, labels, classNames } = taskPictures("above", { perClass: 3, seed: 3, split: "test" });
  classes = classNames.slice(0, 3).sort(); // as their folders are
  for (const [i, data] of pixels.entries()) {
    if (labels[i] >= 3) continue;
    const folder = join(pictures, "test", classNames[labels[i]].replaceAll(" ", "_"));
    mkdirSync(folder, { recursive: true });
    const raw = { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 as const };
    await sharp(data, { raw })
      .png()
      .toFile(join(folder, `${i}.png`));
  }
  mkdirSync(join(pictures, "train"));
  for (const name of readdirSync(join(pictures, "test"))) {
    mkdirSync(join(pictures, "train", name));
    writeFileSync(
      join(pictures, "train", name, "x.png"),
      readFileSync(join(pictures, "test", name, readdirSync(join(pictures, "test", name))[0])),
    );
  }
  clip = await loadClip(MODEL);
  const table = (await clip.params.text.tokenEmbedding[0].data()) as Float32Array;
  const dim = clip.config.text.width;
  const rows = ["red", "blue"].flatMap((word) => {
    const [id] = clip.tokenizer.encode(word);
    return [...table.subarray(id * dim, (id + 1) * dim)];
  });
  saveRun("words", Float32Array.from(rows), false);
  saveRun(
    "specific",
    Float32Array.from({ length: 3 * 2 * dim }, (_, i) => Math.sin(i) / 20),
    true,
  );
});
after(() => {
  clip.free();
  rmSync(root, { recursive: true });
});

describe("commands", { concurrency: 2, timeout: TIMEOUT }, () => {
  test("the words of a prompt, what it changes, and a page of it", { timeout: TIMEOUT }, async () => {
    const report = join(root, "page.html");
    const result = jsonOf(
      await coop("explain", join(root, "words"), "--data", pictures, "--top-k", "2", "--report", report, "--json"),
    );
    assert.deepEqual(
      result.vectors.map((v: { byDistance: { text: string; distance: number }[] }) => v.byDistance[0].text),
      ["red", "blue"],
    );
    assert.equal(result.vectors[0].byDistance[0].distance, 0);
    assert.equal(result.vectors[0].byCosine.length, 2);
    assert.deepEqual(result.vectors[1].control.asNear, { distance: 0, cosine: 0 });
    const { change } = result;
    assert.equal(change.pictures, 9);
    assert.deepEqual(change.classes.map((c: { label: string }) => c.label), classes); // biome-ignore format: one row
    assert.equal(
      change.learned.correct - change.zeroShot.correct,
      change.wrongToRight.length - change.rightToWrong.length,
    );
    for (const { path, label, zeroShot, learned } of change.wrongToRight) {
      assert.ok(existsSync(join(pictures, path)));
      assert.ok(learned.answer === label && zeroShot.answer !== label);
      assert.ok(learned.score > 1 / 3 && learned.score <= 1);
    }
    const page = readFileSync(report, "utf8");
    assert.ok(!/https?:|<script|url\(/.test(page), "an outside resource");
    const flips = change.wrongToRight.length + change.rightToWrong.length;
    assert.equal(page.match(/<img src="data:image\/png;base64,/g)?.length ?? 0, flips);
    assert.match(page, /<bdi>red 0\.000, /);
  });

  test("in the terminal, and contexts of classes", { timeout: TIMEOUT }, async () => {
    const plain = await coop("explain", join(root, "words"));
    assert.equal(plain.code, 0, plain.stderr);
    assert.match(plain.stdout, /vector +norm +random +as near +nearest by distance\n +1 .* 0 of 64 +red 0\.000/);
    assert.match(plain.stdout, /Of 2 vectors 2 by distance and 2 by cosine are nearer/);
    const { vectors } = jsonOf(await coop("explain", join(root, "specific"), "--labels", classes[2], "--json"));
    assert.deepEqual(
      vectors.map((v: { class: string; vector: number }) => [v.class, v.vector]),
      [[classes[2], 1], [classes[2], 2]], // biome-ignore format: one row
    );
    refused(await coop("explain", join(root, "specific"), "--labels", "nothing"), 1, /nothing: not a class/);
    refused(await coop("explain", join(root, "words"), "--labels", classes[0]), 1, /one context for all/);
    refused(await coop("explain", join(root, "words"), "--top-k", "9999"), 1, /--top-k is 9999; .* has 286 tokens/);
    refused(await coop("explain"), 2, /RUN is missing/);
  });

  test("out to the reference and back: the same bits", { timeout: TIMEOUT }, async () => {
    for (const name of ["words", "specific"]) {
      const file = join(root, `${name}.pth.tar-7`);
      const saved = jsonOf(await coop("export", join(root, name), "--out", file, "--full", "--json"));
      assert.equal(saved.epoch, 7);
      assert.equal(saved.settings["TRAINER.COOP.CSC"], name === "words" ? "False" : "True");
      const out = join(root, `${name}-back`);
      const back = jsonOf(await coop("import", file, "--out", out, "--json"));
      assert.deepEqual([back.classes, back.epoch, back.skipped], [classes, 7, []]);
      const model = (dir: string) => readFileSync(join(dir, "adapter_model.safetensors"));
      assert.deepEqual(model(out), model(join(root, name)));
      assert.deepEqual(readdirSync(out).sort(), ["README.md", "adapter_config.json", "adapter_model.safetensors"]);
    }
    const file = join(root, "words.pth.tar-7");
    refused(await coop("export", join(root, "words"), "--out", file), 1, /is there already/);
    const measured = jsonOf(await coop("eval", pictures, "--prompt", join(root, "words-back"), "--json"));
    assert.equal(measured.coop.total, 9);
  });

  test("a wrong list of classes, and other classes", { timeout: TIMEOUT }, async () => {
    const file = join(root, "other.pth.tar-3");
    jsonOf(await coop("export", join(root, "words"), "--out", file, "--full", "--json"));
    const out = join(root, "never");
    const import_ = (...flags: string[]) => coop("import", file, "--out", out, ...flags);
    const turned = [...classes].reverse().join(",");
    refused(
      await import_("--classes", turned),
      1,
      new RegExp(`other class names: "${classes[2]}" \\(in the file "${classes[0]}"\\)`),
    );
    refused(await import_("--classes", "a,b"), 1, /learned on 3 classes, but 2 are given/);
    refused(await import_("--new-classes"), 2, /--new-classes needs/);
    refused(await import_("--position", "behind"), 1, /--position is behind/);
    assert.ok(!existsSync(out));
    const other = jsonOf(await import_("--classes", "moon,star", "--new-classes", "--position", "front", "--json"));
    assert.deepEqual([other.classes, other.position], [["moon", "star"], "front"]);
    const list = join(root, "classes.txt");
    writeFileSync(list, `${classes.join("\n")}\n`);
    assert.deepEqual(
      jsonOf(await coop("import", file, "--out", `${out}2`, "--classes-from", list, "--json")).classes,
      classes,
    );
    assert.deepEqual(
      jsonOf(await coop("import", file, "--out", `${out}3`, "--classes-from", pictures, "--json")).classes,
      classes,
    );
    writeFileSync(join(root, "no.pth"), "hello, world, hello");
    refused(await coop("import", join(root, "no.pth"), "--out", `${out}4`), 1, /no PyTorch file/);
  });
});

test("answers and their changes, counted by hand", { timeout: TIMEOUT }, async () => {
  const E = clip.config.embedDim;
  const unit = (...at: number[]) =>
    Float32Array.from({ length: at.length * E }, (_, i) => (at[Math.floor(i / E)] === i % E ? 1 : 0));
  const labels = [0, 0, 1, 1];
  const images = unit(0, 1, 1, 2);
  const [one, two] = [unit(0, 1), unit(1, 2)];
  const [a, b] = [await answersTo(clip, images, labels, one), await answersTo(clip, images, labels, two)];
  assert.deepEqual([...a.predicted], [0, 1, 1, 0]);
  assert.deepEqual([...a.margin], [1, -1, 1, 0]);
  assert.deepEqual([...b.margin], [0, 1, -1, 1]);
  assert.ok(Math.abs(a.score[0] - 1 / (1 + Math.exp(-clip.logitScale))) < 1e-12);
  assert.equal(a.score[3], 0.5);
  const change = comparePrompts(a, b, labels, { before: one, after: two, width: E });
  assert.deepEqual([change.lost, change.gained], [[2], [1, 3]]);
  assert.deepEqual(change.classes[0], { total: 2, correct: { before: 1, after: 2 }, margin: { before: 0, after: 0.5 }, cosine: 0 }); // biome-ignore format: one row
});

test("a thumbnail's file is a PNG with those pixels", async () => {
  const data = Uint8Array.from({ length: 3 * 5 * 4 }, (_, i) => (37 * i) % 256);
  const decoded = await sharp(pngOf({ width: 5, height: 4, data }))
    .raw()
    .toBuffer();
  assert.deepEqual(new Uint8Array(decoded), data);
});
