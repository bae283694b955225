import { FormatError } from "../tensor/errors.ts";
import type { ClipConfig } from "./config.ts";
import type { Unseen } from "./infer-config.ts";
import type { PreprocessOptions } from "./preprocess.ts";
import { shownJson } from "./shown-json.ts";

/** What an `open_clip_config.json` says that the tensors do not. */
export interface OpenClipConfig extends Required<Unseen> {
  /** Sizes to compare with those of the tensors. */
  readonly embedDim: number;
  readonly imageSize: number;
  readonly mean: PreprocessOptions["mean"];
  readonly std: PreprocessOptions["std"];
}

/** Settings that the tensors show, or that matter only while training. */
const HARMLESS = {
  model: ["embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "custom_text", "init_logit_scale"],
  vision: ["image_size", "layers", "width", "patch_size", "head_width", "patch_dropout"],
  text: ["context_length", "vocab_size", "width", "heads", "layers"],
  preprocess: ["mean", "std", "size", "mode", "fill_color"],
};

/** Settings of which one value means what is computed here. */
const USUAL: Readonly<Record<string, unknown>> = {
  mlp_ratio: 4,
  pool_type: undefined, // "tok" for pictures, "argmax" for texts
  interpolation: "bicubic",
  resize_mode: "shortest",
  final_ln_after_pool: false,
};

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads a parsed `open_clip_config.json`. Its activation decides: the exact GELU unless `quick_gelu` is true.
 *
 * @throws FormatError for a setting that would change what is computed and is not supported, by name
 */
export function readOpenClipConfig(json: unknown, name = "open_clip_config.json"): OpenClipConfig {
  const part = (of: unknown, what: string): Json => {
    if (typeof of !== "object" || of === null || Array.isArray(of))
      throw new FormatError(`${name}: ${what} is missing or no JSON object; it is not open_clip's configuration`);
    return of as Json;
  };
  const count = (of: Json, key: string, what: string, otherwise?: number): number => {
    const value = of[key] ?? otherwise;
    if (!Number.isInteger(value) || (value as number) < 1)
      throw new FormatError(`${name}: ${what}.${key} is ${shownJson(of[key])}, not a whole number above 0`);
    return value as number;
  };
  const root = part(json, "the file");
  const model = part(root.model_cfg, "model_cfg");
  const vision = part(model.vision_cfg, "model_cfg.vision_cfg");
  const text = part(model.text_cfg, "model_cfg.text_cfg");
  const pixels = part(root.preprocess_cfg ?? {}, "preprocess_cfg");
  const refuseOthers = (of: Json, what: string, known: readonly string[], pool?: string) => {
    for (const [key, value] of Object.entries(of)) {
      const usual = key === "pool_type" ? pool : USUAL[key];
      if (known.includes(key) || value === null || value === false || value === usual) continue;
      throw new FormatError(
        `${name}: ${what}.${key} is ${shownJson(value)}; models with this setting are not supported`,
      );
    }
  };
  refuseOthers(model, "model_cfg", HARMLESS.model);
  refuseOthers(vision, "model_cfg.vision_cfg", HARMLESS.vision, "tok");
  refuseOthers(text, "model_cfg.text_cfg", HARMLESS.text, "argmax");
  refuseOthers(pixels, "preprocess_cfg", HARMLESS.preprocess);

  const triple = (key: "mean" | "std", otherwise: readonly number[]): readonly [number, number, number] => {
    const value = pixels[key] ?? otherwise;
    if (
      !Array.isArray(value) ||
      value.length !== 3 ||
      !value.every((x) => Number.isFinite(x) && (key === "mean" || x > 0))
    )
      throw new FormatError(`${name}: preprocess_cfg.${key} must be three numbers`);
    return value as unknown as [number, number, number];
  };
  const activation: ClipConfig["activation"] = model.quick_gelu === true ? "quickGelu" : "gelu";
  const width = count(text, "width", "model_cfg.text_cfg", 512);
  return {
    activation,
    headWidth: {
      vision: count(vision, "head_width", "model_cfg.vision_cfg", 64),
      text: width / count(text, "heads", "model_cfg.text_cfg", 8),
    },
    embedDim: count(model, "embed_dim", "model_cfg"),
    imageSize: count(vision, "image_size", "model_cfg.vision_cfg", 224),
    mean: triple("mean", [0.48145466, 0.4578275, 0.40821073]),
    std: triple("std", [0.26862954, 0.26130258, 0.27577711]),
  };
}
