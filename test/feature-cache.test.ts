// Features that are kept: found again bit for bit, by any number of processes, whatever happened to the files.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { promisify } from "node:util";
import sharp from "sharp";
import { encodeClasses, encodePictures, useFeatureCache } from "../src/cli/features.ts";
import { type Clip, classFeatures, imageFeatures, loadClip, readPicture } from "../src/clip/index.ts";
import { cacheFolder, openFeatureCache } from "../src/coop/feature-cache.ts";
import { PICTURE_SIZE, taskPictures } from "../src/world/index.ts";

const TIMEOUT = 60_000;
const hash = (text: string) => createHash("sha256").update(text).digest("hex");
const row = (...values: number[]) => Float32Array.from(values);

let root: string;
let folder: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), "coop-features-"));
});
after(() => rmSync(root, { recursive: true }));
beforeEach(() => {
  folder = mkdtempSync(join(root, "cache-"));
});

/** All files that hold features. */
const files = () =>
  existsSync(join(folder, "features"))
    ? readdirSync(join(folder, "features"), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".safetensors"))
        .map((name) => join(folder, "features", name))
    : [];

describe("the files", () => {
  const open = (way: object = { model: "m" }, width = 2) => openFeatureCache(way, width, { folder });

  test("what was put is there for the next, and only for the same way", async () => {
    const cache = await open();
    assert.equal(cache.get(hash("a")), undefined);
    cache.put(hash("a"), row(1, -0));
    cache.put(hash("b"), row(Number.NaN, 2 ** -140));
    assert.deepEqual(cache.get(hash("a")), row(1, -0));
    assert.equal(files().length, 0, "nothing is written before save");
    await cache.save();
    await cache.save();
    assert.equal(files().length, 1);
    const again = await open();
    assert.deepEqual(again.get(hash("a")), row(1, -0));
    assert.deepEqual(again.get(hash("b")), row(Number.NaN, 2 ** -140));
    assert.equal((await open({ model: "n" })).get(hash("a")), undefined);
    assert.equal((await open({ model: "m" }, 1)).get(hash("a")), undefined);
  });

  for (const [what, damage] of [
    ["cut short", (file: string) => truncateSync(file, statSync(file).size - 1)],
    ["emptied", (file: string) => truncateSync(file, 0)],
    [
      "with a wrong bit",
      (file: string) => {
        const bytes = readFileSync(file);
        bytes[bytes.length - 40] ^= 1;
        writeFileSync(file, bytes);
      },
    ],
  ] as const)
    test(`a file ${what} is not believed`, async () => {
      const cache = await open();
      cache.put(hash("a"), row(1, 2));
      await cache.save();
      cache.put(hash("b"), row(3, 4));
      await cache.save();
      damage(files()[0]);
      const damaged = await open();
      const known = ["a", "b"].filter((name) => damaged.get(hash(name)) !== undefined);
      assert.equal(known.length, 1);
      assert.equal(files().length, 1, "it is deleted");
      damaged.put(hash("a"), row(1, 2));
      damaged.put(hash("b"), row(3, 4));
      await damaged.save();
      const healed = await open();
      assert.deepEqual([healed.get(hash("a")), healed.get(hash("b"))], [row(1, 2), row(3, 4)]);
    });

  test("a whole file with other contents is not believed", async () => {
    const cache = await open();
    cache.put(hash("a"), row(1, 2));
    await cache.save();
    const text = "not safetensors";
    writeFileSync(join(files()[0], "..", `${hash(text)}.safetensors`), text);
    assert.deepEqual((await open()).get(hash("a")), row(1, 2));
    assert.equal(files().length, 1);
  });

  test("many small files become one", async () => {
    for (let i = 0; i < 18; i++) {
      const cache = await open();
      cache.put(hash(`${i}`), row(i, -i));
      await cache.save();
    }
    assert.ok(files().length <= 2, `${files().length} files`);
    const cache = await open();
    for (let i = 0; i < 18; i++) assert.deepEqual(cache.get(hash(`${i}`)), row(i, -i));
  });

  test("what was not used for the longest time goes first", async () => {
    const most = () => (files().length > 0 ? 2.5 * statSync(files()[0]).size : 1e6); // two of these files
    for (const [i, name] of ["old", "used", "new"].entries()) {
      const cache = await openFeatureCache({ name }, 2, { folder, most: most() });
      cache.put(hash(name), row(i, i));
      await cache.save();
      if (name === "new") break;
      const before = new Date(Date.now() - (10 - i) * 24 * 3600_000);
      for (const file of files()) if (Date.now() - statSync(file).mtimeMs < 3600_000) utimesSync(file, before, before);
    }
    assert.equal(files().length, 2);
    const there = async (name: string) =>
      (await openFeatureCache({ name }, 2, { folder })).get(hash(name)) !== undefined;
    assert.deepEqual([await there("old"), await there("used"), await there("new")], [false, true, true]);
  });

  test("a place that cannot be written is no error", async () => {
    writeFileSync(join(folder, "file"), "");
    const cache = await openFeatureCache({}, 2, { folder: join(folder, "file") });
    cache.put(hash("a"), row(1, 2));
    await cache.save();
    assert.deepEqual(cache.get(hash("a")), row(1, 2));
  });

  test("several processes at once", { timeout: TIMEOUT }, async () => {
    const module = JSON.stringify(join(import.meta.dirname, "../src/coop/feature-cache.ts"));
    const script = `
      import { createHash } from "node:crypto";
      const { openFeatureCache } = await import(${module});
      const key = (i) => createHash("sha256").update(String(i)).digest("hex");
      for (let round = 0; round < 12; round++) {
        const cache = await openFeatureCache({ model: "m" }, 2, { folder: process.env.FOLDER });
        for (let i = 0; i < 5; i++) {
          const n = (Number(process.env.WHO) * 7 + round * 5 + i) % 80;
          const known = cache.get(key(n));
          if (known && (known[0] !== n || known[1] !== -n)) throw new Error("wrong features for " + n);
          cache.put(key(n), Float32Array.of(n, -n));
        }
        await cache.save();
      }`;
    await Promise.all(
      [0, 1, 2, 3].map((who) =>
        promisify(execFile)(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
          env: { ...process.env, FOLDER: folder, WHO: String(who) },
          cwd: join(import.meta.dirname, ".."),
          timeout: TIMEOUT,
        }),
      ),
    );
    const cache = await open();
    for (let n = 0; n < 80; n++) assert.deepEqual(cache.get(hash(`${n}`)), row(n, -n), `${n}`);
    const left = readdirSync(join(folder, "features"), { recursive: true, encoding: "utf8" });
    assert.ok(!left.some((name) => name.includes("tmp")), left.join(" "));
  });
});

