import { type Clip, embedTokens, encodeImage, similarityLogits } from "../clip/index.ts";
import { InputError, ShapeError } from "../tensor/errors.ts";
import { broadcastTo, crossEntropy, type Key, normal, reshape, type Tensor, tensor } from "../tensor/index.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import { layoutPrompts, type Position } from "./prompt.ts";
import { blockedEncoder, classesPerBlock } from "./prompt-blocks.ts";

/** What the prompt that is learned looks like. */
export interface PromptLearnerOptions {
  /** M: how many vectors are learned; 16 where not given. Ignored with `initText`, whose tokens are counted. */
  readonly contextTokens?: number;
  /** Where the class name stands; "end" where not given. */
  readonly position?: Position;
  /** A context of its own for each class instead of one for all. */
  readonly classSpecific?: boolean;
  /** Words whose embeddings the context starts as, "a photo of a" say; random where not given. */
  readonly initText?: string;
  /** Compute every prompt at the model's full context length, as the reference does: same values, more work. */
  readonly plain?: boolean;
  /**
   * Compute the prompts so many classes at a time, and again for the gradients: the same values and a third more work
   * in the memory of one block. Where not given, as many as a bound on memory allows (see `classesPerBlock`).
   */
  readonly classesPerBlock?: number;
}

/** What is learned. */
export interface PromptParams {
  /** [M, D], or [K, M, D] where class-specific. */
  readonly context: Tensor;
}

/** Labelled pictures, as features that were computed once or as pixels. */
export interface PromptBatch {
  /** f32 [N, E], need not be normalised. */
  readonly features?: Tensor;
  /** f32 [N, 3, R, R], normalised. */
  readonly images?: Tensor;
  /** i32 [N]. */
  readonly labels: Tensor;
}

/** Context Optimization as pure functions of its parameters; CLIP stays frozen. */
export interface PromptLearner {
  readonly classNames: readonly string[];
  readonly contextTokens: number;
  /** Fresh parameters: N(0, 0.02), or the embeddings of the words of `initText`. */
  init(key: Key): PromptParams;
  /** Features of the prompts [K, E], not normalised. */
  textFeatures(params: PromptParams): Tensor;
  /** exp(logitScale) times the cosines [N, K]. */
  logits(params: PromptParams, batch: Omit<PromptBatch, "labels">): Tensor;
  /** Mean cross entropy: a scalar. */
  loss(params: PromptParams, batch: PromptBatch): Tensor;
  /** Gives back the device's memory that the words take. */
  free(): void;
}

/** Standard deviation of a random context (Zhou et al., §4.1). */
export const INIT_STD = 0.02;

/**
 * Learns the context words of a prompt as vectors (Zhou et al., "Learning to Prompt for Vision-Language Models", IJCV
 * 2022, §3.2): the prompt of class k is [SOS] v₁ … v_M name_k . [EOS].
 *
 * @throws InputError where a prompt does not fit the model's context, naming the class
 * @example
 * const learner = promptLearner(clip, ["cat", "dog"], { contextTokens: 16 });
 * const [loss, grads] = valueAndGrad(learner.loss)(learner.init(key(0)), { features, labels });
 */
export function promptLearner(
  clip: Clip,
  classNames: readonly string[],
  options: PromptLearnerOptions = {},
): PromptLearner {
  const { position = "end", classSpecific = false, plain = false, initText } = options;
  const { config, params: frozen } = clip;
  const width = config.text.width;
  const initWords = initText === undefined ? undefined : clip.tokenizer.encode(initText.replaceAll("_", " "));
  const contextTokens = initWords?.length ?? options.contextTokens ?? 16;
  if (!Number.isInteger(contextTokens) || contextTokens < 1)
    throw new InputError(`the number of context tokens is ${contextTokens}; it is a whole number ≥ 1`);

  const vectors = classSpecific ? classNames.length * contextTokens : contextTokens;
  const prompts = layoutPrompts(clip, classNames, { contextTokens, position, classSpecific });
  const perBlock = options.classesPerBlock ?? classesPerBlock(clip, prompts);
  const encode = blockedEncoder(clip, prompts, { vectors, plain, classesPerBlock: perBlock });
  const shape = classSpecific ? [classNames.length, contextTokens, width] : [contextTokens, width];

  const learner: PromptLearner = {
    classNames,
    contextTokens,
    init: (key) => ({
      context: initWords
        ? broadcastTo(embedTokens(frozen.text, tensor(Int32Array.from(initWords))), shape)
        : normal(key, shape, { std: INIT_STD }),
    }),
    textFeatures: ({ context }) => {
      if (!sameShape(context.shape, shape))
        throw new ShapeError(`the context is ${showShape(context.shape)}; this learner's is ${showShape(shape)}`);
      return encode(reshape(context, [-1, width]));
    },
    logits: (params, batch) =>
      similarityLogits(batchFeatures(clip, batch), learner.textFeatures(params), frozen.logitScale),
    loss: (params, batch) => crossEntropy(learner.logits(params, batch), batch.labels),
    free: encode.free,
  };
  return learner;
}

/** Features [N, E] of the pictures of a batch. InputError where it has neither features nor images. */
export function batchFeatures({ params, config }: Clip, { features, images }: Omit<PromptBatch, "labels">): Tensor {
  const seen = features ?? (images && encodeImage(params.vision, config, images));
  if (!seen) throw new InputError("a batch needs features [N, E] or images [N, 3, R, R]");
  if (seen.rank !== 2 || seen.shape[1] !== config.embedDim)
    throw new ShapeError(
      `a batch: the features are ${showShape(seen.shape)}; this model's are [N, ${config.embedDim}]`,
    );
  return seen;
}
