/**
 * CoOp with a file system: folders, datasets and lists of pictures, captioned pairs, and the folders of runs.
 *
 * @module coop/node
 */
export { type Content, checkRunFolder, writeFileAtomic, writeRunFolder } from "./atomic.ts";
export type { Counts, Dataset } from "./datasets/dataset.ts";
export { DATASETS, datasetNamed } from "./datasets/datasets.ts";
export { readList } from "./datasets/list.ts";
export { type OpenedData, openData } from "./datasets/open.ts";
export { type DatasetFolder, readDataset, readSplitFile } from "./datasets/read-dataset.ts";
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
export { type Folder, readFolder } from "./folder.ts";
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
export { type Pretraining, type PretrainProgress, pretrain } from "./pretrain.ts";
export { readPrompt } from "./run-folder.ts";
export { runTraining, type Trained, type TrainRun } from "./train-run.ts";
export { loadTraining, type SavedTraining, type Settings, saveTraining } from "./training-state.ts";
export type { Skipped } from "./walk.ts";
