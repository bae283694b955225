/**
/**
 * CoOp with a file system: folders, datasets and lists of pictures, the folders of runs with their reports, and the
 * checkpoints of the reference implementation.
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
export {
  type HostLinear,
  type HostTensor,
  type ReferencePrompt,
  readReferencePrompt,
  referenceCheckpoint,
} from "./reference-prompt.ts";
export { type Report, reportHtml } from "./report.ts";
export { type CardOptions, runCard } from "./run-card.ts";
export { readPrompt } from "./run-folder.ts";
export { runTraining, type Trained, type TrainRun } from "./train-run.ts";
export { loadTraining, type SavedTraining, type Settings, saveTraining } from "./training-state.ts";
export type { Skipped } from "./walk.ts";
