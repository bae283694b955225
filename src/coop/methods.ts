import type { Clip } from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/index.ts";
import { type ConditionalParams, conditionalPromptLearner } from "./conditional-prompt-learner.ts";
import type { Learner } from "./fit.ts";
import { type PromptLearnerOptions, type PromptParams, promptLearner } from "./prompt-learner.ts";
import { withKnowledge, withProjection } from "./regularised.ts";

/**
 * What learns a prompt (docs/methods.md).
 * @example METHODS.includes("cocoop") // true
 */
export const METHODS = ["coop", "cocoop", "kgcoop", "prograd"] as const;
/** The name of one of `METHODS`. */
export type MethodName = (typeof METHODS)[number];

/** As papers write them. */
export const METHOD_TITLES: Readonly<Record<MethodName, string>> = {
  coop: "CoOp",
  cocoop: "CoCoOp",
  kgcoop: "KgCoOp",
  prograd: "ProGrad",
};

/** What is learned: a context, and with CoCoOp the network that shifts it. */
export type MethodParams = PromptParams & Partial<Pick<ConditionalParams, "metaNet">>;

/** A learner of any of the methods. */
export interface MethodLearner extends Learner<MethodParams> {
  readonly contextTokens: number;
}

/**
 * The learner of a method.
 *
 * @param handWritten features [K, E] of hand-written prompts, which KgCoOp and ProGrad keep to
 * @throws InputError for a CoCoOp with a context for each class
 * @example const learner = methodLearner("kgcoop", clip, classNames, { contextTokens: 4 }, handWritten);
 */
export function methodLearner(
  method: MethodName,
  clip: Clip,
  classNames: readonly string[],
  options: PromptLearnerOptions,
  handWritten: Tensor,
): MethodLearner {
  if (!METHODS.includes(method)) throw new InputError(`the method is "${method}"; there are ${METHODS.join(", ")}`);
  if (method === "cocoop") {
    if (options.classSpecific) throw new InputError("CoCoOp has one context for all classes; class-specific is CoOp's");
    return conditionalPromptLearner(clip, classNames, options);
  }
  const learner = promptLearner(clip, classNames, options);
  if (method === "kgcoop") return withKnowledge(clip, learner, handWritten);
  if (method === "prograd") return withProjection(clip, learner, handWritten);
  return learner;
}
