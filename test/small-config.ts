import { configJson } from "../src/clip/index.ts";

/** The text of a config.json for a CLIP that learns in milliseconds. */
export const SMALL_CONFIG = JSON.stringify(
  configJson({
    embedDim: 16,
    activation: "quickGelu",
    layerNormEpsilon: 1e-5,
    vision: { kind: "vit", imageSize: 16, patchSize: 8, width: 32, layers: 1, heads: 2 },
    text: { contextLength: 16, vocabularySize: 8, width: 32, layers: 1, heads: 2 },
  }),
);
