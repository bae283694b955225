#!/usr/bin/env node
// Writes a CLIP model directory with deterministic pseudo-random weights, in the two layouts that real
// checkpoints come in, so that loaders and forward passes can be checked at any size without a download.
//
//   node test/make-model.mjs PRESET OUT_DIR [--layout hf|openai] [--merges bpe_simple_vocab_16e6.txt.gz]
//
// hf      config.json, preprocessor_config.json, model.safetensors (ViT only)
// openai  config.json (the hyper-parameters), preprocessor_config.json and model.safetensors under OpenAI's names
//
// With CLIP's list of merges at hand (--merges, or the environment's COOP_MERGES, or a data folder beside the
// repository) also tokenizer.json, vocab.json and merges.txt; without it these are left out. The same PRESET always
// gives the same numbers, in either layout; goldens/ holds what a float32 PyTorch reference computes from them.
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

export const MERGES =
  process.env.COOP_MERGES ?? fileURLToPath(new URL("../../shared/data/bpe_simple_vocab_16e6.txt.gz", import.meta.url));

const VOCAB = 49408;
const CONTEXT = 77;
const vit = (o) => ({ kind: "vit", vocab: VOCAB, context: CONTEXT, ...o });
const rn = (o) => ({ kind: "rn", vocab: VOCAB, context: CONTEXT, ...o });
export const PRESETS = {
  // small enough for a unit test
  "tiny-vit": vit({
    embed: 32,
    res: 32,
    patch: 8,
    vWidth: 64,
    vLayers: 2,
    vHeads: 1,
    tWidth: 64,
    tLayers: 2,
    tHeads: 1,
  }),
  "tiny-rn": rn({ embed: 48, res: 64, vWidth: 8, vLayers: [1, 2, 1, 1], tWidth: 64, tLayers: 1, tHeads: 1 }),
  // sizes that are multiples of nothing convenient (hf layout only: OpenAI's derives heads from the width)
  "odd-vit": vit({
    embed: 27,
    res: 35,
    patch: 7,
    vWidth: 45,
    vLayers: 2,
    vHeads: 3,
    tWidth: 42,
    tLayers: 2,
    tHeads: 6,
  }),
  // OpenAI's published models
  RN50: rn({ embed: 1024, res: 224, vWidth: 64, vLayers: [3, 4, 6, 3], tWidth: 512, tLayers: 12, tHeads: 8 }),
  RN101: rn({ embed: 512, res: 224, vWidth: 64, vLayers: [3, 4, 23, 3], tWidth: 512, tLayers: 12, tHeads: 8 }),
  RN50x4: rn({ embed: 640, res: 288, vWidth: 80, vLayers: [4, 6, 10, 6], tWidth: 640, tLayers: 12, tHeads: 10 }),
  "ViT-B/32": vit({
    embed: 512,
    res: 224,
    patch: 32,
    vWidth: 768,
    vLayers: 12,
    vHeads: 12,
    tWidth: 512,
    tLayers: 12,
    tHeads: 8,
  }),
  "ViT-B/16": vit({
    embed: 512,
    res: 224,
    patch: 16,
    vWidth: 768,
    vLayers: 12,
    vHeads: 12,
    tWidth: 512,
    tLayers: 12,
    tHeads: 8,
  }),
  "ViT-L/14": vit({
    embed: 768,
    res: 224,
    patch: 14,
    vWidth: 1024,
    vLayers: 24,
    vHeads: 16,
    tWidth: 768,
    tLayers: 12,
    tHeads: 12,
  }),
};

// value i of the tensor called `name`: mean + std * sqrt(3) * u, u uniform in [-1, 1), rounded to float32
export function values(name, count, std, mean = 0) {
  let seed = 0x811c9dc5;
  for (const c of name) seed = Math.imul(seed ^ c.charCodeAt(0), 0x01000193) >>> 0;
  const out = new Float32Array(count),
    scale = std * Math.sqrt(3);
  for (let i = 0; i < count; i++) {
    let x = (Math.imul(i, 0x9e3779b1) + seed) >>> 0;
    x ^= x >>> 16;
    x = Math.imul(x, 0x85ebca6b);
    x ^= x >>> 13;
    x = Math.imul(x, 0xc2b2ae35);
    x ^= x >>> 16;
    out[i] = mean + scale * ((x >>> 8) / 8388608 - 1);
  }
  return out;
}

