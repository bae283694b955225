import { FormatError, InputError } from "../tensor/errors.ts";
import { device } from "../tensor/index.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type Clip, makeClip } from "./clip.ts";
import { type ClipConfig, readConfig } from "./config.ts";
import { isHuggingFace } from "./layouts.ts";
import { openTokenizer } from "./open-tokenizer.ts";
import { openWeights } from "./open-weights.ts";
import { clipPreprocess, type PreprocessOptions, readPreprocess } from "./preprocess.ts";
import { readJson } from "./read-file.ts";
import { type FetchOptions, type ModelFiles, missingFile, modelFiles } from "./source.ts";
import type { TokenizerLibrary } from "./tokenizer.ts";
import { loadWeights } from "./weights.ts";

/** How a model is loaded. */
export interface LoadOptions extends FetchOptions {
  /**
   * "f16" keeps matrices, filters and the token embedding in half precision on the device: half the memory, features
   * within about 1e-3. All else, and all arithmetic, stays float32, which is the default.
   */
  readonly dtype?: "f32" | "f16";
  /** Keep the batch norms of a ResNet apart from its convolutions, so that they can be trained and saved. */
  readonly trainable?: boolean;
  /**
   * How the package `@huggingface/tokenizers` is imported; by its name where not given. For a worker of a page without a
   * bundler, where names mean nothing: `() => import("/node_modules/@huggingface/tokenizers/dist/tokenizers.mjs")`.
   */
  readonly tokenizerLibrary?: TokenizerLibrary;
}

/**
 * Loads a CLIP model: from a folder, a file of weights, an address or the hub, in Hugging Face's, OpenAI's or
 * open_clip's layout (docs/models.md).
 *
 * @throws InputError where the source or a file is missing, FormatError where one is not what it should be
 * @example
 * const clip = await loadClip("openai/clip-vit-base-patch32");
 * const features = clip.encodeText(clip.tokenize(["a photo of a cat."]));
 */
export async function loadClip(source: string | ModelFiles, options: LoadOptions = {}): Promise<Clip> {
  const { dtype = "f32", trainable = false } = options;
  if (dtype !== "f32" && dtype !== "f16") throw new InputError(`loadClip: dtype is "${dtype}"; it is f32 or f16`);
  if (dtype === "f16" && !(await device()).gpu.features.has("shader-f16"))
    throw new InputError("this adapter has no half precision (shader-f16); load the model with dtype f32");
  const files = typeof source === "string" ? await modelFiles(source, options) : source;
  if (!files) throw new InputError(`loadClip: ${source} is no model; give a folder, an address or a name`);
  const weights = await openWeights(files);
  try {
    const { config, pixels } = await describe(files, weights.checkpoint, weights.file);
    const tokenizer = await openTokenizer(files, config.text, options, options.tokenizerLibrary);
    const params = await loadWeights(weights.checkpoint, config, { dtype, fold: !trainable });
    return await makeClip({ name: files.name, config, params, tokenizer, pixels, sha256: await weights.sha256() });
  } finally {
    await weights.close();
  }
}

interface Description {
  readonly config: ClipConfig;
  readonly pixels: PreprocessOptions;
}

/** Sizes, activation and preprocessing: from Hugging Face's or open_clip's configuration, or the shapes alone. */
async function describe(files: ModelFiles, checkpoint: Checkpoint, file: string): Promise<Description> {
  if (isHuggingFace(checkpoint.tensors)) {
    const json = await readJson(files, "config.json");
    if (json === undefined)
      throw missingFile(files, "config.json", "there is no config.json in it; Hugging Face's layout has one");
    const config = readConfig(json, `${files.name}/config.json`);
    return { config, pixels: await pixelsOf(files, config) };
  }
  const { describeOther } = await import("./load-other.ts");
  const { config, pixels } = await describeOther(files, checkpoint, file);
  return { config, pixels: pixels ?? (await pixelsOf(files, config)) };
}

async function pixelsOf(files: ModelFiles, { vision: { imageSize } }: ClipConfig): Promise<PreprocessOptions> {
  const given = await readJson(files, "preprocessor_config.json");
  if (given === undefined) return clipPreprocess(imageSize);
  const pixels = readPreprocess(given, `${files.name}/preprocessor_config.json`);
  if (pixels.crop !== imageSize) {
    throw new FormatError(
      `${files.name}/preprocessor_config.json: pictures are cropped to ${pixels.crop} pixels, but the model takes ${imageSize}`,
    );
  }
  return pixels;
}
