// What the tiny CLIP is: shared by its training (pretrain.ts) and by what writes it down (model-card.ts).

import type { ClipConfig, PreprocessOptions } from "../src/clip/index.ts";
import { wordLevelTokenizerJson } from "../src/clip/word-tokenizer.ts";
import { PICTURE_SIZE, vocabulary } from "../src/world/index.ts";

export const MODEL_DIR = "models/tiny-clip";
export const CHECKPOINT = "runs/tiny-clip/checkpoint.safetensors";

export const tokenizerJson = wordLevelTokenizerJson(vocabulary());

/** One pad and one unknown token before the words, start and end behind them. */
const vocabularySize = vocabulary().length + 4;

export const config = {
  embedDim: 64,
  activation: "quickGelu",
  layerNormEpsilon: 1e-5,
  vision: { kind: "vit", imageSize: PICTURE_SIZE, patchSize: 8, width: 96, layers: 4, heads: 3 },
  text: { contextLength: 32, vocabularySize, width: 64, layers: 3, heads: 2 },
} satisfies ClipConfig;

/** Pictures are drawn at the model's own size. */
export const pixels: PreprocessOptions = {
  size: PICTURE_SIZE,
  crop: PICTURE_SIZE,
  scale: 1 / 255,
  mean: [0.45, 0.45, 0.45],
  std: [0.27, 0.27, 0.27],
};
