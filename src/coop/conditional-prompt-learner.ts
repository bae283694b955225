import { applyLinear, type Clip, embedTokens, type LinearParams } from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";
import {
  add,
  crossEntropy,
  type Key,
  l2Normalize,
  mul,
  normal,
  relu,
  reshape,
  splitKey,
  sum,
  type Tensor,
  tensor,
  uniform,
} from "../tensor/index.ts";
import { layoutPrompts, type Position } from "./prompt.ts";
import { promptEncoder } from "./prompt-encoder.ts";
import { batchFeatures, INIT_STD, type PromptBatch } from "./prompt-learner.ts";

/** What a conditional prompt looks like. */
export interface ConditionalOptions {
  /** M: how many vectors are learned, random at first. */
  readonly contextTokens?: number;
  /** Words whose embeddings the context starts as; "a photo of a" where no `contextTokens` are given either. */
  readonly initText?: string;
  /** Where the class name stands; "end", as published, where not given. */
  readonly position?: Position;
  /** Compute every prompt at the model's full context length, as the reference does: same values, more work. */
  readonly plain?: boolean;
}

/** What is learned. */
export interface ConditionalParams {
  /** [M, D]. */
  readonly context: Tensor;
  /** From a picture's feature to what is added to its context: E → ⌊E/16⌋, ReLU, → D. Weights are [out, in]. */
  readonly metaNet: { readonly linear1: LinearParams; readonly linear2: LinearParams };
}

/** Conditional context optimization as pure functions of its parameters; CLIP stays frozen. */
export interface ConditionalPromptLearner {
  readonly classNames: readonly string[];
  readonly contextTokens: number;
  /** Fresh parameters: the words of `initText` or N(0, 0.02); the meta-net's U(±1/√inputs). */
  init(key: Key): ConditionalParams;
  /** Features of each picture's own prompts [N, K, E], not normalised. The pictures' [N, E] need not be either. */
  textFeatures(params: ConditionalParams, features: Tensor): Tensor;
  /** exp(logitScale) times the cosines [N, K]. */
  logits(params: ConditionalParams, batch: Omit<PromptBatch, "labels">): Tensor;
  /** Mean cross entropy: a scalar. */
  loss(params: ConditionalParams, batch: PromptBatch): Tensor;
}

/** Hidden units of the meta-net are the image feature's width divided by this (Zhou et al., §3.2). */
const REDUCTION = 16;

/**
 * Learns context vectors that each picture shifts (Zhou et al., "Conditional Prompt Learning for Vision-Language
 * Models", CVPR 2022, arXiv 2203.05557, §3.2): v_m(x) = v_m + metaNet(x / ‖x‖), so that N pictures and K classes make
 * N K prompts. Those of a picture share their beginning. Memory and time grow with N; the paper's batch is 1.
 *
 * @throws InputError where a prompt does not fit the model's context, naming the class
 * @example
 * const learner = conditionalPromptLearner(clip, ["cat", "dog"]); // M = 4, "a photo of a"
 * const [loss, grads] = valueAndGrad(learner.loss)(learner.init(key(0)), { features, labels });
 */
export function conditionalPromptLearner(
  clip: Clip,
  classNames: readonly string[],
  options: ConditionalOptions = {},
): ConditionalPromptLearner {
  const { position = "end", plain = false } = options;
  const { config, params: frozen } = clip;
  const { embedDim } = config;
  const { width } = config.text;
  const initText = options.initText ?? (options.contextTokens === undefined ? "a photo of a" : undefined);
  const initWords = initText === undefined ? undefined : clip.tokenizer.encode(initText.replaceAll("_", " "));
  const contextTokens = initWords?.length ?? options.contextTokens ?? 0;
  if (!Number.isInteger(contextTokens) || contextTokens < 1)
    throw new InputError(`the number of context tokens is ${contextTokens}; it is a whole number ≥ 1`);

  const prompts = layoutPrompts(clip, classNames, { contextTokens, position, classSpecific: false });
  const encode = promptEncoder(clip, prompts, { vectors: contextTokens, plain, sets: true });

  const learner: ConditionalPromptLearner = {
    classNames,
    contextTokens,
    init: (key) => {
      const [contextKey, first, second] = splitKey(key, 3);
      const hidden = Math.max(1, Math.floor(embedDim / REDUCTION));
      return {
        context: initWords
          ? embedTokens(frozen.text, tensor(Int32Array.from(initWords)))
          : normal(contextKey, [contextTokens, width], { std: INIT_STD }),
        metaNet: { linear1: freshLinear(first, embedDim, hidden), linear2: freshLinear(second, hidden, width) },
      };
    },
    textFeatures: ({ context, metaNet }, features) => {
      const count = features.shape[0];
      const hidden = relu(applyLinear(metaNet.linear1, l2Normalize(features))); // [N, ⌊E/16⌋]
      const shifts = applyLinear(metaNet.linear2, hidden); // [N, D]
      const contexts = add(context, reshape(shifts, [count, 1, width])); // [N, M, D]
      return reshape(encode(reshape(contexts, [-1, width])), [count, classNames.length, embedDim]);
    },
    logits: (params, batch) => {
      const features = batchFeatures(clip, batch);
      const texts = l2Normalize(learner.textFeatures(params, features)); // [N, K, E]
      const pictures = reshape(l2Normalize(features), [features.shape[0], 1, embedDim]);
      return mul(sum(mul(pictures, texts), -1), clip.logitScale);
    },
    loss: (params, batch) => crossEntropy(learner.logits(params, batch), batch.labels),
  };
  return learner;
}

/** A linear layer as PyTorch begins it: weight and bias from U(±1/√inputs). */
function freshLinear(key: Key, inputs: number, outputs: number): LinearParams {
  const [weight, bias] = splitKey(key);
  const max = inputs ** -0.5;
  return {
    weight: uniform(weight, [outputs, inputs], { min: -max, max }),
    bias: uniform(bias, [outputs], { min: -max, max }),
  };
}
