// Features of drawn views: the same bits every time, found again where they were kept.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import sharp from "sharp";
import { type Command, Input } from "../src/cli/command.ts";
import { encodePictures } from "../src/cli/features.ts";
import { AUGMENT_FLAGS, augmentationOf, encodeViews, trainingFeatures } from "../src/cli/views.ts";
import { type Clip, cropBatch, imageFeatures, loadClip, readPicture } from "../src/clip/index.ts";
import { viewOf, viewsRecipeText } from "../src/coop/views.ts";
import { PICTURE_SIZE, taskPictures } from "../src/world/index.ts";

const TIMEOUT = 60_000;
const PICTURES = 6;

describe("views of pictures", { timeout: TIMEOUT }, () => {
  let clip: Clip;
  let counted: Clip;
  let calls = 0;
  let root: string;
  let width: number;
  const paths: string[] = [];
  const environment = { ...process.env };

  before(async () => {
    root = mkdtempSync(join(tmpdir(), "coop-views-"));
    clip = await loadClip(join(import.meta.dirname, "../models/tiny-clip"));
    counted = {
      ...clip,
      encodeImage: (images) => {
        calls++;
        return clip.encodeImage(images);
      },
    };
    width = clip.config.embedDim;
    const { pixels } = taskPictures("objects", { perClass: 1, seed: 1, split: "test" });
    for (const [i, data] of pixels.slice(0, PICTURES).entries()) {
      const path = join(root, `${i}.png`);
      const image = sharp(data, { raw: { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } });
      await image
        .resize(PICTURE_SIZE + 7 * i, PICTURE_SIZE, { fit: "fill" })
        .png()
        .toFile(path);
      paths.push(path);
    }
  });
  beforeEach(() => {
    calls = 0;
    process.env.COOP_CACHE = mkdtempSync(join(root, "cache-"));
    delete process.env.COOP_NO_CACHE;
  });
  after(() => {
    process.env = environment;
    clip.free();
    rmSync(root, { recursive: true });
  });

  const rowsOf = (features: Float32Array, rows: readonly number[]) =>
    rows.map((row) => features.slice(row * width, (row + 1) * width));

  test("a view depends on the seed, its number and the picture's, and on nothing else", () => {
    const size = { width: 300, height: 200 };
    const seen = new Set<string>();
    for (const seed of [0, 1, 2 ** 40])
      for (const view of [0, 1, 2])
        for (const index of [0, 1, 2]) {
          assert.deepEqual(viewOf(size, seed, view, index), viewOf({ ...size }, seed, view, index));
          seen.add(JSON.stringify(viewOf(size, seed, view, index).box));
        }
    assert.equal(seen.size, 27);
    assert.deepEqual(viewOf(size, 1, 2, 3), { box: [49, 2, 245, 180], flip: false });
  });

  test("features are those of the views, in the order view, picture", async () => {
    const features = await encodeViews(counted, paths, { views: 2, seed: 5 });
    assert.equal(features.length, 2 * PICTURES * width);
    assert.equal(calls, 1);
    const views = [0, 1].flatMap((view) => paths.map((path, index) => ({ path, view, index })));
    const side = clip.config.vision.imageSize;
    const images: Float32Array[] = [];
    for (const { path, view, index } of views) {
      const picture = await readPicture(path);
      const image = await cropBatch([{ picture, ...viewOf(picture, 5, view, index) }], side, clip.pixels);
      images.push((await image.data()) as Float32Array);
      image.free();
    }
    assert.deepEqual(features, await imageFeatures(clip, images, 16));
    assert.notDeepEqual(rowsOf(features, [0]), rowsOf(features, [PICTURES]));
  });

  test("are not computed twice, whatever the files are called", async () => {
    const features = await encodeViews(counted, paths, { views: 2, seed: 5 });
    assert.equal(calls, 1);
    const copies = paths.map((path, i) => {
      copyFileSync(path, join(root, `copy-${i}.png`));
      return join(root, `copy-${i}.png`);
    });
    assert.deepEqual(await encodeViews(counted, copies, { views: 2, seed: 5 }), features);
    assert.equal(calls, 1);
    process.env.COOP_NO_CACHE = "1";
    assert.deepEqual(
      await encodeViews(counted, paths, { views: 2, seed: 5 }),
      features,
      "computed anew: the same bits",
    );
    assert.equal(calls, 2);
  });

  test("half of them known: the same bits", async () => {
    const twelve = await encodeViews(counted, paths, { views: 2, seed: 5, keep: false });
    await encodeViews(counted, paths.slice(0, 5), { views: 2, seed: 5 }); // a batch of 16 too
    calls = 0;
    assert.deepEqual(await encodeViews(counted, paths, { views: 2, seed: 5 }), twelve);
    assert.equal(calls, 1);
    calls = 0;
    await encodeViews(counted, paths, { views: 2, seed: 5 });
    assert.equal(calls, 0);
    await encodeViews(counted, paths, { views: 2, seed: 6 });
    assert.equal(calls, 1, "another seed, other views");
    await encodeViews(counted, paths, { views: 2, seed: 5, first: 1 });
    assert.equal(calls, 2, "the second of them is new");
    await encodeViews({ ...counted, pixels: { ...clip.pixels, scale: 1 / 254 } }, paths, { views: 2, seed: 5 });
    assert.equal(calls, 3, "other pixels");
  });

  test("a training sees them in turn", async () => {
    const how = { seed: 3, epochs: 5 };
    const plain = await trainingFeatures(counted, paths, { augment: "none", views: 1, ...how });
    assert.deepEqual(await plain.epoch(4), await encodePictures(clip, paths));
    assert.equal(plain.views, 1);

    const fixed = await trainingFeatures(counted, paths, { augment: "views", views: 2, ...how });
    assert.equal(fixed.views, 2);
    assert.equal(fixed.fixed?.length, 2 * PICTURES * width);
    assert.deepEqual(await fixed.epoch(0), fixed.fixed.subarray(0, PICTURES * width));
    assert.deepEqual(await fixed.epoch(3), fixed.fixed.subarray(PICTURES * width));
    assert.deepEqual(await fixed.epoch(4), await fixed.epoch(0));
    assert.notDeepEqual(await fixed.epoch(1), await fixed.epoch(0));

    const many = await trainingFeatures(counted, paths, { augment: "views", views: 50, ...how });
    assert.equal(many.views, 5, "not more than there are epochs");
  });

  test("fresh views: other ones in each epoch, the same in each run, none kept", async () => {
    const how = { augment: "fresh" as const, views: 1, seed: 3, epochs: 3 };
    const fresh = await trainingFeatures(counted, paths, how);
    assert.equal(calls, 0, "nothing is computed before it is asked for");
    assert.equal(fresh.fixed, undefined);
    const epochs = [await fresh.epoch(0), await fresh.epoch(1), await fresh.epoch(2)];
    assert.notDeepEqual(epochs[1], epochs[0]);
    assert.equal(calls, 3);
    assert.deepEqual(await (await trainingFeatures(counted, paths, how)).epoch(1), epochs[1]);
    assert.equal(calls, 4);
    // as many fixed views as epochs are the same views; the batch, and so the last bits, may be another
    const fixed = await trainingFeatures(counted, paths, { ...how, augment: "views", views: 3 });
    const there = fixed.fixed!;
    epochs.forEach((features, epoch) => {
      const off = features.map((x, i) => Math.abs(x - there[epoch * features.length + i]));
      assert.ok(Math.max(...off) < 1e-4, `epoch ${epoch} is off by ${Math.max(...off)}`);
    });
  });

  test("a file that is not a picture is named", async () => {
    const text = join(root, "notes.png");
    writeFileSync(text, "not a picture");
    await assert.rejects(encodeViews(clip, [paths[0], text], { views: 1, seed: 1 }), /notes\.png is not a picture/);
  });

  test("flags", () => {
    const command: Command = { summary: "", usage: "", flags: AUGMENT_FLAGS, run: async () => 0 };
    const asked = (...words: string[]) => augmentationOf(new Input("train", command, words));
    assert.deepEqual(asked(), { augment: "none", views: 1 });
    assert.deepEqual(asked("--augment", "views"), { augment: "views", views: 8 });
    assert.deepEqual(asked("--views", "3"), { augment: "views", views: 3 });
    assert.deepEqual(asked("--augment", "fresh"), { augment: "fresh", views: 1 });
    assert.throws(() => asked("--augment", "some"), /none, views or fresh/);
    assert.throws(() => asked("--augment", "fresh", "--views", "3"), /has none/);
    assert.throws(() => asked("--views", "0"), /--views is 0/);
  });

  test("one line says how", () => {
    assert.match(viewsRecipeText({ augment: "none", views: 1, seed: 1 }), /^none/);
    assert.match(viewsRecipeText({ augment: "fresh", views: 1, seed: 1 }), /^a new view .*area 0\.08 to 1.*seed 1$/);
    assert.match(viewsRecipeText({ augment: "views", views: 8, seed: 2 }), /^8 fixed views .*in turn.*seed 2$/);
  });
});
