import type { Clip } from "../../src/clip/index.ts";
import { sameName } from "../../src/coop/folder.ts";
import { contextShape, parseAdapterConfig, type SavedConfig } from "../../src/coop/run-config.ts";
import { type EpochMetrics, parseMetricsJsonl, readAdapterModel } from "../../src/coop/run-files.ts";
import { InputError } from "../../src/tensor/errors.ts";
import type { EpochState, Settings } from "../protocol.ts";
import { checkName } from "./class-name.ts";
import type { ImportedFiles } from "./run-zip.ts";
import { changedSettings } from "./settings.ts";
import type { KeptClass } from "./store.ts";
import type { TrainingRecord } from "./training-record.ts";

/** A prompt from elsewhere, as this page keeps one. */
export interface ImportedPrompt {
  readonly record: TrainingRecord;
  readonly epoch: EpochState;
  readonly context: Float32Array;
}

/**
 * Reads a prompt that was learned with the model that is loaded.
 *
 * @param here the classes with pictures that there are: those of the same name keep theirs
 * @throws InputError where the model is another, or there are pictures of classes that the prompt does not know
 */
export async function importedPrompt(
  files: ImportedFiles,
  clip: Clip,
  here: readonly (KeptClass & { readonly pictures: number })[],
  settings: Settings,
): Promise<ImportedPrompt> {
  const config = parseAdapterConfig(files.config);
  const { context, metaNet } = await readAdapterModel(files.model, config);
  if (metaNet)
    throw new InputError("This prompt was learned by CoCoOp, which this page does not run; coop predict does.");
  if (config.model.sha256 !== clip.sha256)
    throw new InputError(`This prompt was learned with ${config.model.name}; choose that model, then import it again.`);
  const names = config.classes.map(checkName);
  const stray = here.filter(({ name, pictures }) => pictures > 0 && !names.some((n) => sameName(n) === sameName(name)));
  if (stray.length > 0)
    throw new InputError(
      `The prompt's classes are ${list(names)}, but there are pictures of ${list(stray.map(({ name }) => name))} here. Remove or rename those classes first.`,
    );
  const classes = names.map((name) => {
    const known = here.find((one) => sameName(one.name) === sameName(name));
    return { id: known?.id ?? crypto.randomUUID(), name };
  });
  const metrics = files.metrics === undefined ? [] : parseMetricsJsonl(files.metrics);
  return {
    record: {
      model: { name: config.model.name, sha256: clip.sha256 },
      settings: settingsOf(config, settings),
      classes,
      shape: contextShape(config),
      shots: [],
      heldOut: [],
      imported: true,
    },
    epoch: epochOf(config, metrics.at(-1)),
    context,
  };
}

/** What is known of the epoch that the prompt is of; the rest is NaN. */
function epochOf({ recipe, keptEpoch }: SavedConfig, last: EpochMetrics | undefined): EpochState {
  const epoch = keptEpoch ?? last?.epoch ?? recipe?.epochs ?? 1;
  const { loss = Number.NaN, learningRate = Number.NaN, heldOutAccuracy, seconds = 0 } = last ?? {};
  return {
    ...{ epoch, loss, learningRate, accuracy: Number.NaN },
    ...(heldOutAccuracy === undefined ? {} : { heldOutAccuracy }),
    seconds,
  };
}

/** The settings that a run was made with, where this page has them and they are of use to it. */
function settingsOf({ options, recipe, metrics }: SavedConfig, settings: Settings): Settings {
  const { shots, epochs, learningRate, seed } = recipe ?? settings;
  const { contextTokens, classSpecific, position, initText } = options;
  const [template = settings.template] = metrics?.zeroShot.templates ?? [];
  const change = { shots, epochs, learningRate, seed, contextTokens, classSpecific, position, init: initText ?? "" };
  try {
    return changedSettings(settings, { ...change, template });
  } catch {
    return { ...settings, contextTokens, classSpecific, position };
  }
}

const list = (names: readonly string[]): string =>
  names.slice(0, 5).join(", ") + (names.length > 5 ? ` and ${names.length - 5} more` : "");
