export { COOP_VIEWS, randomView, type View, type ViewOptions } from "./augment.ts";
export {
  applyLinear,
  applyNorm,
  type Known,
  keysAndValues,
  type Projected,
  project,
} from "./block.ts";
export { type Clip, type ClipParts, imageFeatures, makeClip, textBatch, textFeatures } from "./clip.ts";
export {
  type ClipConfig,
  configJson,
  readConfig,
  type TextConfig,
  type TransformerConfig,
  type VisionConfig,
} from "./config.ts";
export { similarityLogits } from "./contrastive.ts";
export { type Crop, cropBatch } from "./crop-batch.ts";
export { type LoadOptions, loadClip } from "./load.ts";
export type { BlockParams, ClipParams, LinearParams, NormParams, TextParams, VisionParams } from "./params.ts";
export {
  decodePicture,
  type Picture,
  type PictureDecoder,
  type PictureLimits,
  readPicture,
  readPictureFile,
  setPictureDecoder,
} from "./picture.ts";
export {
  clipPreprocess,
  type PreprocessOptions,
  preprocess,
  preprocessAt,
  preprocessJson,
  readPreprocess,
  resizeBox,
} from "./preprocess.ts";
export { type PackedSequences, type PackOptions, packSequences, type SequenceRows } from "./rows.ts";
export {
  openSafetensors,
  type Safetensors,
  type StoredTensor,
  safetensorsPieces,
  type TensorToLoad,
  type TensorToStore,
  writeSafetensors,
} from "./safetensors.ts";
export {
  type FetchOptions,
  folderFiles,
  type Layout,
  type Loading,
  type ModelFiles,
  modelFiles,
  type OpenFile,
  urlFiles,
} from "./source.ts";
export { DEFAULT_TEMPLATE, ENSEMBLE_TEMPLATES, fillTemplate, TEMPLATE_DATASETS, templatesFor } from "./templates.ts";
export {
  loadTokenizer,
  type Tokenizer,
  type TokenizerLibrary,
  type TokenizerOptions,
  type TokenRows,
} from "./tokenizer.ts";
export { isTorchFile, openTorchFile } from "./torch.ts";
export type { TorchCheckpoint, TorchOptions } from "./torch-file.ts";
export {
  embedTokens,
  encodeEmbeddings,
  encodeImage,
  encodeText,
  type TextBatch,
  type TowerOptions,
  textLayers,
  trainImage,
} from "./towers.ts";
export { storeWeights } from "./weights.ts";
export { classFeatures, classify, ensembleFeatures, templateFeatures } from "./zero-shot.ts";
