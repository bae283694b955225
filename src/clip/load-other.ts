import { FormatError } from "../tensor/errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { ClipConfig } from "./config.ts";
import { inferConfig } from "./infer-config.ts";
import { type OpenClipConfig, readOpenClipConfig } from "./open-clip-config.ts";
import { clipPreprocess, type PreprocessOptions } from "./preprocess.ts";
import { readJson } from "./read-file.ts";
import { type ModelFiles, missingFile } from "./source.ts";

/** What a model not in Hugging Face's layout is: by open_clip's configuration, or the shapes of its tensors alone. */
export async function describeOther(
  files: ModelFiles,
  { tensors, name }: Checkpoint,
  file: string,
): Promise<{ readonly config: ClipConfig; readonly pixels?: PreprocessOptions }> {
  const given = await readJson(files, "open_clip_config.json");
  if (given === undefined) {
    if (files.layout === "open_clip" || file.startsWith("open_clip"))
      throw missingFile(
        files,
        "open_clip_config.json",
        "there is no open_clip_config.json in it; without one nothing says whether the model uses GELU or QuickGELU",
      );
    return { config: inferConfig(tensors, name) };
  }
  const openClip = readOpenClipConfig(given, `${files.name}/open_clip_config.json`);
  const config = inferConfig(tensors, name, openClip);
  agree(`${files.name}/open_clip_config.json`, config, openClip);
  const { mean, std } = openClip;
  return { config, pixels: { ...clipPreprocess(config.vision.imageSize), mean, std } };
}

function agree(name: string, { embedDim, vision }: ClipConfig, given: OpenClipConfig): void {
  const wrong = [
    ["embed_dim", given.embedDim, embedDim] as const,
    ["vision_cfg.image_size", given.imageSize, vision.imageSize] as const,
  ].filter(([, says, is]) => says !== is);
  if (wrong.length > 0)
    throw new FormatError(
      `${name} and the weights are not of one model: ${wrong.map(([key, says, is]) => `${key} is ${says}, the weights have ${is}`).join("; ")}`,
    );
}
