/**
 * What a learned prompt is measured with and against: new classes and other pictures, what it changed beside a
 * hand-written one, and a cache of the same shots that learns nothing.
 *
 * @module coop/evaluation
 */

export {
  CACHE_GRID,
  CACHE_WEIGHTS,
  type CacheModel,
  type CacheWeights,
  cacheLogits,
  searchCache,
} from "./coop/cache-model.ts";
export { baseAndNew, type ClassSplits } from "./coop/datasets/base-and-new.ts";
export { type Answers, answersTo, type ClassChange, comparePrompts, type PromptChange } from "./coop/prompt-change.ts";
export {
  averageBaseNew,
  type BaseNew,
  baseToNew,
  type ClassHalf,
  type Classifier,
  type FeatureTask,
  handWrittenClassifier,
  harmonicMean,
  type LabelledFeatures,
  type Learn,
  promptClassifier,
  splitBaseNew,
  type Target,
  transfer,
} from "./coop/protocols.ts";
export type { Change, Ranking } from "./coop/ranking.ts";
