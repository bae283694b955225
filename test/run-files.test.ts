import assert from "node:assert/strict";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { memoryBytes } from "../src/clip/bytes.ts";
import { openSafetensors, writeSafetensors } from "../src/clip/safetensors.ts";
import { writeRunFolder } from "../src/coop/atomic.ts";
import { runCard, shellCommand } from "../src/coop/run-card.ts";
import { adapterConfigJson, contextShape, parseAdapterConfig, type RunConfig } from "../src/coop/run-config.ts";
import {
  adapterModel,
  type EpochMetrics,
  metricsJsonl,
  parseMetricsJsonl,
  parseSplits,
  readAdapterModel,
  runFiles,
  type Splits,
  splitsJson,
} from "../src/coop/run-files.ts";
import { readPrompt } from "../src/coop/run-folder.ts";
import { confusionMatrix, interval, overall } from "../src/coop/score.ts";
import { FormatError, InputError } from "../src/tensor/errors.ts";
import { floatToHalf } from "../src/tensor/half.ts";

const CONFIG: RunConfig = {
  model: { name: "openai/clip-vit-base-patch32", revision: "3d74acf9", sha256: "ab".repeat(32) },
  classes: ["dress", "t-shirt", 'a "quoted" <b>name</b> | `x`'],
  options: { contextTokens: 4, tokenDim: 8, position: "end", classSpecific: false, initText: null },
  recipe: {
    shots: 16,
    epochs: 200,
    batchSize: 32,
    learningRate: 0.002,
    warmupLearningRate: 1e-5,
    momentum: 0.9,
    weightDecay: 5e-4,
    seed: 1,
    augmentation: "none",
  },
  metrics: {
    zeroShot: { correct: 201, total: 287, templates: ["a photo of a {}."] },
    coop: { correct: 240, total: 287 },
  },
  versions: { coop: "0.1.0", node: "20.20.2" },
};
const SPECIFIC: RunConfig = {
  ...CONFIG,
  options: { ...CONFIG.options, classSpecific: true, initText: "a photo of a" },
};
const context = (n: number) => Float32Array.from({ length: n }, (_, i) => Math.fround(Math.sin(i) * 0.02));

type Json = { [key: string]: Json };

/** The config's JSON with the field at `path` set to `value`, or taken out. */
function changed(path: readonly string[], value?: unknown): string {
  const whole = { top: JSON.parse(adapterConfigJson(CONFIG)) as Json };
  const keys = ["top", ...path];
  let at: Json = whole;
  for (const key of keys.slice(0, -1)) at = at[key];
  at[keys[keys.length - 1]] = value as Json;
  return JSON.stringify(whole.top) ?? "";
}

test("the config is read back as it was written, and is PEFT's", () => {
  for (const config of [CONFIG, SPECIFIC, { ...CONFIG, metrics: null }])
    assert.deepEqual(parseAdapterConfig(adapterConfigJson(config)), config);
  const json = JSON.parse(adapterConfigJson(SPECIFIC));
  assert.equal(json.peft_type, "PROMPT_TUNING");
  assert.equal(json.num_virtual_tokens, 4);
  assert.equal(json.token_dim, 8);
  assert.equal(json.prompt_tuning_init, "TEXT");
  assert.equal(json.base_model_name_or_path, CONFIG.model.name);
  assert.equal(json.coop.metrics.coop.accuracy, 240 / 287);
  assert.deepEqual(contextShape(SPECIFIC), [3, 4, 8]);
});

test("any class names survive", () => {
  const name = fc.string({ unit: "grapheme", minLength: 1 }).filter((s) => s.trim() !== "");
  fc.assert(
    fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 6 }), (classes) => {
      assert.deepEqual(parseAdapterConfig(adapterConfigJson({ ...CONFIG, classes })).classes, classes);
    }),
  );
});

