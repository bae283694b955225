// Models with the weights that the goldens were computed from, and the arrays of a golden file.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileBytes } from "../src/clip/bytes.ts";
import { toFloat32 } from "../src/clip/half.ts";
import { type Clip, clipPreprocess, makeClip, openSafetensors, readConfig, type Tokenizer } from "../src/clip/index.ts";
import { inferConfig } from "../src/clip/infer-config.ts";
import { loadWeights, type WeightsOptions } from "../src/clip/weights.ts";
import type { HostArray } from "../src/tensor/index.ts";
import { makeModel } from "./make-model.mjs";

/** Goldens of this folder, or the full-size ones beside the checkout; undefined where they are not there. */
export function goldenFolder(name: string): string | undefined {
  return [join(import.meta.dirname, "goldens", name), join(import.meta.dirname, "../../shared/goldens", name)].find(
    (path) => existsSync(path),
  );
}

/** The ids of every text that the goldens use, so that no vocabulary file is needed. */
const TOKENS = JSON.parse(readFileSync(join(import.meta.dirname, "goldens/tokens.json"), "utf8")) as {
  start: number;
  end: number;
  texts: Record<string, number[]>;
  names: Record<string, number[]>;
  names_with_stop: Record<string, number[]>;
};

const words = new Map<string, number[]>([
  ...Object.entries(TOKENS.texts),
  ...Object.entries(TOKENS.names).map(([name, ids]) => [name.replaceAll("_", " "), ids] as const),
  ...Object.entries(TOKENS.names_with_stop).map(([name, ids]) => [`${name.replaceAll("_", " ")}.`, ids] as const),
]);

const tokenizer: Tokenizer = {
  json: {},
  contextLength: 77,
  vocabularySize: 49408,
  startToken: TOKENS.start,
  endToken: TOKENS.end,
  encode: (text) => words.get(text) ?? assertKnown(text),
  tokenize(texts) {
    const ids = new Int32Array(texts.length * 77);
    texts.forEach((text, i) => {
      ids.set([TOKENS.start, ...this.encode(text), TOKENS.end], i * 77);
    });
    return { ids, count: texts.length, length: 77 };
  },
  decode: () => "",
  tokenText: String,
};

function assertKnown(text: string): never {
  throw new Error(`no golden knows the tokens of "${text}"`);
}

/** The model of a preset, generated in one layout or the other, loaded and removed again. */
export async function goldenModel(
  preset: string,
  layout: "hf" | "openai" = "hf",
  options: WeightsOptions = {},
): Promise<Clip> {
  const dir = mkdtempSync(join(tmpdir(), "coop-golden-"));
  try {
    makeModel(preset, dir, layout, "/nowhere");
    const file = await fileBytes(join(dir, "model.safetensors"));
    const weights = await openSafetensors(file);
    const config =
      layout === "hf"
        ? readConfig(JSON.parse(readFileSync(join(dir, "config.json"), "utf8")))
        : inferConfig(weights.tensors, file.name);
    const params = await loadWeights(weights, config, options).finally(file.close);
    return await makeClip({
      name: preset,
      config,
      params,
      tokenizer,
      pixels: clipPreprocess(config.vision.imageSize),
      sha256: "0".repeat(64),
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

export interface GoldenArray {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** All arrays of a golden file, as float32. */
export async function golden(folder: string, name: string): Promise<Map<string, GoldenArray>> {
  const file = await fileBytes(join(folder, `${name}.safetensors`));
  try {
    const tensors = await openSafetensors(file);
    const arrays = new Map<string, GoldenArray>();
    for (const [key, { dtype, shape }] of tensors.tensors) {
      const bytes = await tensors.read(key);
      arrays.set(key, { shape, data: dtype.startsWith("F") ? toFloat32(dtype, bytes) : integers(dtype, bytes) });
    }
    return arrays;
  } finally {
    await file.close();
  }
}

const integers = (dtype: string, bytes: Uint8Array): Float32Array =>
  dtype === "I64"
    ? Float32Array.from(new BigInt64Array(bytes.slice().buffer), Number)
    : Float32Array.from(new Int32Array(bytes.slice().buffer));

/** ‖a − b‖ / ‖b‖. */
export function relativeError(a: HostArray, b: Float32Array): number {
  let difference = 0;
  let length = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    length += b[i] ** 2;
  }
  return a.length === b.length ? Math.sqrt(difference / length) : Number.POSITIVE_INFINITY;
}
