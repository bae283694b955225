/**
 * Prompt learning for CLIP: learners and their training, few-shot data, scores, and the files of a run as bytes. What
 * reads and writes folders is in `coop/node`.
 *
 * @module coop/prompt
 */
export { conditionalModel, readConditionalModel } from "./conditional-files.ts";
export {
  type ConditionalPrediction,
  conditionalClassifier,
  conditionalProbabilities,
  type LearnedConditional,
  predictConditional,
  uploadConditional,
} from "./conditional-predict.ts";
export {
  type ConditionalOptions,
  type ConditionalParams,
  type ConditionalPromptLearner,
  conditionalPromptLearner,
} from "./conditional-prompt-learner.ts";
export {
  type AccuracyMeter,
  accuracyMeter,
  type Best,
  type EarlyStopping,
  earlyStopping,
} from "./early-stopping.ts";
export {
  type Epoch,
  type EpochHooks,
  type FitState,
  type OnEpoch,
  runEpochs,
  type TrainingStep,
  trainingStep,
} from "./epochs.ts";
export { normalizeRows } from "./feature-rows.ts";
export {
  fewShot,
  fewShotSplits,
  type Labelled,
  shotsAndValidation,
} from "./few-shot.ts";
export {
  type Examples,
  type FitHooks,
  type Fitted,
  type FreshExamples,
  fitLearner,
  fitPrompt,
  type Host,
  type Learner,
  type LearnerTrainer,
  learnerTrainer,
  toDevice,
  toHost,
} from "./fit.ts";
export type { Item } from "./folder.ts";
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
export { METHODS, type MethodLearner, type MethodName, type MethodParams, methodLearner } from "./methods.ts";
export {
  type Control,
  type Measure,
  type NearestWordsOptions,
  type NearToken,
  nearestTokens,
  nearestWords,
  type Spread,
  type VectorWords,
} from "./nearest-words.ts";
export { confusionOf, type LearnedPrompt, predictLabels, promptFeatures } from "./predict.ts";
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
export { optimizerOf, type Recipe, type StepRecipe } from "./recipe.ts";
export { projected, withKnowledge, withProjection } from "./regularised.ts";
export { adapterConfigJson, contextShape, parseAdapterConfig, type RunConfig, type SavedConfig } from "./run-config.ts";
export {
  adapterModel,
  type EpochMetrics,
  metricsJsonl,
  parseMetricsJsonl,
  parsePrompt,
  parseSplits,
  readAdapterModel,
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
export { type TokenWord, tokenWord } from "./token-word.ts";
export { type Augment, type Augmentation, viewOf, viewsRecipeText } from "./views.ts";