test("a config that is not whole or not coop's is refused by file and key", () => {
  const text = adapterConfigJson(CONFIG);
  const cases: [string, RegExp][] = [
    ["", /conf.json is not whole JSON \(0 characters\)/],
    [text.slice(0, text.length / 2), /conf.json is not whole JSON/],
    ["[]", /conf.json: the file must be an object, not a list/],
    [changed(["peft_type"]), /"peft_type" must be a text, not missing/],
    [changed(["peft_type"], "LORA"), /"peft_type" is "LORA"; coop reads "PROMPT_TUNING"/],
    [changed(["coop"]), /"coop" is missing: this adapter was not made by coop/],
    [changed(["coop"], []), /"coop" must be an object, not a list/],
    [changed(["coop", "format"], 2), /"coop.format" is 2: a newer coop/],
    [changed(["num_virtual_tokens"], 0), /"num_virtual_tokens" must be a whole number from 1, not 0/],
    [changed(["token_dim"], 7.5), /"token_dim" must be a whole number from 1, not 7.5/],
    [changed(["coop", "model", "sha256"], "xyz"), /"coop.model.sha256" must be 64 hexadecimal digits/],
    [changed(["coop", "classes"], "cat,dog"), /"coop.classes" must be a list, not "cat,dog"/],
    [changed(["coop", "classes", "1"], 7), /"coop.classes\[1\]" must be a text, not 7/],
    [changed(["coop", "classes", "1"], " "), /"coop.classes\[1\]" is empty/],
    [changed(["coop", "options", "position"], "side"), /"coop.options.position" must be end, middle, front/],
    [changed(["coop", "recipe", "learning_rate"], "fast"), /"coop.recipe.learning_rate" must be a number/],
    [changed(["coop", "recipe", "seed"], 0.5), /"coop.recipe.seed" must be a whole number, not 0.5/],
    [changed(["coop", "metrics", "coop", "correct"], 300), /"coop.metrics.coop.correct" is 300 of 287/],
    [changed(["coop", "versions"]), /"coop.versions" is missing/],
  ];
  for (const [json, message] of cases)
    assert.throws(
      () => parseAdapterConfig(json, "conf.json"),
      (error: unknown) => {
        assert.ok(error instanceof FormatError, String(error));
        assert.match(error.message, message);
        assert.ok(error.message.startsWith("conf.json") && !error.message.includes("\n"));
        return true;
      },
    );
  const bad = { ...CONFIG, recipe: { ...CONFIG.recipe, learningRate: Number.NaN } };
  assert.throws(() => adapterConfigJson(bad), InputError);
});

