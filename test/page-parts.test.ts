import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { strToU8, zipSync } from "fflate";
import { batchSize } from "../web/engine/encoder.ts";
import { Features } from "../web/engine/features.ts";
import { checkSource } from "../web/engine/model-source.ts";
import { orders } from "../web/engine/orders.ts";
import { publisher } from "../web/engine/publisher.ts";
import { openRun, zipRun } from "../web/engine/run-zip.ts";
import { changedSettings, DEFAULTS } from "../web/engine/settings.ts";
import { type Drawable, splitClass } from "../web/engine/split.ts";
import type { Settings } from "../web/protocol.ts";
import { SEED } from "./gpu-settings.ts";

fc.configureGlobal({ seed: SEED });

const pictures = (batches: readonly number[]): Drawable[] => {
  let number = 0;
  return batches.flatMap((count, batch) => Array.from({ length: count }, () => ({ batch, number: number++ })));
};
const batches = fc.array(fc.nat(30), { minLength: 1, maxLength: 4 });
const shots = fc.integer({ min: 1, max: 20 });
const seed = fc.nat(1000);

describe("which pictures are learned from", () => {
  test("each picture has one part; of three at least one is held out", () => {
    fc.assert(
      fc.property(batches, shots, seed, (sizes, most, seed) => {
        const all = pictures(sizes);
        const { shots, heldOut } = splitClass(all, most, seed);
        assert.deepEqual(new Set([...shots, ...heldOut]), new Set(all));
        assert.equal(shots.length + heldOut.length, all.length);
        assert.ok(shots.length <= most);
        assert.ok(all.length === 0 || shots.length > 0);
        assert.ok(heldOut.length >= Math.floor((all.length + 2) / 5));
        assert.ok(all.length < 3 || heldOut.length > 0);
      }),
    );
  });

  test("pictures that are added later change the part of none", () => {
    fc.assert(
      fc.property(batches, fc.integer({ min: 1, max: 30 }), shots, seed, (sizes, more, most, seed) => {
        const before = splitClass(pictures(sizes), most, seed).heldOut.map(({ number }) => number);
        const after = splitClass(pictures([...sizes, more]), most, seed).heldOut.map(({ number }) => number);
        const there = pictures(sizes).length;
        // shots that were missing may be taken from the new ones only
        assert.deepEqual(after.filter((number) => number < there).sort(), before.sort());
      }),
    );
  });

  test("the seed chooses them", () => {
    const drawn = (seed: number) => splitClass(pictures([50]), 16, seed).shots.map(({ number }) => number);
    assert.deepEqual(drawn(1), drawn(1));
    assert.notDeepEqual(drawn(1), drawn(2));
  });
});

describe("settings", () => {
  test("good ones are taken, each bad one is named", () => {
    assert.deepEqual(changedSettings(DEFAULTS, { shots: 4, init: "a photo of a" }), {
      ...DEFAULTS,
      shots: 4,
      init: "a photo of a",
    });
    const bad: [unknown, RegExp][] = [
      [{ shots: 0 }, /shots/],
      [{ shots: 1.5 }, /shots/],
      [{ contextTokens: Number.NaN }, /context tokens/],
      [{ epochs: 1e9 }, /epochs/],
      [{ learningRate: -1 }, /learning rate/],
      [{ learningRate: "fast" }, /learning rate/],
      [{ position: "behind" }, /place/],
      [{ seed: -1 }, /seed/],
      [{ template: "a photo" }, /\{\}/],
      [{ colour: "red" }, /colour/],
    ];
    for (const [change, message] of bad)
      assert.throws(() => changedSettings(DEFAULTS, change as Partial<Settings>), { name: "InputError", message });
  });
});

describe("models that the page may fetch", () => {
  const origin = "https://page.example";
  for (const source of [
    "tiny",
    "openai/clip-vit-base-patch32",
    "openai/clip-vit-base-patch32@main",
    "open_clip:ViT-B-32/laion2b_s34b_b79k",
    "https://huggingface.co/openai/clip-vit-base-patch32",
    "https://page.example/models/mine/",
    "/models/mine/",
  ])
    test(source, () => checkSource(source, origin));
  for (const source of [
    "https://elsewhere.example/model/",
    "http://page.example/models/",
    "//elsewhere.example/model/",
    "https://huggingface.co.evil.example/a/b",
    "ViT-B/32",
    "open_clip:ViT-B-32/openai",
    "a b",
    "",
    undefined,
  ])
    test(`not ${source}`, () => assert.throws(() => checkSource(source, origin), { name: "InputError" }));
});

