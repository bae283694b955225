import type { Clip } from "../../src/clip/index.ts";
import type { Host } from "../../src/coop/fit.ts";
import type { PromptLearnerOptions, PromptParams } from "../../src/coop/prompt-learner.ts";
import type { Recipe } from "../../src/coop/recipe.ts";
import { COOP_RECIPE } from "../../src/coop/schedule.ts";
import type { Settings, TrainingState } from "../protocol.ts";
import type { KeptClass } from "./store.ts";

/** A picture and the index of its class. */
export interface LabelledPicture {
  readonly picture: string;
  /** The file's. */
  readonly name: string;
  readonly label: number;
}

/** What a training, or a prompt that was imported, was made with. */
export interface TrainingRecord {
  readonly model: { readonly name: string; readonly sha256: string };
  readonly settings: Settings;
  readonly classes: readonly KeptClass[];
  /** Of the context: [M, D], or [K, M, D] where class-specific. */
  readonly shape: readonly number[];
  readonly shots: readonly LabelledPicture[];
  readonly heldOut: readonly LabelledPicture[];
  readonly imported?: boolean;
}

/** As it is kept between visits. */
export interface KeptTraining extends TrainingRecord {
  readonly status: TrainingState["status"];
}

/** The state of a training after its last epoch, on the host. */
export interface KeptFit {
  readonly params: Host<PromptParams>;
  /** A tree of Float32Array, as the optimizer's is of tensors. */
  readonly optimizer: unknown;
  readonly epoch: number;
}

/** The context that settings ask for: the tokens of the words that it begins as, or so many random vectors. */
export function contextShape(clip: Clip, { init, contextTokens, classSpecific }: Settings, classes: number): number[] {
  const vectors = init.trim() === "" ? contextTokens : clip.tokenizer.encode(init.replaceAll("_", " ")).length;
  const shape = [vectors, clip.config.text.width];
  return classSpecific ? [classes, ...shape] : shape;
}

export function learnerOptions({ init, contextTokens, position, classSpecific }: Settings): PromptLearnerOptions {
  return { position, classSpecific, ...(init.trim() === "" ? { contextTokens } : { initText: init }) };
}

export const recipeOf = ({ epochs, learningRate, seed }: Settings) =>
  ({
    ...COOP_RECIPE,
    epochs,
    learningRate,
    seed,
  }) satisfies Recipe;

/** Whether both were learned from the same pictures of the same classes with the same model. */
export const sameStart = (a: TrainingRecord, b: TrainingRecord): boolean =>
  a.model.sha256 === b.model.sha256 &&
  sameList(a.classes, b.classes, ({ id, name }) => `${id} ${name}`) &&
  sameList(a.shots, b.shots, ({ picture, label }) => `${label} ${picture}`);

/** Whether both are the same training: what is held out, and what it is compared with, may differ. */
export const sameTraining = (a: TrainingRecord, b: TrainingRecord): boolean =>
  sameStart(a, b) && learnedWith(a.settings) === learnedWith(b.settings);

const sameList = <T>(a: readonly T[], b: readonly T[], text: (item: T) => string): boolean =>
  a.length === b.length && a.every((item, i) => text(item) === text(b[i]));

/** The settings that a prompt depends on, beside the shots themselves. */
const learnedWith = ({ template: _, shots: __, ...settings }: Settings): string =>
  JSON.stringify(Object.entries(settings).sort());
