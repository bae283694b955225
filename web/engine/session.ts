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
  /** Features of the record's shots and of its held-out pictures. */
  readonly shots: Float32Array;
  readonly heldOut: Float32Array;
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
  const asked = new Float32Array(shots.length + heldOut.length);
  asked.set(shots);
  asked.set(heldOut, shots.length);
  const pictures = [...record.shots, ...record.heldOut];
  return async (name: string, context: Float32Array): Promise<{ accuracy: number; heldOut?: Score }> => {
    const classes = await classifiers.prompt(layout, name, async () => context);
    const answers = largestOfRows(await classifiers.ask(classes, asked), classNames.length);
    const right = (from: number, to: number) =>
      pictures.slice(from, to).filter(({ label }, i) => answers[from + i] === label).length;
    const [learned, count] = [record.shots.length, record.heldOut.length];
    return {
      accuracy: right(0, learned) / learned,
      ...(count > 0 ? { heldOut: { correct: right(learned, learned + count), count } } : {}),
    };
  };
}