// every parameter under OpenAI's name: { name: [shape, std, mean] }
export function openaiParams(m) {
  const p = {};
  const add = (name, shape, std, mean = 0) => {
    p[name] = [shape, std, mean];
  };
  const norm = (name, width, mean = 1) => {
    add(`${name}.weight`, [width], 0.1 * mean, mean);
    add(`${name}.bias`, [width], 0.05);
  };
  const linear = (name, out, inp, std = inp ** -0.5) => {
    add(`${name}.weight`, [out, inp], std);
    add(`${name}.bias`, [out], 0.02);
  };
  const blocks = (prefix, layers, width) => {
    for (let i = 0; i < layers; i++) {
      const b = `${prefix}.resblocks.${i}`;
      norm(`${b}.ln_1`, width);
      add(`${b}.attn.in_proj_weight`, [3 * width, width], width ** -0.5);
      add(`${b}.attn.in_proj_bias`, [3 * width], 0.02);
      linear(`${b}.attn.out_proj`, width, width, 0.7 * width ** -0.5);
      norm(`${b}.ln_2`, width);
      linear(`${b}.mlp.c_fc`, 4 * width, width);
      linear(`${b}.mlp.c_proj`, width, 4 * width, 0.7 * (4 * width) ** -0.5);
    }
  };
  if (m.kind === "vit") {
    const side = Math.floor(m.res / m.patch);
    add("visual.class_embedding", [m.vWidth], 0.5);
    add("visual.positional_embedding", [side * side + 1, m.vWidth], 0.2);
    add("visual.proj", [m.vWidth, m.embed], m.vWidth ** -0.5);
    add("visual.conv1.weight", [m.vWidth, 3, m.patch, m.patch], (3 * m.patch * m.patch) ** -0.5);
    norm("visual.ln_pre", m.vWidth);
    blocks("visual.transformer", m.vLayers, m.vWidth);
    norm("visual.ln_post", m.vWidth);
  } else {
    const conv = (name, out, inp, k) => add(`${name}.weight`, [out, inp, k, k], (2 / (inp * k * k)) ** 0.5);
    const bn = (name, width, mean) => {
      norm(name, width, mean);
      add(`${name}.running_mean`, [width], 0.1);
      add(`${name}.running_var`, [width], 0.1, 1);
      add(`${name}.num_batches_tracked`, [], 0);
    };
    const w = m.vWidth;
    conv("visual.conv1", w / 2, 3, 3);
    bn("visual.bn1", w / 2);
    conv("visual.conv2", w / 2, w / 2, 3);
    bn("visual.bn2", w / 2);
    conv("visual.conv3", w, w / 2, 3);
    bn("visual.bn3", w);
    let inp = w;
    m.vLayers.forEach((count, s) => {
      const planes = w * 2 ** s;
      for (let i = 0; i < count; i++) {
        const b = `visual.layer${s + 1}.${i}`;
        conv(`${b}.conv1`, planes, inp, 1);
        bn(`${b}.bn1`, planes);
        conv(`${b}.conv2`, planes, planes, 3);
        bn(`${b}.bn2`, planes);
        conv(`${b}.conv3`, planes * 4, planes, 1);
        bn(`${b}.bn3`, planes * 4, 0.3);
        if (i === 0) {
          conv(`${b}.downsample.0`, planes * 4, inp, 1);
          bn(`${b}.downsample.1`, planes * 4, 0.7);
        }
        inp = planes * 4;
      }
    });
    const side = m.res / 32,
      width = w * 32;
    add("visual.attnpool.positional_embedding", [side * side + 1, width], width ** -0.5);
    for (const q of ["k_proj", "q_proj", "v_proj"]) linear(`visual.attnpool.${q}`, width, width);
    linear("visual.attnpool.c_proj", m.embed, width);
  }
  add("token_embedding.weight", [m.vocab, m.tWidth], 0.3);
  add("positional_embedding", [m.context, m.tWidth], 0.1);
  blocks("transformer", m.tLayers, m.tWidth);
  norm("ln_final", m.tWidth);
  add("text_projection", [m.tWidth, m.embed], m.tWidth ** -0.5);
  add("logit_scale", [], 0, Math.log(30));
  return p;
}

const size = (shape) => shape.reduce((a, b) => a * b, 1);
const transpose = (a, rows, cols) => {
  const t = new Float32Array(a.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) t[j * rows + i] = a[i * cols + j];
  return t;
};

