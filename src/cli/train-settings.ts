import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { oneLine } from "../clip/bytes.ts";
import { sha256Hex } from "../coop/feature-cache.ts";
import type { RunConfig } from "../coop/run-config.ts";
import { type EpochMetrics, parseMetricsJsonl, parseSplits, type Splits, splitsJson } from "../coop/run-files.ts";
import { readPrompt } from "../coop/run-folder.ts";
import { refuseOthers, type Settings } from "../coop/training-state.ts";
import { InputError } from "../tensor/errors.ts";
import { say } from "./print.ts";

/** A run that is done. */
export interface Run {
  readonly config: RunConfig;
  readonly epochs: readonly EpochMetrics[];
}

/** A run of before; InputError where it was made with other settings. */
export async function finishedRun(out: string, settings: Settings): Promise<Run> {
  const { config: saved } = await readPrompt(out);
  const { recipe } = saved;
  if (!recipe)
    throw new InputError(`${oneLine(out)} holds a prompt that was imported, not trained; choose another --out.`);
  const config: RunConfig = { ...saved, recipe };
  const text = (name: string) => readFile(join(out, name), "utf8");
  const splits = parseSplits(await text("splits.json"), join(out, "splits.json"));
  const { metrics } = config;
  const found = await settingsOf(config, splits, {
    written: metrics?.zeroShot.templates ?? [],
    ensemble: metrics?.ensemble?.templates,
    probe: metrics?.probe !== undefined,
  });
  refuseOthers(out, found, settings);
  say(`${oneLine(out)} is finished`);
  return { config, epochs: parseMetricsJsonl(await text("metrics.jsonl"), join(out, "metrics.jsonl")) };
}

/** What a checkpoint, or a run that is done, must agree on, by the names of the flags. */
export async function settingsOf(
  { model, classes, options, recipe }: Pick<RunConfig, "model" | "classes" | "options" | "recipe">,
  splits: Splits,
  asked: { readonly written: readonly string[]; readonly ensemble?: readonly string[]; readonly probe: boolean },
): Promise<Settings> {
  const pictures = await sha256Hex(new TextEncoder().encode(JSON.stringify(classes) + splitsJson(splits)));
  return {
    "the model": model.sha256.slice(0, 12),
    shots: `${recipe.shots}`,
    seed: `${recipe.seed}`,
    "context-tokens": `${options.contextTokens}`,
    position: options.position,
    "class-specific": `${options.classSpecific}`,
    init: options.initText ?? "random",
    epochs: `${recipe.epochs}`,
    "batch-size": `${recipe.batchSize}`,
    "learning-rate": `${recipe.learningRate}`,
    method: recipe.method ?? "coop",
    optimizer: recipe.optimizer ?? "sgd",
    "weight-decay": `${recipe.weightDecay}`,
    "label-smoothing": `${recipe.labelSmoothing ?? 0}`,
    "clip-norm": `${recipe.maxGradientNorm ?? "none"}`,
    "early-stopping": `${recipe.patience ?? "none"}`,
    augmentation: recipe.augmentation,
    template: asked.written.join(" + "),
    ensemble: asked.ensemble?.join(" + ") ?? "none",
    probe: `${asked.probe}`,
    "the pictures": pictures.slice(0, 12),
  };
}
