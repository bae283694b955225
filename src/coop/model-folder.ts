import {
  type ClipConfig,
  type ClipParams,
  configJson,
  type PreprocessOptions,
  preprocessJson,
  storeWeights,
  writeSafetensors,
} from "../clip/index.ts";
import { writeFileAtomic } from "./atomic.ts";

/** What a model's folder is written from. */
export interface ModelParts {
  readonly config: ClipConfig;
  readonly params: ClipParams;
  /** The parsed `tokenizer.json`. */
  readonly tokenizer: object;
  readonly pixels: PreprocessOptions;
  /** Markdown; no file where not given. */
  readonly readme?: string;
}

/**
 * Writes a model into a folder that exists, as `loadClip` reads it: in Hugging Face's layout, a ResNet in OpenAI's, whose
 * sizes are those of its tensors. Each file is written whole or not at all, the weights last.
 *
 * @throws InputError where the place cannot be written
 * @example await writeModelFolder("mine", { config, params, tokenizer: tokenizer.json, pixels });
 */
export async function writeModelFolder(dir: string, { config, params, ...parts }: ModelParts): Promise<void> {
  const { join } = await import("node:path");
  const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`;
  if (config.vision.kind === "vit") await writeFileAtomic(join(dir, "config.json"), json(configJson(config)));
  await writeFileAtomic(join(dir, "tokenizer.json"), json(parts.tokenizer));
  await writeFileAtomic(join(dir, "preprocessor_config.json"), json(preprocessJson(parts.pixels)));
  if (parts.readme !== undefined) await writeFileAtomic(join(dir, "README.md"), parts.readme);
  const weights = writeSafetensors(await storeWeights(params, config), { format: "pt" });
  await writeFileAtomic(join(dir, "model.safetensors"), weights);
}