// [name, dtype, shape, () => typed array] in the chosen layout
export function* entries(m, layout) {
  if (layout === "hf") {
    // buffers that older published checkpoints carry, and a loader must pass over
    const positions = (n) => BigInt64Array.from({ length: n }, (_, i) => BigInt(i));
    const patches = Math.floor(m.res / m.patch) ** 2 + 1;
    yield ["text_model.embeddings.position_ids", "I64", [1, m.context], () => positions(m.context)];
    yield ["vision_model.embeddings.position_ids", "I64", [1, patches], () => positions(patches)];
  }
  for (const [name, [shape, std, mean]] of Object.entries(openaiParams(m))) {
    if (name.endsWith("num_batches_tracked")) {
      yield [name, "I64", shape, () => new BigInt64Array([0n])];
      continue;
    }
    const data = () => values(name, size(shape), std, mean);
    if (layout === "openai") {
      yield [name, "F32", shape, data];
      continue;
    }
    if (name === "logit_scale") {
      yield [name, "F32", shape, data];
      continue;
    }
    if (name === "visual.proj") {
      yield ["visual_projection.weight", "F32", [shape[1], shape[0]], () => transpose(data(), ...shape)];
      continue;
    }
    if (name === "text_projection") {
      yield ["text_projection.weight", "F32", [shape[1], shape[0]], () => transpose(data(), ...shape)];
      continue;
    }
    const fixed = {
      "visual.class_embedding": "vision_model.embeddings.class_embedding",
      "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
      "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
      "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
      positional_embedding: "text_model.embeddings.position_embedding.weight",
    }[name];
    if (fixed) {
      yield [fixed, "F32", shape, data];
      continue;
    }
    const n = name
      .replace(/^visual\.transformer\.resblocks/, "vision_model.encoder.layers")
      .replace(/^transformer\.resblocks/, "text_model.encoder.layers")
      .replace(/^visual\.ln_pre/, "vision_model.pre_layrnorm")
      .replace(/^visual\.ln_post/, "vision_model.post_layernorm")
      .replace(/^ln_final/, "text_model.final_layer_norm")
      .replace(".ln_1.", ".layer_norm1.")
      .replace(".ln_2.", ".layer_norm2.")
      .replace(".mlp.c_fc.", ".mlp.fc1.")
      .replace(".mlp.c_proj.", ".mlp.fc2.")
      .replace(".attn.out_proj.", ".self_attn.out_proj.");
    const fused = n.match(/^(.*)\.attn\.in_proj_(weight|bias)$/);
    if (!fused) {
      yield [n, "F32", shape, data];
      continue;
    }
    const third = size(shape) / 3,
      part = [shape[0] / 3, ...shape.slice(1)];
    for (const [k, q] of ["q_proj", "k_proj", "v_proj"].entries())
      yield [`${fused[1]}.self_attn.${q}.${fused[2]}`, "F32", part, () => data().slice(k * third, (k + 1) * third)];
  }
}

function writeSafetensors(path, list) {
  const header = { __metadata__: { format: "pt" } };
  let offset = 0;
  for (const [name, dtype, shape] of list) {
    const bytes = size(shape) * (dtype === "I64" ? 8 : 4);
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  let text = JSON.stringify(header);
  text += " ".repeat((8 - (text.length % 8)) % 8);
  const fd = openSync(path, "w"),
    prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  writeSync(fd, prefix);
  writeSync(fd, Buffer.from(text));
  for (const [, , , data] of list) {
    const a = data();
    writeSync(fd, Buffer.from(a.buffer, a.byteOffset, a.byteLength));
  }
  closeSync(fd);
}

// vocab and merges as Hugging Face's CLIP tokenizer files hold them, from OpenAI's merges list
export function tokenizerFiles(mergesPath = MERGES) {
  const lines = gunzipSync(readFileSync(mergesPath)).toString("utf8").split("\n");
  const merges = lines.slice(1, 49152 - 256 - 2 + 1);
  const bytes = [];
  for (const [a, b] of [
    [33, 126],
    [161, 172],
    [174, 255],
  ])
    for (let i = a; i <= b; i++) bytes.push(i);
  const chars = bytes.map((b) => String.fromCharCode(b));
  let extra = 0;
  for (let b = 0; b < 256; b++) if (!bytes.includes(b)) chars.push(String.fromCharCode(256 + extra++));
  const tokens = [
    ...chars,
    ...chars.map((c) => c + "</w>"),
    ...merges.map((l) => l.replace(" ", "")),
    "<|startoftext|>",
    "<|endoftext|>",
  ];
  return { vocab: Object.fromEntries(tokens.map((t, i) => [t, i])), merges };
}

export function tokenizerJson({ vocab, merges }) {
  const special = (id, content) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: content === "<|startoftext|>",
    special: true,
  });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [special(49406, "<|startoftext|>"), { ...special(49407, "<|endoftext|>"), normalized: false }],
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFC" },
        { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
        { type: "Lowercase" },
      ],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        {
          type: "Split",
          pattern: { Regex: "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+" },
          behavior: "Removed",
          invert: true,
        },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      type: "RobertaProcessing",
      sep: ["<|endoftext|>", 49407],
      cls: ["<|startoftext|>", 49406],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: "<|endoftext|>",
      continuing_subword_prefix: "",
      end_of_word_suffix: "</w>",
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges,
    },
  };
}

