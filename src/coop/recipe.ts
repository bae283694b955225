import { adamw, type Optimizer, sgd } from "../autograd/index.ts";
import { InputError } from "../tensor/errors.ts";
import { COOP_RECIPE } from "./schedule.ts";

/** One step of training; CoOp's published values where not given. */
export interface StepRecipe {
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly warmupLearningRate?: number;
  readonly optimizer?: "sgd" | "adamw";
  /** Of SGD. */
  readonly momentum?: number;
  readonly weightDecay?: number;
  /** Share of the target spread evenly over all classes: then the loss is this cross entropy, not the learner's own. */
  readonly labelSmoothing?: number;
  /** Gradients are scaled down together where their norm exceeds this; not at all where not given. */
  readonly maxGradientNorm?: number;
}

/** A whole training. */
export interface Recipe extends StepRecipe {
  readonly epochs: number;
  readonly seed: number;
}

/**
 * The optimizer that a recipe asks for.
 * @example const { init, update } = optimizerOf({ optimizer: "adamw", learningRate: 1e-3 });
 */
export function optimizerOf(recipe: StepRecipe): Optimizer<unknown> {
  const { learningRate = COOP_RECIPE.learningRate, weightDecay = COOP_RECIPE.weightDecay } = recipe;
  const { optimizer = "sgd" } = recipe;
  if (!["sgd", "adamw"].includes(optimizer))
    throw new InputError(`the optimizer is "${optimizer}"; it is sgd or adamw`);
  if (optimizer === "adamw") return adamw({ learningRate, weightDecay });
  return sgd({ learningRate, weightDecay, momentum: recipe.momentum ?? COOP_RECIPE.momentum });
}
