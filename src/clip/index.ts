/**
 * CLIP: loading and saving models; pictures, texts and their features; zero-shot classification.
 *
 * @module coop/clip
 */
export { COOP_VIEWS, randomView, type View, type ViewOptions } from "./augment.ts";
export {
  applyLinear,
  applyNorm,
  type Known,
  keysAndValues,
  type LayerOptions,
  type Projected,
  project,
} from "./block.ts";
export type { ByteSource } from "./bytes.ts";
export type { Checkpoint, StoredArray } from "./checkpoint.ts";
export { type Clip, type ClipParts, imageFeatures, makeClip, textBatch, textFeatures } from "./clip.ts";
export {
  type ClipConfig,
  configJson,
  type ResNetConfig,
  readConfig,
  type TextConfig,
  type TransformerConfig,
  type VisionConfig,
  type ViTConfig,
} from "./config.ts";
export { similarityLogits } from "./contrastive.ts";
export { type Crop, cropBatch } from "./crop-batch.ts";
export { type LoadOptions, loadClip } from "./load.ts";
export type {
  AttentionPoolParams,
  BatchNormParams,
  BlockParams,
  BottleneckParams,
  ClipParams,
  ConvParams,
  LinearParams,
  NormParams,
  ResNetParams,
  TextParams,
  VisionParams,
  ViTParams,
} from "./params.ts";
export {
  decodePicture,
  type Picture,
  type PictureDecoder,
  type PictureLimits,
  readPicture,
  readPictureFile,
  setPictureDecoder,
} from "./picture.ts";
export type { PictureHeader } from "./picture-header.ts";
export {
  clipPreprocess,
  type PreprocessOptions,
  preprocess,
  preprocessAt,
  preprocessJson,
  readPreprocess,
  resizeBox,
} from "./preprocess.ts";
export type { Box } from "./resize.ts";
export { type PackedSequences, type PackOptions, packSequences, type Rows, type SequenceRows } from "./rows.ts";
export {
  openSafetensors,
  type Safetensors,
  type StoredTensor,
  safetensorsPieces,
  type TensorToLoad,
  type TensorToStore,
  writeSafetensors,
} from "./safetensors.ts";
export type { Metadata } from "./safetensors-write.ts";
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
export type { PlainValue } from "./torch-names.ts";
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