test("whatever happens to the config's JSON, it is read or refused", () => {
  const text = adapterConfigJson(CONFIG);
  const paths: (readonly string[])[] = [];
  const visit = (value: unknown, path: readonly string[]) => {
    paths.push(path);
    if (typeof value === "object" && value)
      for (const key of Object.keys(value)) visit((value as never)[key], [...path, key]);
  };
  visit(JSON.parse(text), []);
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
      try {
        parseAdapterConfig(changed(path, value));
      } catch (error) {
        assert.ok(error instanceof FormatError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test("the context is read back bit for bit; half precision is widened", async () => {
  for (const config of [CONFIG, SPECIFIC]) {
    const values = context(config.options.classSpecific ? 96 : 32);
    const bytes = adapterModel(values, config);
    assert.deepEqual(await readAdapterModel(bytes, config), { context: values });
    const stored = (await openSafetensors(memoryBytes(bytes))).tensors.get("prompt_embeddings");
    assert.deepEqual([stored?.dtype, stored?.shape], ["F32", contextShape(config)]);
  }
  const half = floatToHalf(context(32));
  const data = new Uint8Array(half.buffer);
  const file = writeSafetensors([["prompt_embeddings", { dtype: "F16", shape: [4, 8], data }]]);
  const { context: wide } = await readAdapterModel(file, CONFIG);
  assert.ok(wide.every((x, i) => Math.abs(x - context(32)[i]) < 1e-5));
});

test("a context of another shape, kind or name, with NaN, or cut short is refused", async () => {
  const tensor = (name: string, dtype: string, shape: number[], bytes: number) =>
    [name, { dtype, shape, data: new Uint8Array(bytes) }] as const;
  const refuse = (bytes: Uint8Array, message: RegExp) =>
    assert.rejects(readAdapterModel(memoryBytes(bytes, "m.safetensors"), CONFIG), (error: unknown) => {
      assert.ok(error instanceof FormatError, String(error));
      assert.match(error.message, message);
      assert.ok(error.message.startsWith("m.safetensors"));
      return true;
    });
  await refuse(new Uint8Array(0), /0 bytes/);
  const whole = adapterModel(context(32), CONFIG);
  for (const length of [5, 8, 60, whole.length - 1]) await refuse(whole.slice(0, length), /./);
  await refuse(writeSafetensors([tensor("prompt_embeddings", "F32", [8, 4], 128)]), /is \[8, 4\].* says \[4, 8\]/);
  await refuse(writeSafetensors([tensor("prompt_embeddings", "I32", [4, 8], 128)]), /is I32; F32, F16 or BF16/);
  await refuse(writeSafetensors([tensor("lora_A", "F32", [4, 8], 128)]), /"prompt_embeddings", but holds 1 others/);
  await refuse(
    writeSafetensors([tensor("prompt_embeddings", "F32", [4, 8], 128), tensor("x", "F32", [1], 4)]),
    /holds 2/,
  );
  const nan = context(32).fill(Number.NaN, 7, 8);
  const data = new Uint8Array(nan.buffer);
  await refuse(writeSafetensors([["prompt_embeddings", { dtype: "F32", shape: [4, 8], data }]]), /holds NaN at 7/);
  assert.throws(() => adapterModel(nan, CONFIG), /training diverged/);
  assert.throws(() => adapterModel(context(31), CONFIG), /31 numbers, but \[4,8\] needs 32/);
});

const EPOCHS: EpochMetrics[] = [
  { epoch: 1, loss: 2.5, learningRate: 1e-5, seconds: 0.25 },
  { epoch: 2, loss: 1.25, learningRate: 0.002, heldOutAccuracy: 0.75, seconds: 0.5 },
];

test("metrics.jsonl: a line an epoch, read back; a line that breaks off is named", () => {
  const text = metricsJsonl(EPOCHS);
  assert.equal(text.split("\n").length, 3);
  assert.deepEqual(parseMetricsJsonl(text), EPOCHS);
  assert.deepEqual(parseMetricsJsonl(""), []);
  assert.throws(() => parseMetricsJsonl(text.slice(0, -5)), /last line breaks off/);
  assert.throws(
    () => parseMetricsJsonl(`${text}{"epoch":3}\n`),
    /metrics.jsonl line 3: "loss" must be a number, not missing/,
  );
  assert.throws(() => metricsJsonl([{ epoch: 1, loss: Number.NaN, learningRate: 1 }]), /loss of epoch 1 is NaN/);
});

const item = (path: string, label: number) => ({ path, label, className: CONFIG.classes[label] });
const SPLITS: Splits = {
  seed: 1,
  shots: 2,
  layout: "split",
  train: [item("train/dress/ü\n.jpg", 0), item("train/t-shirt/1.jpg", 1)],
  val: [],
  test: [item("test/dress/2.jpg", 0)],
};

test("splits.json is read back, and its triples are those of CoOp's split files", () => {
  const text = splitsJson(SPLITS);
  assert.deepEqual(parseSplits(text), SPLITS);
  assert.deepEqual(JSON.parse(text).test, [["test/dress/2.jpg", 0, "dress"]]);
  assert.throws(() => parseSplits(text.replace('"test/dress/2.jpg", 0,'.replace(", ", ","), "")), FormatError);
  assert.throws(() => parseSplits(text.replace('"split"', '"odd"')), /"layout" must be flat, split/);
});

test("the README: front matter, result, exact command; nothing from outside acts as markup", () => {
  const command = ["npx", "coop", "train", "my pictures", "--model", "it's", "--shots", "16"];
  const text = runCard(CONFIG, { title: "clothes: 16 shots", command, dataset: "./pets" });
  const [, front] = text.split("---\n");
  assert.match(front, /^library_name: coop$/m);
  assert.match(front, /^base_model: "openai\/clip-vit-base-patch32"$/m);
  assert.match(front, /^ {2}- name: "clothes: 16 shots"$|^- name: "clothes: 16 shots"$/m);
  assert.ok(text.includes("npx coop train 'my pictures' --model 'it'\\''s' --shots 16\n"));
  assert.match(text, /\| CoOp \| 83\.6 % \| .* \| 240 of 287 \|/);
  assert.ok(text.includes('a "quoted" &lt;b&gt;name&lt;/b&gt; \\| \\`x\\`'));
  assert.ok(!text.includes("<b>"));
  const local = { ...CONFIG, metrics: null, model: { ...CONFIG.model, revision: null } };
  const other = runCard(local, { title: "x", command, dataset: "y" });
  assert.ok(!other.includes("base_model") && !other.includes("model-index"));
  assert.match(other, /not tested on held-out pictures/);
  assert.equal(shellCommand(["a", "", "b c", "--lr=0.1"]), "a '' 'b c' --lr=0.1");
});

test("a whole run is written and its prompt read back; a damaged one is named", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "coop-run-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const run = join(dir, "run");
  await assert.rejects(readPrompt(run), /no adapter_config.json in it. Give the folder that coop train wrote/);
  const files = {
    config: CONFIG,
    context: context(32),
    epochs: EPOCHS,
    splits: SPLITS,
    readme: "#",
    report: "<!doctype html>",
  };
  await writeRunFolder(run, runFiles(files));
  const prompt = await readPrompt(run);
  assert.deepEqual(prompt, { config: CONFIG, context: context(32), shape: [4, 8] });
  await truncate(join(run, "adapter_model.safetensors"), 150);
  await assert.rejects(readPrompt(run), /adapter_model.safetensors.*did not finish/);
  await rm(join(run, "adapter_model.safetensors"));
  await assert.rejects(readPrompt(run), /adapter_model.safetensors: there is no such file/);
  await writeFile(join(run, "adapter_config.json"), "{");
  await assert.rejects(readPrompt(run), /adapter_config.json is not whole JSON/);
});

test("scores: confusion, accuracy over all pictures, Wilson's interval", () => {
  const counts = confusionMatrix([0, 0, 1, 2, 2], [0, 1, 1, 2, 0], 3);
  assert.deepEqual(counts, [
    [1, 1, 0],
    [0, 1, 0],
    [1, 0, 1],
  ]);
  assert.deepEqual(overall(counts), { correct: 3, total: 5 });
  assert.throws(() => confusionMatrix([0], [3], 3), /label 3 is not one of the 3 classes/);
  assert.throws(() => confusionMatrix([0], [], 3), InputError);
  // Wilson's interval solves |p − x| = z √(x (1 − x) / n)
  for (const [correct, total] of [
    [240, 287],
    [1, 3],
    [0, 10],
    [10, 10],
  ]) {
    for (const x of interval({ correct, total }))
      assert.ok(Math.abs(Math.abs(correct / total - x) - 1.959963984540054 * Math.sqrt((x * (1 - x)) / total)) < 1e-12);
  }
});
