import { type Clip, classify } from "../clip/index.ts";
import { conditionalProbabilities } from "../coop/conditional-predict.ts";
import { promptFeatures } from "../coop/predict.ts";
import type { SavedPrompt } from "../coop/run-files.ts";
import { readPrompt } from "../coop/run-folder.ts";
import { InputError } from "../tensor/errors.ts";
import type { Input } from "./command.ts";
import { modelSource, openModel } from "./model.ts";

/** A saved prompt with the model it was learned on. */
export interface OpenPrompt {
  readonly clip: Clip;
  readonly prompt: SavedPrompt;
  /** Normalised features [K, E] of the prompts of these classes; InputError where each picture has prompts of its own. */
  features(classNames: readonly string[]): Promise<Float32Array>;
  /** Probabilities [N, K] of these classes for pictures, by their features [N, E]. */
  probabilities(classNames: readonly string[], pictures: Float32Array): Promise<Float32Array>;
}

/** Opens a run's folder (`--prompt`) and its model (`--model`), whose weights must be those of the training. */
export async function openPrompt(input: Input, dir = input.required("prompt")): Promise<OpenPrompt> {
  const prompt = await readPrompt(dir);
  const { model, options, classes } = prompt.config;
  const source = input.text("model") ?? modelSource(model.name);
  const clip = await openModel(source);
  if (clip.sha256 !== model.sha256) {
    throw new InputError(
      `${dir} was learned on ${model.name} with weights ${model.sha256.slice(0, 12)}…, but ${source} has ${clip.sha256.slice(0, 12)}…; give the right one with --model`,
    );
  }
  const { metaNet, context, shape } = prompt;
  const features = async (classNames: readonly string[]) => {
    if (metaNet)
      throw new InputError(
        `${dir} was learned by CoCoOp: each picture has prompts of its own, so there are none to show`,
      );
    if (options.classSpecific && classNames.join("\n") !== classes.join("\n")) {
      throw new InputError(
        `${dir} has a context for each of its own classes (${classes.slice(0, 5).join(", ")}…); it cannot be used for others`,
      );
    }
    return promptFeatures(clip, classNames, { context, shape, position: options.position });
  };
  return {
    clip,
    prompt,
    features,
    probabilities: async (classNames, pictures) =>
      metaNet
        ? conditionalProbabilities(clip, { context, metaNet }, classNames, pictures, options)
        : classify(clip, pictures, await features(classNames)),
  };
}
