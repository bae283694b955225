import { type AdamWState, adamw, clipByGlobalNorm, type Optimizer, valueAndGradWith } from "../autograd/index.ts";
import { compile, free, type Tensor } from "../tensor/index.ts";
import { findNonFinite, type NonFinite } from "../tensor/non-finite.ts";
import { type BatchPiece, cachedGradients } from "./cached-gradients.ts";
import type { ClipConfig } from "./config.ts";
import { clampLogitScale, type PairBatch, pretrainLossWith } from "./contrastive.ts";
import type { ClipParams } from "./params.ts";
import { type RunningStatistics, withStatistics } from "./resnet.ts";
import type { TowerOptions } from "./towers.ts";

/** What a step of pre-training changes. */
export interface TrainingState {
  readonly params: ClipParams;
  readonly optimizer: AdamWState;
}

/**
 * Which parameters decay: matrices and tables, as in open_clip. Gains, biases, the class embedding and the logit scale,
 * all of them of rank 0 or 1, do not; the embeddings of tokens and positions do.
 *
 * @example decays(params.logitScale) // false
 */
export const decays = (parameter: Pick<Tensor, "rank">): boolean => parameter.rank >= 2;

/**
 * AdamW as CLIP was trained with it (Radford et al., arXiv 2103.00020, tables 18 to 20): β₂ and ε by the kind of image
 * tower, weight decay 0.2 on what `decays`.
 *
 * @example const optimizer = pretrainOptimizer(config, { learningRate: 5e-4 });
 */
export const pretrainOptimizer = (
  { vision }: Pick<ClipConfig, "vision">,
  { learningRate, weightDecay = 0.2 }: { readonly learningRate: number; readonly weightDecay?: number },
): Optimizer<AdamWState> =>
  adamw({
    learningRate,
    weightDecay,
    decays,
    beta1: 0.9,
    ...(vision.kind === "vit" ? { beta2: 0.98, epsilon: 1e-6 } : { beta2: 0.999, epsilon: 1e-8 }),
  });

/** How a step of pre-training is computed. */
export interface StepOptions extends TowerOptions {
  /** Gradients are scaled down together where their global norm exceeds this; not at all where not given. */
  readonly clipNorm?: number;
}

/** One step of pre-training; it takes the state's memory over. */
export interface PretrainStep {
  /**
   * @param pieces the batch, in one piece or several
   * @returns the new state, and the loss of the whole batch before the step: a scalar
   */
  (state: TrainingState, pieces: readonly BatchPiece[], learningRate: number): [TrainingState, Tensor];
  /**
   * Computes the same step op by op and finds the first op whose result is not finite (see `findNonFinite`). The state
   * stays as it is.
   */
  examine(state: TrainingState, pieces: readonly BatchPiece[], learningRate: number): Promise<NonFinite | undefined>;
  /** Gives back what the compiled programs hold. */
  free(): void;
}

/**
 * A step of pre-training: one program where the batch is one piece, `cachedGradients` where it is several. Afterwards the
 * logit scale is in [0, ln 100].
 *
 * @example
 * const step = pretrainStep(config, optimizer);
 * [state, loss] = step(state, [() => batch], schedule(i));
 */
export function pretrainStep(
  config: ClipConfig,
  optimizer: Optimizer<AdamWState>,
  { clipNorm, ...options }: StepOptions = {},
): PretrainStep {
  const updated = (
    state: TrainingState,
    grads: ClipParams,
    statistics: RunningStatistics,
    learningRate: number | Tensor,
  ): TrainingState => {
    const clipped = clipNorm === undefined ? grads : clipByGlobalNorm(grads, clipNorm);
    const [params, next] = optimizer.update(clipped, state.optimizer, state.params, learningRate);
    const vision = withStatistics(params.vision, statistics);
    return { params: clampLogitScale({ ...params, vision }), optimizer: next };
  };
  const whole = compile(
    (state: TrainingState, batch: PairBatch, learningRate: number | Tensor): [TrainingState, Tensor] => {
      const [[loss, statistics], grads] = valueAndGradWith((p: ClipParams) =>
        pretrainLossWith(p, config, batch, options),
      )(state.params);
      return [updated(state, grads, statistics, learningRate), loss];
    },
    { donate: [0], name: "the pre-training step" },
  );
  const gradients = cachedGradients(config, options);
  const update = compile(updated, { donate: [0, 1, 2], name: "the optimizer's update" });
  const step = (state: TrainingState, pieces: readonly BatchPiece[], learningRate: number): [TrainingState, Tensor] => {
    if (pieces.length > 1) {
      const [loss, grads, statistics] = gradients(state.params, pieces);
      return [update(state, grads, statistics, learningRate), loss];
    }
    const batch = pieces[0]();
    const result = whole(state, batch, learningRate);
    free(batch);
    return result;
  };
  const examine: PretrainStep["examine"] = async (state, pieces, learningRate) => {
    if (pieces.length > 1) {
      const found = await gradients.examine(state.params, pieces);
      if (found) return found;
      const [loss, grads, statistics] = gradients(state.params, pieces);
      const inUpdate = await findNonFinite(update, state, grads, statistics, learningRate);
      free([loss, grads, statistics]);
      return inUpdate;
    }
    const batch = pieces[0]();
    const found = await findNonFinite(whole, state, batch, learningRate);
    free(batch);
    return found;
  };
  return Object.assign(step, { examine, free: () => [whole, gradients, update].forEach((part) => part.free()) });
}
