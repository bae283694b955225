// One model in every layout and file format that it comes in gives the same features; what does not fit is refused.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { fileBytes } from "../src/clip/bytes.ts";
import { toFloat32 } from "../src/clip/half.ts";
import {
  type Clip,
  type LoadOptions,
  loadClip,
  openSafetensors,
  storeWeights,
  type TensorToStore,
  writeSafetensors,
} from "../src/clip/index.ts";
import { inferConfig } from "../src/clip/infer-config.ts";
import { loadWeights } from "../src/clip/weights.ts";
import { wordLevelTokenizerJson } from "../src/clip/word-tokenizer.ts";
import { FormatError, InputError } from "../src/tensor/errors.ts";
import { floatToHalf } from "../src/tensor/half.ts";
import { device, read, tensor } from "../src/tensor/index.ts";
import { relativeError } from "./golden-model.ts";
import { MERGES, makeModel } from "./make-model.mjs";

const root = mkdtempSync(join(tmpdir(), "coop-load-"));
after(() => rmSync(root, { recursive: true, force: true }));

const TEXTS = ["a photo of a dog", "dog ."];
const TOKENIZER = JSON.stringify(wordLevelTokenizerJson(["a", "photo", "of", "dog", "."]));

type Arrays = Map<string, TensorToStore>;

/** A folder under `root` with these files. */
function folder(name: string, files: Record<string, string | Uint8Array>): string {
  const path = join(root, name);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "tokenizer.json"), TOKENIZER);
  for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content);
  return path;
}

async function arraysOf(path: string): Promise<Arrays> {
  const source = await fileBytes(path);
  const file = await openSafetensors(source);
  const arrays: Arrays = new Map();
  for (const [name, { dtype, shape }] of file.tensors)
    arrays.set(name, { dtype, shape, data: await file.read(name) } as TensorToStore);
  await source.close();
  return arrays;
}

const rename = (arrays: Arrays, to: (name: string) => string): Arrays =>
  new Map([...arrays].map(([name, array]) => [to(name), array]));

/** Features of two fixed pictures and the texts; the model is freed. */
async function features(source: string | Promise<Clip>, options?: LoadOptions): Promise<[Float32Array, Float32Array]> {
  const clip = await (typeof source === "string" ? loadClip(source, options) : source);
  const side = clip.config.vision.imageSize;
  const images = tensor(
    Float32Array.from({ length: 2 * 3 * side * side }, (_, i) => Math.sin(0.37 * i)),
    [2, 3, side, side],
  );
  const both = await read([clip.encodeImage(images), clip.encodeText(clip.tokenize(TEXTS))]);
  clip.free();
  return both as [Float32Array, Float32Array];
}

function near(got: readonly Float32Array[], expected: readonly Float32Array[], tolerance: number): void {
  got.forEach((values, i) => {
    const error = relativeError(values, expected[i]);
    assert.ok(error <= tolerance, `${i === 0 ? "image" : "text"} features differ by ${error}`);
  });
}

const OPEN_CLIP = {
  model_cfg: {
    embed_dim: 32,
    quick_gelu: true,
    vision_cfg: { image_size: 32, layers: 2, width: 64, patch_size: 8 },
    text_cfg: { context_length: 77, vocab_size: 49408, width: 64, heads: 1, layers: 2 },
  },
  preprocess_cfg: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25], interpolation: "bicubic", resize_mode: "shortest" },
};

const hasTorch = spawnSync("/usr/bin/python3", ["-c", "import torch"], { timeout: 60_000 }).status === 0;

