/** Prompt learning for CLIP: the learner and its training, few-shot data, and the files of a run. */
export { checkRunFolder, writeFileAtomic, writeRunFolder } from "./atomic.ts";
export {
  type FeatureIndex,
  INDEX_FILE,
  type IndexedFile,
  type IndexUpdate,
  indexBytes,
  parseIndex,
  readIndex,
  updateIndex,
} from "./feature-index.ts";
export {
  type FeatureSearch,
  type FeatureSearchOptions,
  featureSearch,
  type Nearest,
  normalizeRows,
} from "./feature-search.ts";
export {
  fewShot,
  fewShotSplits,
  type Labelled,
  shotsAndValidation,
} from "./few-shot.ts";
export { type Epoch, type Examples, fitPrompt, type Recipe } from "./fit.ts";
export {
  type FittedSeeds,
  type SeededExamples,
  type SeedsRecipe,
  type SeedsTrainer,
  seedsTrainer,
} from "./fit-seeds.ts";
export { type Folder, type Item, readFolder } from "./folder.ts";
export {
  type FittedProbe,
  fitLinearProbe,
  type LinearProbe,
  type ProbeFitter,
  type ProbeOptions,
  predictProbe,
  probeFitter,
  probeProbabilities,
} from "./linear-probe.ts";
export { MersenneTwister } from "./mersenne.ts";
export { type ModelParts, writeModelFolder } from "./model-folder.ts";
export { type PairBatches, type PairBatchOptions, pairBatches } from "./pair-batches.ts";
export { type PairScorer, type PairScores, pairScorer } from "./pair-scores.ts";
export {
  openPairs,
  type Pair,
  type PairList,
  type PairOptions,
  type PairSource,
  readPairs,
  type SkippedPairs,
} from "./pairs.ts";
export { confusionOf, type LearnedPrompt, predictLabels, promptFeatures } from "./predict.ts";
export { type Pretraining, type PretrainProgress, pretrain } from "./pretrain.ts";
export { type ProbeConfig, probeFiles, type ValidationSource } from "./probe-files.ts";
export { C_SWEEP, type CSearch, type SearchedProbe, searchC, searchProbe, type Trial } from "./probe-search.ts";
export {
  layoutPrompts,
  type PackedPrompts,
  type Place,
  type Position,
  type PromptOptions,
  packPrompts,
} from "./prompt.ts";
export {
  type PromptBatch,
  type PromptLearner,
  type PromptLearnerOptions,
  type PromptParams,
  promptLearner,
} from "./prompt-learner.ts";
export { type CaptionRecall, captionRecall, RECALL_AT, type Recall, recallOf } from "./recall.ts";
export { type Report, reportHtml } from "./report.ts";
export { type CardOptions, runCard } from "./run-card.ts";
export { adapterConfigJson, contextShape, parseAdapterConfig, type RunConfig } from "./run-config.ts";
export {
  adapterModel,
  type EpochMetrics,
  metricsJsonl,
  parseMetricsJsonl,
  parseSplits,
  readAdapterModel,
  readPrompt,
  runFiles,
  type SavedPrompt,
  type Splits,
  splitsJson,
} from "./run-files.ts";
export { batchesPerEpoch, COOP_RECIPE, coopLearningRate, epochBatches, epochsForShots } from "./schedule.ts";
export {
  accuracy,
  type Confusion,
  confusionMatrix,
  interval,
  meanAndDeviation,
  ofClass,
  overall,
  percent,
  type Score,
} from "./score.ts";
export { loadTraining, type SavedTraining, type Settings, saveTraining } from "./training-state.ts";
export type { Skipped } from "./walk.ts";
