import { type Clip, classFeatures } from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";
import { featureRows } from "./feature-rows.ts";
import type { Examples } from "./fit.ts";
import { type LearnedPrompt, predictLabels, promptFeatures } from "./predict.ts";
import { accuracy, confusionMatrix, overall, type Score } from "./score.ts";

/** Features [N, E] of pictures, row-major, and their class numbers. */
export type LabelledFeatures = Pick<Examples, "features" | "labels">;

/** Says of each picture, by its features [N, E], which of some classes it shows. */
export type Classifier = (classNames: readonly string[], features: Float32Array) => Promise<Int32Array>;

/** Learns from pictures of some classes what is then asked about others. */
export type Learn = (classNames: readonly string[], train: LabelledFeatures) => Promise<Classifier>;

/**
 * Classifies by hand-written prompts.
 * @example const labels = await handWrittenClassifier(clip, ["a photo of a {}."])(classNames, features);
 */
export const handWrittenClassifier =
  (clip: Clip, templates: readonly string[]): Classifier =>
  async (classNames, features) =>
    predictLabels(clip, features, await classFeatures(clip, classNames, templates));

/**
 * Classifies by a learned prompt: a unified context serves any classes.
 * @example
 * const labels = await promptClassifier(clip, { context, shape: [16, 512], position: "end" })(classNames, features);
 */
export const promptClassifier =
  (clip: Clip, prompt: LearnedPrompt): Classifier =>
  async (classNames, features) =>
    predictLabels(clip, features, await promptFeatures(clip, classNames, prompt));

/**
 * 2ab/(a + b); 0 where both are.
 * @example harmonicMean(0.8, 0.6) // 0.6857
 */
export const harmonicMean = (a: number, b: number): number => (a + b === 0 ? 0 : (2 * a * b) / (a + b));

/** One half of the classes: their names, which pictures show one of them, and their labels within the half. */
export interface ClassHalf {
  readonly classNames: readonly string[];
  readonly rows: readonly number[];
  readonly labels: Int32Array;
}

/**
 * The first ⌈n/2⌉ classes and the others, each numbered from 0 (Zhou et al., arXiv 2203.05557, §4.1). Shots are drawn
 * before, from all classes.
 *
 * @param labels class numbers of pictures, indices into `classNames`
 * @throws InputError where there are fewer than four classes
 * @example splitBaseNew(["a", "b", "c", "d"], [0, 2, 1]).novel.classNames // ["c", "d"]
 */
export function splitBaseNew(
  classNames: readonly string[],
  labels: ArrayLike<number>,
): { readonly base: ClassHalf; readonly novel: ClassHalf } {
  if (classNames.length < 4)
    throw new InputError(`base and new classes need four classes or more in all, not ${classNames.length}`);
  const wrong = Array.from(labels).find((label) => !(label >= 0 && label < classNames.length));
  if (wrong !== undefined) throw new InputError(`label ${wrong} is not one of ${classNames.length} classes`);
  const middle = Math.ceil(classNames.length / 2);
  const half = (from: number, to: number): ClassHalf => {
    const rows = Array.from(labels, (_, i) => i).filter((i) => labels[i] >= from && labels[i] < to);
    return { classNames: classNames.slice(from, to), rows, labels: Int32Array.from(rows, (i) => labels[i] - from) };
  };
  return { base: half(0, middle), novel: half(middle, classNames.length) };
}

/** Accuracies on base and new classes, as fractions, and their harmonic mean. */
export interface BaseNew {
  readonly base: number;
  readonly novel: number;
  readonly harmonic: number;
}

/** A set of pictures to learn from and one to be asked about. */
export interface FeatureTask {
  readonly classNames: readonly string[];
  readonly train: LabelledFeatures;
  readonly test: LabelledFeatures;
}

/**
 * Learns from the base classes alone, and asks about the pictures of base classes among base classes, and about those of
 * new classes among new ones (Zhou et al., arXiv 2203.05557, §4.1).
 *
 * @example const { base, novel, harmonic } = await baseToNew({ classNames, train, test }, learn);
 */
export async function baseToNew({ classNames, train, test }: FeatureTask, learn: Learn): Promise<BaseNew> {
  const seen = splitBaseNew(classNames, train.labels).base;
  const classify = await learn(seen.classNames, { features: rowsOf(train, seen.rows), labels: seen.labels });
  const asked = splitBaseNew(classNames, test.labels);
  const ask = async ({ classNames, rows, labels }: ClassHalf) =>
    accuracy(await score(classify, classNames, { features: rowsOf(test, rows), labels }));
  const [base, novel] = [await ask(asked.base), await ask(asked.novel)];
  return { base, novel, harmonic: harmonicMean(base, novel) };
}

/**
 * Over several data sets, as published: the harmonic mean of the means, not the mean of the harmonic means.
 * @example averageBaseNew([{ base: 0.8, novel: 0.6 }, { base: 0.6, novel: 0.8 }]).harmonic // 0.7
 */
export function averageBaseNew(results: readonly Pick<BaseNew, "base" | "novel">[]): BaseNew {
  if (results.length === 0) throw new InputError("averageBaseNew: there is no result to average");
  const mean = (of: "base" | "novel") => results.reduce((sum, result) => sum + result[of], 0) / results.length;
  const [base, novel] = [mean("base"), mean("novel")];
  return { base, novel, harmonic: harmonicMean(base, novel) };
}

/** Pictures of another set, with classes of their own. */
export interface Target {
  readonly name: string;
  readonly classNames: readonly string[];
  readonly test: LabelledFeatures;
}

/**
 * Asks a classifier about sets that it did not learn from: other classes (cross-dataset transfer), or the same ones drawn,
 * stylised or seen elsewhere (domain generalisation).
 *
 * @example const scores = await transfer(promptClassifier(clip, prompt), [{ name: "sketches", classNames, test }]);
 */
export async function transfer(
  classify: Classifier,
  targets: readonly Target[],
): Promise<{ readonly name: string; readonly score: Score }[]> {
  const results: { name: string; score: Score }[] = [];
  for (const { name, classNames, test } of targets)
    results.push({ name, score: await score(classify, classNames, test) });
  return results;
}

async function score(
  classify: Classifier,
  classNames: readonly string[],
  { features, labels }: LabelledFeatures,
): Promise<Score> {
  if (labels.length === 0) throw new InputError("there are no pictures to ask about");
  return overall(confusionMatrix(labels, await classify(classNames, features), classNames.length));
}

function rowsOf({ features, labels }: LabelledFeatures, rows: readonly number[]): Float32Array {
  return featureRows(features, features.length / labels.length, rows);
}