describe("a ViT", { timeout: 240_000 }, () => {
  let openai: Arrays;
  let expected: [Float32Array, Float32Array];
  before(async () => {
    makeModel("tiny-vit", join(root, "hf"), "hf", "/nowhere");
    makeModel("tiny-vit", join(root, "made"), "openai", "/nowhere");
    folder("hf", {});
    openai = await arraysOf(join(root, "made/model.safetensors"));
    expected = await features(join(root, "hf"));
  });

  test("in OpenAI's layout, from its shapes alone", async () => {
    near(await features(folder("openai", { "model.safetensors": writeSafetensors([...openai]) })), expected, 0);
  });

  test("a file of weights given by its path", async () => {
    near(await features(join(root, "openai", "model.safetensors")), expected, 0);
  });

  test("in open_clip's layouts, with the activation that its configuration names", async () => {
    const config = JSON.stringify(OPEN_CLIP);
    const plain = folder("open_clip", {
      "open_clip_model.safetensors": writeSafetensors([...openai]),
      "open_clip_config.json": config,
    });
    near(await features(plain), expected, 0);

    const text = /^(text_projection|positional_embedding|token_embedding|transformer|ln_final)/;
    const custom = rename(openai, (name) => (text.test(name) ? `text.${name}` : name));
    // a linear layer in place of the matrix holds it the other way round
    const hf = await arraysOf(join(root, "hf/model.safetensors"));
    custom.delete("text.text_projection");
    custom.set("text.text_projection.weight", hf.get("text_projection.weight")!);
    const files = { "open_clip_model.safetensors": writeSafetensors([...custom]), "open_clip_config.json": config };
    near(await features(folder("custom", files)), expected, 0);

    const gelu = { ...OPEN_CLIP, model_cfg: { ...OPEN_CLIP.model_cfg, quick_gelu: false } };
    const other = await loadClip(folder("gelu", { ...files, "open_clip_config.json": JSON.stringify(gelu) }));
    assert.equal(other.config.activation, "gelu");
    const black = other.preprocess({ width: 40, height: 40, data: new Uint8Array(4800) });
    assert.ok(black.every((value) => value === -2)); // (0 − 0.5) / 0.25
    const [images] = await features(Promise.resolve(other));
    assert.ok(relativeError(images, expected[0]) > 1e-4, "the activation makes no difference");
  });

  test("in shards", async () => {
    const entries = [...(await arraysOf(join(root, "hf/model.safetensors")))];
    const shards = [entries.slice(0, 30), entries.slice(30)];
    const names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    const weight_map = Object.fromEntries(shards.flatMap((part, i) => part.map(([name]) => [name, names[i]])));
    const files = {
      "config.json": readFileSync(join(root, "hf/config.json")),
      "model.safetensors.index.json": JSON.stringify({ metadata: {}, weight_map }),
      [names[0]]: writeSafetensors(shards[0]),
      [names[1]]: writeSafetensors(shards[1]),
    };
    const path = folder("shards", files);
    near(await features(path), expected, 0);
    const index = (map: unknown) => JSON.stringify({ weight_map: map });
    const refused = async (map: unknown, says: RegExp) => {
      writeFileSync(join(path, "model.safetensors.index.json"), index(map));
      await assert.rejects(loadClip(path), says);
    };
    await refused({ ...weight_map, extra: names[0] }, /"extra" should be in model-00001-of-00002.safetensors/);
    await refused({ ...weight_map, extra: "lost.safetensors" }, /there is no lost.safetensors/);
    await refused({ ...weight_map, extra: "../hf/model.safetensors" }, /weight_map/);
    await refused({}, /weight_map/);
  });

  test("stored in half precision", async () => {
    const half: Arrays = new Map();
    for (const [name, array] of openai) {
      const bits = floatToHalf(toFloat32("F32", Uint8Array.from(array.data)));
      half.set(name, { ...array, dtype: "F16", data: new Uint8Array(bits.buffer) } as TensorToStore);
    }
    const path = folder("f16", { "model.safetensors": writeSafetensors([...half]) });
    near(await features(path), expected, 2e-3);
    const [images] = await features(path);
    assert.ok(relativeError(images, expected[0]) > 1e-6);
  });

  test("kept in half precision on the device", async (t) => {
    const { gpu } = await device();
    if (!gpu.features.has("shader-f16")) {
      await assert.rejects(loadClip(join(root, "hf"), { dtype: "f16" }), /no half precision/);
      return t.skip("the adapter has no half precision");
    }
    near(await features(join(root, "hf"), { dtype: "f16" }), expected, 2e-3);
    makeModel("odd-vit", join(root, "odd"), "hf", "/nowhere"); // tensors of an odd number of values
    folder("odd", {});
    near(await features(join(root, "odd"), { dtype: "f16" }), await features(join(root, "odd")), 2e-3);
  });

  test("with a token embedding that no binding holds", async () => {
    const source = await fileBytes(join(root, "made/model.safetensors"));
    const file = await openSafetensors(source);
    const config = inferConfig(file.tensors, file.name);
    const params = await loadWeights(file, config, { largestTensor: 2 ** 22 });
    await source.close();
    assert.equal(params.text.tokenEmbedding.length, 4);
    const whole = toFloat32("F32", Uint8Array.from(openai.get("token_embedding.weight")!.data));
    const rows = (await read(params.text.tokenEmbedding)) as Float32Array[];
    assert.deepEqual(
      rows.flatMap((block) => [...block]),
      [...whole],
    );
    const clip = await loadClip(join(root, "hf"));
    const words = clip.tokenize(TEXTS);
    const { encodeText, textBatch } = await import("../src/clip/index.ts");
    const blocked = encodeText(params.text, config, textBatch(words, clip.tokenizer));
    near([expected[0], (await blocked.data()) as Float32Array], expected, 1e-6);
    const entries = new Map(await storeWeights(params, config));
    assert.deepEqual(
      entries.get("text_model.embeddings.token_embedding.weight"),
      (await arraysOf(join(root, "hf/model.safetensors"))).get("text_model.embeddings.token_embedding.weight"),
    );
  });

  test("written by PyTorch, as a state dictionary and as TorchScript", {
    skip: hasTorch ? false : "python3 has no torch",
  }, async () => {
    const raw = folder("torch", {});
    const index: object[] = [];
    const parts: Uint8Array[] = [];
    let offset = 0;
    for (const [name, { dtype, shape, data }] of openai) {
      if (dtype !== "F32") continue;
      index.push({ name, shape, offset });
      parts.push(data);
      offset += data.byteLength;
    }
    writeFileSync(join(raw, "raw.bin"), Buffer.concat(parts));
    writeFileSync(join(raw, "raw.json"), JSON.stringify(index));
    execFileSync("/usr/bin/python3", [join(import.meta.dirname, "write-torch.py"), raw], { timeout: 120_000 });
    for (const file of ["state.pt", "scripted.pt"]) near(await features(join(raw, file)), expected, 0);
    near(await features(join(raw, "half.pt")), expected, 2e-3);
  });

  test("errors list what is wrong, all at once", async () => {
    const wrong = new Map(openai);
    wrong.delete("visual.ln_post.bias");
    wrong.set("visual.extra", openai.get("visual.ln_post.weight")!);
    wrong.set("ln_final.bias", { dtype: "F32", shape: [3], data: new Uint8Array(12) });
    const path = folder("wrong", { "model.safetensors": writeSafetensors([...wrong]) });
    await assert.rejects(loadClip(path), (error: Error) => {
      assert.ok(error instanceof FormatError);
      assert.match(error.message, /"visual.ln_post.bias" is missing/);
      assert.match(error.message, /"visual.extra" is not part of this model/);
      assert.match(error.message, /"ln_final.bias" is \[3\], not \[64\]/);
      return true;
    });
    await assert.rejects(loadClip(folder("empty", {})), /no weights in it; looked for model.safetensors/);
    const none = folder("none", { "model.safetensors": writeSafetensors([["a", wrong.get("ln_final.bias")!]]) });
    await assert.rejects(loadClip(none), /there is no "visual.layer1.0.conv1.weight" in it; it is not a CLIP model/);
    const bare = folder("bare", { "open_clip_model.safetensors": writeSafetensors([...openai]) });
    await assert.rejects(loadClip(bare), /no open_clip_config.json in it; without one nothing says whether/);
    const files = { "open_clip_model.safetensors": writeSafetensors([...openai]) };
    const refuse = async (change: (config: typeof OPEN_CLIP) => object, says: RegExp) => {
      const config = JSON.stringify(change(structuredClone(OPEN_CLIP)));
      await assert.rejects(loadClip(folder("refused", { ...files, "open_clip_config.json": config })), says);
    };
    const model = (part: object) => (c: typeof OPEN_CLIP) => ({ ...c, model_cfg: { ...c.model_cfg, ...part } });
    await refuse(model({ embed_dim: 64 }), /embed_dim is 64, the weights have 32/);
    await refuse(model({ vision_cfg: { timm_model_name: "vit" } }), /vision_cfg.timm_model_name is "vit"/);
    await refuse(model({ text_cfg: { hf_model_name: "roberta" } }), /text_cfg.hf_model_name is "roberta"/);
    await refuse(model({ init_logit_bias: -10 }), /init_logit_bias/);
    await refuse(() => ({}), /model_cfg is missing/);
    await refuse((c) => ({ ...c, preprocess_cfg: { resize_mode: "squash" } }), /resize_mode is "squash"/);
  });

  test("the tokenizer is the one beside the weights, or the list of merges", {
    skip: existsSync(MERGES) ? false : "CLIP's list of merges is not here",
  }, async () => {
    const path = folder("merges", { "model.safetensors": writeSafetensors([...openai]) });
    rmSync(join(path, "tokenizer.json"));
    copyFileSync(MERGES, join(path, "bpe_simple_vocab_16e6.txt.gz"));
    const clip = await loadClip(path);
    assert.deepEqual([...clip.tokenize(["a dog"]).ids.subarray(0, 5)], [49406, 320, 1929, 49407, 0]);
    clip.free();
    writeFileSync(join(path, "bpe_simple_vocab_16e6.txt.gz"), gzipSync("damaged").subarray(0, 12));
    await assert.rejects(loadClip(path), /gz: it is not packed with gzip, or damaged/);
    rmSync(join(path, "bpe_simple_vocab_16e6.txt.gz"));
    await assert.rejects(loadClip(path, { offline: true }), /no tokenizer.json in it, nor CLIP's bpe_simple_vocab/);
  });
});

describe("a ResNet", { timeout: 240_000 }, () => {
  let path: string;
  let expected: [Float32Array, Float32Array];
  before(async () => {
    makeModel("tiny-rn", join(root, "rn"), "openai", "/nowhere");
    path = folder("rn", {});
    expected = await features(path);
  });

  test("with its batch norms apart gives the features of the folded one", async () => {
    near(await features(path, { trainable: true }), expected, 1e-5);
  });

  test("kept in half precision on the device", async (t) => {
    if (!(await device()).gpu.features.has("shader-f16")) return t.skip("the adapter has no half precision");
    near(await features(path, { dtype: "f16" }), expected, 5e-3);
  });

  test("is saved as it was read, unless it is folded", async () => {
    const clip = await loadClip(path, { trainable: true });
    const stored = new Map(await storeWeights(clip.params, clip.config));
    const given = await arraysOf(join(path, "model.safetensors"));
    for (const name of given.keys()) if (name.endsWith("num_batches_tracked")) given.delete(name);
    assert.deepEqual(new Map([...stored].sort()), new Map([...given].sort()));
    clip.free();
    const folded = await loadClip(path);
    await assert.rejects(storeWeights(folded.params, folded.config), (error: Error) => {
      assert.ok(error instanceof InputError);
      return /trainable: true/.test(error.message);
    });
    folded.free();
  });
});
