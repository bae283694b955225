import { mkdtempSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as clips from "../../src/clip/index.ts";
import { tensor, zeros } from "../../src/tensor/index.ts";
import { randomClip } from "../random-clip.ts";
import type { WrongCalls } from "./wrong-call.ts";

const TINY = new URL("../../models/tiny-clip/", import.meta.url);

/** Of `coop/clip`. */
export async function clipCalls(): Promise<WrongCalls> {
  const clip = await randomClip(1); // 12 numbers a feature, pictures of 8 × 8
  const tokenizerJson = await readFile(new URL("tokenizer.json", TINY), "utf8");
  const config = JSON.parse(await readFile(new URL("config.json", TINY), "utf8"));
  const tokenizer = await clips.loadTokenizer(tokenizerJson, { contextLength: 16 });
  const empty = mkdtempSync(join(tmpdir(), "coop-empty-"));
  const withText = (more: object) => ({ ...config, text_config: { ...config.text_config, ...more } });
  const pixels = clips.preprocessJson(clips.clipPreprocess(32));
  const picture = { width: 4, height: 4, data: new Uint8Array(48) };
  return {
    "readConfig: a list": ["config.json", "not a JSON object", () => clips.readConfig([])],
    "readConfig: another model": ["model_type", "bert", () => clips.readConfig({ model_type: "bert" })],
    "readConfig: no towers": ["text_config", "no text_config", () => clips.readConfig({ model_type: "clip" })],
    "readConfig: layers": ["num_hidden_layers", "0", () => clips.readConfig(withText({ num_hidden_layers: 0 }))],
    "readConfig: heads": ["hidden_size", "7 heads", () => clips.readConfig(withText({ num_attention_heads: 7 }))],
    "readConfig: a text for a number": ["hidden_size", '"64"', () => clips.readConfig(withText({ hidden_size: "64" }))],
    "readConfig: activation": ["hidden_act", "swish", () => clips.readConfig(withText({ hidden_act: "swish" }))],
    "configJson: a ResNet": [
      "ResNet",
      "ResNet",
      () =>
        clips.configJson({
          ...clip.config,
          vision: { kind: "resnet", imageSize: 32, width: 8, depths: [1, 1, 1, 1], heads: 1 },
        }),
    ],
    "readPreprocess: a text": ["preprocessor_config.json", "JSON object", () => clips.readPreprocess("224")],
    "readPreprocess: filter": ["resample", "2", () => clips.readPreprocess({ ...pixels, resample: 2 })],
    "readPreprocess: crop": ["crop_size", "64", () => clips.readPreprocess({ ...pixels, crop_size: 64 })],
    "readPreprocess: mean": ["image_mean", "three", () => clips.readPreprocess({ ...pixels, image_mean: [0.5] })],
    "preprocess: bytes that are no picture": [
      "preprocess",
      "10 bytes",
      () => clips.preprocess({ ...picture, data: new Uint8Array(10) }, clips.clipPreprocess(4)),
    ],
    "preprocess: a picture without pixels": [
      "0 × 4",
      "0 × 4",
      () => clips.preprocess({ width: 0, height: 4, data: new Uint8Array() }, clips.clipPreprocess(4)),
    ],
    "resizeBox: outside": ["Box", "[0, 0, 5, 5]", () => clips.resizeBox(picture, [0, 0, 5, 5], 2)],
    "resizeBox: size": ["size", "0", () => clips.resizeBox(picture, [0, 0, 4, 4], 0)],
    "randomView: no pixels": ["picture", "0 × 3", () => clips.randomView({ width: 0, height: 3 }, Math.random)],
    "loadClip: no folder": ["nowhere", "nowhere", () => clips.loadClip(join(empty, "nowhere"))],
    "loadClip: an empty folder": ["<folder>", "no weights", () => clips.loadClip(empty)],
    "loadClip: nothing": ["model", "undefined", () => clips.loadClip(undefined as never)],
    "loadClip: dtype": ["dtype", "float16", () => clips.loadClip(TINY.pathname, { dtype: "float16" as never })],
    "loadTokenizer: no JSON": ["tokenizer.json", "JSON", () => clips.loadTokenizer("")],
    "loadTokenizer: another format": ["tokenizer.json", "tokenizer", () => clips.loadTokenizer({ vocab: {} })],
    "loadTokenizer: context": ["contextLength", "1", () => clips.loadTokenizer(tokenizerJson, { contextLength: 1 })],
    "loadTokenizer: start token": ["token", "<s>", () => clips.loadTokenizer(tokenizerJson, { startToken: "<s>" })],
    "encode: no text": ["text", "undefined", () => tokenizer.encode(undefined as never)],
    "encode: too long": ["text", "70000", () => tokenizer.encode("a".repeat(70000))],
    "tokenize: does not fit": ["text", "at most 16", () => tokenizer.tokenize(["a dog ".repeat(40)])],
    "tokenize: one text": ["tokenize", "string", () => tokenizer.tokenize("a dog" as never)],
    "decode: no token": ["token", "-1", () => tokenizer.decode([-1])],
    "textBatch: no end token": [
      "token row",
      "19",
      () => clips.textBatch({ ids: Int32Array.of(18, 3), count: 1, length: 2 }, clip.tokenizer),
    ],
    "encodeImage: size": ["encodeImage", "[1, 3, 9, 9]", () => clip.encodeImage(zeros([1, 3, 9, 9]))],
    "encodeImage: one picture": ["encodeImage", "[3, 8, 8]", () => clip.encodeImage(zeros([3, 8, 8]))],
    "encodeImage: pixels as a list": [
      "compiled function",
      "Float32Array",
      () => clip.encodeImage(new Float32Array(192) as never),
    ],
    "imageFeatures: size": ["picture", "not 100", () => clips.imageFeatures(clip, [new Float32Array(100)])],
    "imageFeatures: batch": ["batchSize", "0", () => clips.imageFeatures(clip, [new Float32Array(192)], 0)],
    "textFeatures: batch": [
      "batchSize",
      "NaN",
      () => clips.textFeatures({ ...clip, tokenizer }, ["a dog"], Number.NaN),
    ],
    "fillTemplate: no {}": ["template", "a photo", () => clips.fillTemplate("a photo", ["cat"])],
    "templatesFor: no such dataset": ["dataset", "MNIST", () => clips.templatesFor("MNIST")],
    "templateFeatures: no classes": ["class names", "no class", () => clips.templateFeatures(clip, [], "{}")],
    "classFeatures: no templates": ["templates", "no templates", () => clips.classFeatures(clip, ["cat"], [])],
    "classFeatures: no {}": ["template", "cat", () => clips.classFeatures(clip, ["cat"], ["a cat"])],
    "ensembleFeatures: lengths": [
      "ensembleFeatures",
      "4, 2",
      () => clips.ensembleFeatures([new Float32Array(4), new Float32Array(2)], 2),
    ],
    "classify: pictures": [
      "features",
      "13 numbers",
      () => clips.classify(clip, new Float32Array(13), new Float32Array(24)),
    ],
    "classify: classes": [
      "features",
      "13 numbers",
      () => clips.classify(clip, new Float32Array(12), new Float32Array(13)),
    ],
    "similarityLogits: width": [
      "matmul",
      "[2, 3]",
      () => clips.similarityLogits(zeros([2, 3]), zeros([2, 4]), tensor(1)),
    ],
    "packSequences: too long": [
      "packSequences",
      "3",
      () => clips.packSequences([[1, 2, 3]], (id) => id, { contextLength: 2 }),
    ],
    "writeSafetensors: bytes": [
      "weight",
      "4 bytes",
      () => clips.writeSafetensors([["weight", { dtype: "F32", shape: [2], data: new Uint8Array(4) }]] as never),
    ],
  };
}