describe("states", () => {
  const wait = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

  test("the first at once, the others together, the last always", async () => {
    const sent: number[] = [];
    let value = 0;
    const changed = publisher(
      () => value,
      (v) => sent.push(v),
      20,
    );
    changed();
    assert.deepEqual(sent, [0]);
    for (value = 1; value < 5; value++) changed();
    value = 5;
    await wait(60);
    assert.deepEqual(sent, [0, 5]);
    value = 6;
    changed();
    await wait(60);
    assert.deepEqual(sent, [0, 5, 6]);
  });

  test("none before the last was taken, and none is lost where taking one fails", async () => {
    let take = () => {};
    let sends = 0;
    const changed = publisher(
      () => 0,
      () => {
        sends++;
        return new Promise<void>((_, reject) => {
          take = () => reject(new Error("gone"));
        });
      },
      1,
    );
    changed();
    changed();
    await wait(20);
    assert.equal(sends, 1);
    take();
    await wait(20);
    assert.equal(sends, 2);
  });
});

test("orders are done one after another, also behind one that fails", async () => {
  const inOrder = orders();
  const done: string[] = [];
  const slow = inOrder(async () => {
    await new Promise((tick) => setTimeout(tick, 10));
    done.push("slow");
    throw new Error("no");
  });
  const quick = inOrder(async () => done.push("quick"));
  await assert.rejects(slow, /no/);
  await quick;
  assert.deepEqual(done, ["slow", "quick"]);
});

test("features are rows of a table that grows", () => {
  const features = new Features(3, new Map([["kept", Float32Array.of(1, 2, 3)], ["other model's", Float32Array.of(1)]])); // biome-ignore format: one line
  assert.equal(features.has("other model's"), false);
  for (let i = 0; i < 300; i++) features.set(`${i}`, Float32Array.of(i, i, i));
  features.set("kept", Float32Array.of(4, 5, 6));
  assert.deepEqual([...features.of(["299", "kept", "0"])], [299, 299, 299, 4, 5, 6, 0, 0, 0]);
});

test("batches are filled by more than half", () => {
  assert.deepEqual([1, 4, 5, 100].map((count) => batchSize(count, true)), [1, 1, 8, 8]); // biome-ignore format: one line
  assert.deepEqual([1, 5, 16, 17, 100].map((count) => batchSize(count, false)), [1, 8, 8, 32, 32]); // biome-ignore format: one line
});

describe("a run's ZIP", () => {
  const file = (content: Uint8Array, name = "run.zip") => new File([content as Uint8Array<ArrayBuffer>], name);
  const whole = { "adapter_config.json": strToU8("{}"), "adapter_model.safetensors": Uint8Array.of(1, 2, 3) };
  const zipped = (entries: Record<string, Uint8Array>) => file(zipSync(entries));
  const refused = (files: readonly File[], message: RegExp) =>
    assert.rejects(openRun(files), { name: "InputError", message });

  test("what is zipped is there again; the same run gives the same bytes", async () => {
    const files = new Map<string, string | Uint8Array>([
      ...Object.entries(whole),
      ["metrics.jsonl", "line\n"],
      ["README.md", "# run"],
    ]);
    const zip = zipRun("coop-run", files);
    assert.deepEqual(zip, zipRun("coop-run", files));
    assert.deepEqual(await openRun([file(zip)]), { config: "{}", model: Uint8Array.of(1, 2, 3), metrics: "line\n" });
  });

  test("the two files do as well", async () => {
    const files = Object.entries(whole).map(([name, content]) => file(content, name));
    assert.deepEqual(await openRun(files), { config: "{}", model: Uint8Array.of(1, 2, 3) });
    await refused(files.slice(1), /adapter_config\.json/);
    await refused([...files, files[0]], /twice/);
  });

  test("archives that are not to be trusted", async () => {
    await refused([], /Choose/);
    await refused([zipped({ "README.md": strToU8("x") })], /adapter_config/);
    await refused([zipped({ ...whole, "../evil": strToU8("x") })], /leads out/);
    await refused([zipped({ ...whole, "/etc/evil": strToU8("x") })], /leads out/);
    await refused([zipped({ ...whole, "a\\b": strToU8("x") })], /leads out/);
    await refused([zipped({ ...whole, "twice/adapter_config.json": strToU8("{}") })], /more than one/);
    await refused([zipped({ ...whole, "adapter_config.json": new Uint8Array(2 ** 22 + 1) })], /too many/);
    await refused([zipped({ ...whole, "adapter_model.safetensors": new Uint8Array(2 ** 22) })], /packed/);
    const many = Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`${i}`, new Uint8Array()]));
    await refused([zipped({ ...many, ...whole })], /1000 entries/);
    const zip = zipSync(whole);
    await refused([file(zip.subarray(0, zip.length - 30))], /damaged/);
  });

  test("damaged archives are refused in words, whatever is damaged", async () => {
    const zip = zipSync({ ...whole, "metrics.jsonl": strToU8('{"epoch":1}\n'.repeat(50)) });
    await fc.assert(
      fc.asyncProperty(fc.nat(zip.length - 5), fc.integer({ min: 1, max: 255 }), async (at, bits) => {
        const broken = zip.slice();
        broken[at + 4] ^= bits; // the first four bytes make it a ZIP
        await openRun([file(broken)]).catch((error) => assert.equal(error.name, "InputError"));
      }),
      { numRuns: 300 },
    );
  });
});
