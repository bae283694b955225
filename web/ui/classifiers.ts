import { computed, signal } from "@preact/signals";
import type { Answers, ClassifierName, EpochState } from "../protocol.ts";
import { type Latest, useLatest } from "./latest.ts";
import { ask, now, round } from "./session.ts";

export const TITLES: Readonly<Record<ClassifierName, string>> = {
  "zero-shot": "Zero-shot",
  probe: "Linear probe",
  prompt: "Learned prompt",
};

/** The same where there is little room. */
export const SHORT: typeof TITLES = { "zero-shot": "Zero-shot", probe: "Probe", prompt: "Prompt" };

/** The place, among the epochs, of the one that someone chose to look at; the last one where undefined. */
export const chosenEpoch = signal<number | undefined>(undefined);

/** The epoch whose prompt the answers are shown of; undefined before the first. */
export const shownEpoch = computed<EpochState | undefined>(() => {
  const { epochs } = now.training.value;
  const last = epochs.length - 1;
  return epochs[Math.min(chosenEpoch.value ?? last, last)];
});

/** The classifiers that can answer now. */
export const classifiers = computed<readonly ClassifierName[]>(() => {
  if (now.model.value.status !== "ready" || now.classes.value.length === 0) return [];
  const probe = now.scores.value.probe !== undefined || everyClassHasPictures.value;
  return ["zero-shot", ...(probe ? ["probe" as const] : []), ...(shownEpoch.value ? ["prompt" as const] : [])];
});

const everyClassHasPictures = computed(
  () =>
    now.classes.value.length > 1 &&
    now.classes.value.every(({ pictures }) => pictures.some(({ status, heldOut }) => status === "encoded" && !heldOut)),
);

/** Probabilities, with the names of the classes that they are of. */
export interface NamedAnswers extends Answers {
  readonly classNames: readonly string[];
}

/** Another number whenever what is read is another object. */
function version(read: () => unknown) {
  let last: unknown;
  let number = 0;
  return computed(() => {
    const current = read();
    if (current !== last) number++;
    last = current;
    return number;
  });
}
const classesVersion = version(() => now.classes.value);
const triesVersion = version(() => now.tries.value);
const firstEpoch = version(() => now.training.value.epochs[0]);

/** What all answers of a classifier depend on. */
function basis(by: ClassifierName): string {
  const names = now.classes.value.map(({ id, name }) => [id, name]);
  const common = [round.value, now.model.value.source, names];
  if (by === "zero-shot") return JSON.stringify([...common, now.settings.value.template]);
  if (by === "prompt") return JSON.stringify([...common, firstEpoch.value, shownEpoch.value?.epoch]);
  return JSON.stringify([...common, classesVersion.value, now.settings.value.shots, now.settings.value.seed]);
}

/** Asks the worker for answers, and again whenever something that they depend on has changed. */
export function useAnswers(of: "held-out" | "shots" | "tries", by: ClassifierName): Latest<NamedAnswers> {
  const some = of === "tries" ? now.tries.value.some(({ status }) => status === "encoded") : true;
  const able = some && classifiers.value.includes(by);
  const about = of === "tries" ? triesVersion.value : classesVersion.value;
  return useLatest(able ? `${of} ${about} ${by} ${basis(by)}` : undefined, async () => {
    const classNames = now.classes.peek().map(({ name }) => name);
    const epoch = by === "prompt" ? shownEpoch.peek()?.epoch : undefined;
    return { ...(await ask((engine) => engine.answers(of, by, epoch))), classNames };
  });
}

/** One picture's probabilities. */
export function rowOf({ probabilities, classNames }: NamedAnswers, index: number): Float32Array {
  return probabilities.subarray(index * classNames.length, (index + 1) * classNames.length);
}

/** The index of the largest number. */
export const largest = (row: Float32Array): number => row.reduce((best, value, i) => (value > row[best] ? i : best), 0);
