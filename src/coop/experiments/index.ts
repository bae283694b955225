/**
 * Experiments: datasets × shots × seeds × methods from one file, their results and how they are shown.
 *
 * @module coop/experiments
 */
export {
  type FittedSeeds,
  type SeededExamples,
  type SeedsRecipe,
  type SeedsTrainer,
  seedsTrainer,
} from "../fit-seeds.ts";
export type { JsonFields } from "../json-fields.ts";
export { type Comparison, compareResults, comparisonMarkdown } from "./compare.ts";
export { type Dataset, type Part, partOf } from "./dataset.ts";
export {
  type ConfiguredMethod,
  type FitTask,
  type Fitted,
  type Json,
  type JsonRecord,
  type Method,
  type MethodContext,
  type Pictures,
  Stopped,
  type Trainer,
  together,
} from "./method.ts";
export { METHODS } from "./methods.ts";
export { plan, type Run } from "./plan.ts";
export { classPredictor } from "./predictor.ts";
export { type ExperimentReportOptions, experimentReport } from "./report.ts";
export { openResults, parseResults, type Result, type ResultsLog } from "./results.ts";
export { type ExperimentOptions, type ExperimentProgress, type Outcome, runExperiments, type Sources } from "./run.ts";
export { type DatasetSpec, type ExperimentSpec, type MethodSpec, parseSpec, type Selection } from "./spec.ts";
export { costOf, type StepCost } from "./step-cost.ts";
export type { Measured } from "./summary.ts";
