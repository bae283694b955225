import type { Clip } from "../../src/clip/index.ts";
import type { FitState } from "../../src/coop/epochs.ts";
import { beginFit, toDevice } from "../../src/coop/fit.ts";
import { type PromptLearner, type PromptParams, promptLearner } from "../../src/coop/prompt-learner.ts";
import { largestOfRows } from "../../src/coop/score.ts";
import { free } from "../../src/tensor/index.ts";
import type { Score } from "../protocol.ts";
import type { Classifiers } from "./classifiers.ts";
import { type KeptFit, learnerOptions, recipeOf, type TrainingRecord } from "./training-record.ts";

/** What a training works with; it changes nothing of it. */
export interface Session {
  readonly clip: Clip;
  readonly classifiers: Classifiers;
  readonly record: TrainingRecord;
  /** Features of the record's shots. */
  readonly shots: Float32Array;
  /** The record's held-out pictures that are still there; undefined until all of them are encoded. */
  heldOut(): { readonly labels: readonly number[]; readonly features: Float32Array } | undefined;
}

export function learnerOf({ clip, record }: Session): PromptLearner {
  return promptLearner(
    clip,
    record.classes.map(({ name }) => name),
    learnerOptions(record.settings),
  );
}

/** A state that was kept as tensors of the loop's. */
export function upload(
  learner: PromptLearner,
  { record }: Session,
  { epoch, ...host }: KeptFit,
): FitState<PromptParams> {
  const { epoch: _, ...like } = beginFit(learner, recipeOf(record.settings));
  const state = { ...toDevice(host as never, like), epoch };
  free(like);
  return state;
}

/** Asks the prompt of a context about the shots and the held-out pictures. */
export function meter({ classifiers, record, shots, heldOut }: Session) {
  const classNames = record.classes.map(({ name }) => name);
  const layout = { classNames, shape: record.shape, position: record.settings.position };
  const learned = record.shots.map(({ label }) => label);
  return async (name: string, context: Float32Array): Promise<{ accuracy: number; heldOut?: Score }> => {
    const classes = await classifiers.prompt(layout, name, async () => context);
    const right = async (features: Float32Array, labels: readonly number[]) => {
      const answers = largestOfRows(await classifiers.ask(classes, features), classNames.length);
      return labels.filter((label, i) => answers[i] === label).length;
    };
    const accuracy = (await right(shots, learned)) / learned.length;
    const exam = heldOut();
    if (!exam || exam.labels.length === 0) return { accuracy };
    const { labels, features } = exam;
    return { accuracy, heldOut: { correct: await right(features, labels), count: labels.length } };
  };
}
