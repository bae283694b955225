/**
 * Contrastive training of a CLIP on captioned pictures: models from nothing, batches, the step and the loop.
 *
 * @module coop/pretrain
 */
export { ARCHITECTURES } from "./clip/architectures.ts";
export {
  type BatchPiece,
  type CachedGradients,
  cachedGradients,
  pairEncoder,
  type Towers,
} from "./clip/cached-gradients.ts";
export {
  clampLogitScale,
  contrastiveLoss,
  MAX_LOGIT_SCALE,
  type PairBatch,
  type PairFeatures,
  pairFeatures,
  pretrainLoss,
} from "./clip/contrastive.ts";
export { initClip } from "./clip/init.ts";
export {
  decays,
  type PretrainStep,
  pretrainOptimizer,
  pretrainStep,
  type StepOptions,
  type TrainingState,
} from "./clip/pretrain-step.ts";
export type { RunningStatistics } from "./clip/resnet.ts";
export { commonWords, wordLevelTokenizerJson } from "./clip/word-tokenizer.ts";
export { type PairBatches, type PairBatchOptions, pairBatches } from "./coop/pair-batches.ts";
export { type PairScorer, type PairScores, pairScorer } from "./coop/pair-scores.ts";
export {
  openPairs,
  type Pair,
  type PairList,
  type PairOptions,
  type PairSource,
  readPairs,
  type SkippedPairs,
} from "./coop/pairs.ts";
export { type Pretraining, type PretrainProgress, pretrain } from "./coop/pretrain.ts";