// writes the directory; true if the tokenizer files are among its files
export function makeModel(preset, out, layout = "hf", mergesPath = MERGES) {
  const m = PRESETS[preset];
  if (!m) throw new Error(`unknown preset ${preset}; one of ${Object.keys(PRESETS).join(", ")}`);
  if (layout === "hf" && m.kind !== "vit")
    throw new Error(`${preset} is a ResNet: Hugging Face's layout holds ViTs only; use --layout openai`);
  mkdirSync(out, { recursive: true });
  const json = (name, value) =>
    writeFileSync(
      join(out, name),
      JSON.stringify(value, null, name === "tokenizer.json" || name === "vocab.json" ? 0 : 2),
    );
  if (layout === "openai") json("config.json", m);
  else
    json("config.json", {
      architectures: ["CLIPModel"],
      model_type: "clip",
      projection_dim: m.embed,
      logit_scale_init_value: 2.6592,
      torch_dtype: "float32",
      text_config: {
        model_type: "clip_text_model",
        hidden_size: m.tWidth,
        intermediate_size: 4 * m.tWidth,
        num_attention_heads: m.tHeads,
        num_hidden_layers: m.tLayers,
        max_position_embeddings: m.context,
        vocab_size: m.vocab,
        hidden_act: "quick_gelu",
        layer_norm_eps: 1e-5,
        bos_token_id: 49406,
        eos_token_id: 49407,
        projection_dim: m.embed,
      },
      vision_config: {
        model_type: "clip_vision_model",
        hidden_size: m.vWidth,
        intermediate_size: 4 * m.vWidth,
        num_attention_heads: m.vHeads,
        num_hidden_layers: m.vLayers,
        image_size: m.res,
        patch_size: m.patch,
        num_channels: 3,
        hidden_act: "quick_gelu",
        layer_norm_eps: 1e-5,
        projection_dim: m.embed,
      },
    });
  json("preprocessor_config.json", {
    crop_size: { height: m.res, width: m.res },
    do_center_crop: true,
    do_normalize: true,
    do_resize: true,
    do_rescale: true,
    do_convert_rgb: true,
    rescale_factor: 1 / 255,
    feature_extractor_type: "CLIPFeatureExtractor",
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
    resample: 3,
    size: { shortest_edge: m.res },
  });
  writeSafetensors(join(out, "model.safetensors"), [...entries(m, layout)]);
  if (!existsSync(mergesPath)) return false;
  const t = tokenizerFiles(mergesPath);
  json("tokenizer.json", tokenizerJson(t));
  json("vocab.json", t.vocab);
  writeFileSync(join(out, "merges.txt"), `${["#version: 0.2", ...t.merges].join("\n")}\n`);
  return true;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [preset, out, ...flags] = process.argv.slice(2);
  const flag = (name, value) => (flags.includes(name) ? flags[flags.indexOf(name) + 1] : value);
  if (!preset || !out) {
    console.error("usage: make-model.mjs PRESET OUT_DIR [--layout hf|openai] [--merges FILE]");
    console.error(`presets: ${Object.keys(PRESETS).join(", ")}`);
    process.exit(2);
  }
  const merges = flag("--merges", MERGES);
  if (!makeModel(preset, out, flag("--layout", "hf"), merges))
    console.error(`no tokenizer files: there is no ${merges}`);
}
