import type { Clip } from "../clip/index.ts";
import { compile, free, softmax, type Tensor, tensor } from "../tensor/index.ts";
import type { MapTree } from "../tensor/tree.ts";
import {
  type ConditionalParams,
  type ConditionalPromptLearner,
  conditionalPromptLearner,
} from "./conditional-prompt-learner.ts";
import { inChunks } from "./in-chunks.ts";
import type { Position } from "./prompt.ts";
import type { Classifier } from "./protocols.ts";
import { largestOfRows } from "./score.ts";

/** What was learned, on the host: row-major. It serves any list of classes. */
export type LearnedConditional = MapTree<ConditionalParams, Tensor, Float32Array>;

/** Prompts that are computed at a time where nothing else is said. */
const PROMPTS_AT_ONCE = 1024;

/**
 * The parameters on the device; to be freed.
 * @example const params = uploadConditional(clip, learned);
 */
export function uploadConditional(
  { config: { embedDim, text } }: Clip,
  { context, metaNet: { linear1, linear2 } }: LearnedConditional,
): ConditionalParams {
  const hidden = linear1.bias.length;
  return {
    context: tensor(context, [context.length / text.width, text.width]),
    metaNet: {
      linear1: { weight: tensor(linear1.weight, [hidden, embedDim]), bias: tensor(linear1.bias, [hidden]) },
      linear2: { weight: tensor(linear2.weight, [text.width, hidden]), bias: tensor(linear2.bias, [text.width]) },
    },
  };
}

/**
 * Logits of any number of pictures, each with prompts of its own: N K texts in all. `chunk` pictures go at a time; where
 * not given, as many as make about a thousand prompts.
 *
 * @param features [N, E] row-major, need not be normalised
 * @returns [N, K] row-major
 * @example const logits = await predictConditional(clip, learner, params, features);
 */
export async function predictConditional(
  clip: Clip,
  learner: ConditionalPromptLearner,
  params: ConditionalParams,
  features: Float32Array,
  { chunk }: { chunk?: number } = {},
): Promise<Float32Array> {
  const size = chunk ?? Math.max(1, Math.floor(PROMPTS_AT_ONCE / learner.classNames.length));
  const logits = compile((p: ConditionalParams, x: Tensor) => learner.logits(p, { features: x }), {
    name: "the CoCoOp logits",
  });
  try {
    return await inChunks(features, clip.config.embedDim, size, (x) => logits(params, x));
  } finally {
    logits.free();
  }
}

/** How `conditionalProbabilities` computes: where the class name stands, and how many pictures at a time. */
export interface ConditionalPrediction {
  readonly position?: Position;
  readonly chunk?: number;
}

async function logitsOf(
  clip: Clip,
  learned: LearnedConditional,
  classNames: readonly string[],
  features: Float32Array,
  options: ConditionalPrediction,
): Promise<Float32Array> {
  const params = uploadConditional(clip, learned);
  const contextTokens = params.context.shape[0];
  const learner = conditionalPromptLearner(clip, classNames, { contextTokens, position: options.position });
  const logits = await predictConditional(clip, learner, params, features, options);
  free(params);
  return logits;
}

/**
 * Classifies by what CoCoOp learned, among any classes.
 * @example const labels = await conditionalClassifier(clip, learned)(["cat", "dog"], features);
 */
export const conditionalClassifier =
  (clip: Clip, learned: LearnedConditional, options: ConditionalPrediction = {}): Classifier =>
  async (classNames, features) =>
    largestOfRows(await logitsOf(clip, learned, classNames, features, options), classNames.length);

/**
 * Probabilities [N, K] of any classes by what CoCoOp learned, row-major.
 * @example const [cat, dog] = await conditionalProbabilities(clip, learned, ["cat", "dog"], features);
 */
export async function conditionalProbabilities(
  clip: Clip,
  learned: LearnedConditional,
  classNames: readonly string[],
  features: Float32Array,
  options: ConditionalPrediction = {},
): Promise<Float32Array> {
  const logits = await logitsOf(clip, learned, classNames, features, options);
  const probabilities = softmax(tensor(logits, [logits.length / classNames.length, classNames.length]));
  const values = (await probabilities.data()) as Float32Array;
  free(probabilities);
  return values;
}