describe("encoding", () => {
  let clip: Clip;
  let calls = 0;
  let counted: Clip;
  const paths: string[] = [];
  const environment = { ...process.env };
  before(async () => {
    clip = await loadClip(join(import.meta.dirname, "../models/tiny-clip"));
    counted = {
      ...clip,
      encodeImage: (images) => {
        calls++;
        return clip.encodeImage(images);
      },
    };
    const { pixels } = taskPictures("objects", { perClass: 5, seed: 1, split: "test" });
    for (const [i, data] of pixels.slice(0, 40).entries()) {
      const path = join(root, `${i}.png`);
      await sharp(data, { raw: { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } })
        .png()
        .toFile(path);
      paths.push(path);
    }
  });
  beforeEach(() => {
    calls = 0;
    process.env.COOP_CACHE = folder;
    delete process.env.COOP_NO_CACHE;
  });
  after(() => {
    process.env = environment;
    clip.free();
  });

  test("pictures: as without a cache, and not encoded twice", { timeout: TIMEOUT }, async () => {
    assert.equal(paths.length, 40);
    const read = async function* () {
      for (const path of paths) yield clip.preprocess(await readPicture(path));
    };
    const plain = await imageFeatures(clip, read());
    const first = await encodePictures(counted, paths);
    assert.deepEqual(first, plain);
    assert.equal(calls, 2);
    assert.deepEqual(await encodePictures(counted, paths), plain);
    assert.equal(calls, 2, "nothing is computed a second time");

    // moved, renamed and in another order: what a picture holds counts, not what it is called
    const backwards = await encodePictures(counted, [...paths].reverse());
    assert.equal(calls, 2);
    assert.deepEqual(backwards.subarray(0, 64), plain.subarray(39 * 64));

    rmSync(files()[0]);
    const copy = join(root, "copy.png");
    writeFileSync(copy, readFileSync(paths[0]));
    const renamed = await encodePictures(counted, [copy, ...paths.slice(1)]);
    assert.equal(calls, 4);
    assert.deepEqual(renamed, plain);
  });

  test("a picture's features do not depend on its place among the others", { timeout: TIMEOUT }, async () => {
    useFeatureCache(false);
    const forwards = await encodePictures(counted, paths);
    const backwards = await encodePictures(counted, [...paths].reverse());
    useFeatureCache(true);
    for (let i = 0; i < 40; i++)
      assert.deepEqual(backwards.slice((39 - i) * 64, (40 - i) * 64), forwards.slice(i * 64, (i + 1) * 64), paths[i]);
  });

  test("half of them known, or the file damaged: the same bits", { timeout: TIMEOUT }, async () => {
    useFeatureCache(false);
    const plain = await encodePictures(counted, paths);
    useFeatureCache(true);
    assert.equal(files().length, 0);
    await encodePictures(counted, paths.slice(5, 38)); // a batch of 32 too
    calls = 0;
    assert.deepEqual(await encodePictures(counted, paths), plain);
    assert.equal(calls, 1);
    for (const file of files()) truncateSync(file, 100);
    assert.deepEqual(await encodePictures(counted, paths), plain);
    assert.equal(calls, 3);
  });

  test("other pixels, another model or another batch are other features", { timeout: TIMEOUT }, async () => {
    const some = paths.slice(0, 4);
    const plain = await encodePictures(counted, some);
    assert.equal(calls, 1);
    await encodePictures({ ...counted, pixels: { ...clip.pixels, scale: 1 / 254 } }, some);
    await encodePictures({ ...counted, sha256: "other" }, some);
    await encodePictures({ ...counted, config: { ...clip.config } }, some);
    assert.equal(calls, 3);
    await encodePictures(counted, some.slice(0, 1));
    assert.equal(calls, 4);
    await encodePictures(counted, some.slice(0, 3)); // as four
    assert.equal(calls, 4);
    process.env.COOP_NO_CACHE = "1";
    assert.deepEqual(await encodePictures(counted, some), plain);
    assert.equal(calls, 5);
    delete process.env.COOP_NO_CACHE;
    process.env.COOP_TUNE = "1"; // measuring may choose other kernels
    await encodePictures(counted, some);
    assert.equal(calls, 6);
    process.env.COOP_TUNE = environment.COOP_TUNE;
  });

  test("texts", { timeout: TIMEOUT }, async () => {
    const names = ["ball", "red star", "ring"];
    const templates = ["a photo of a {}.", "{}"];
    const plain = await classFeatures(clip, names, templates);
    assert.deepEqual(await encodeClasses(clip, names, templates), plain);
    const dumb: Clip = { ...clip, params: { ...clip.params, text: {} as Clip["params"]["text"] } };
    assert.deepEqual(await encodeClasses(dumb, names, templates), plain, "without a text tower");
    await assert.rejects(encodeClasses(dumb, ["ball", "ring"], templates), TypeError);
  });

  test("where features are kept", async () => {
    assert.equal(await cacheFolder(), folder);
    delete process.env.COOP_CACHE;
    process.env.XDG_CACHE_HOME = root;
    assert.equal(await cacheFolder(), join(root, "coop"));
    delete process.env.XDG_CACHE_HOME;
    assert.match(await cacheFolder(), /\.cache.coop$/);
  });
});
