import { type Clip, classify } from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";
import { compile, free, l2Normalize, tensor } from "../tensor/index.ts";
import type { Position } from "./prompt.ts";
import { promptLearner } from "./prompt-learner.ts";
import { confusionMatrix, largestOfRows } from "./score.ts";

/** A learned context and how its prompts are laid out. */
export interface LearnedPrompt {
  /** Row-major, of `shape`. */
  readonly context: Float32Array;
  /** [M, D], or [K, M, D] where class-specific. */
  readonly shape: readonly number[];
  readonly position: Position;
}

/**
 * Normalised features of the prompts of some classes. A unified context serves any list of classes; a class-specific
 * one only those it was learned for.
 *
 * @throws InputError where a class-specific context is for another number of classes
 * @returns [K, E] row-major
 * @example
 * const { config, context, shape } = await readPrompt("runs/pets");
 * const classes = await promptFeatures(clip, config.classes, { context, shape, position: config.options.position });
 */
export async function promptFeatures(
  clip: Clip,
  classNames: readonly string[],
  prompt: LearnedPrompt,
): Promise<Float32Array> {
  const { shape, position } = prompt;
  if (shape.length === 3 && shape[0] !== classNames.length)
    throw new InputError(
      `the prompt has a context for each of ${shape[0]} classes and serves no others; there are ${classNames.length} names`,
    );
  const learner = promptLearner(clip, classNames, {
    contextTokens: shape[shape.length - 2],
    position,
    classSpecific: shape.length === 3,
  });
  const features = compile((context: ReturnType<typeof tensor>) => l2Normalize(learner.textFeatures({ context })));
  const context = tensor(prompt.context, [...shape]);
  const result = features(context);
  const values = (await result.data()) as Float32Array;
  free([context, result]);
  features.free();
  return values;
}

/**
 * Index of the most probable class of each picture.
 *
 * @param images features [N, E] row-major, need not be normalised
 * @param classes normalised features [K, E] row-major
 * @example const labels = await predictLabels(clip, features, classes); // Int32Array [N]
 */
export async function predictLabels(clip: Clip, images: Float32Array, classes: Float32Array): Promise<Int32Array> {
  const probabilities = await classify(clip, images, classes);
  return largestOfRows(probabilities, classes.length / clip.config.embedDim);
}

/**
 * How often a picture of each class is taken for each other.
 *
 * @param images features [N, E] row-major, need not be normalised
 * @param labels the right class of each picture
 * @param classes normalised features [K, E] row-major
 * @example accuracy(overall(await confusionOf(clip, features, labels, classes))) // 0.93
 */
export async function confusionOf(
  clip: Clip,
  images: Float32Array,
  labels: ArrayLike<number>,
  classes: Float32Array,
): Promise<number[][]> {
  const predicted = await predictLabels(clip, images, classes);
  return confusionMatrix(labels, predicted, classes.length / clip.config.embedDim);
}
