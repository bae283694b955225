import type { ClipConfig, VisionConfig } from "./config.ts";

const clip = (embedDim: number, vision: VisionConfig, textWidth: number): ClipConfig => ({
  embedDim,
  activation: "quickGelu",
  layerNormEpsilon: 1e-5,
  vision,
  text: { width: textWidth, layers: 12, heads: textWidth / 64, contextLength: 77, vocabularySize: 49408 },
});

const resnet = (width: number, depths: readonly number[], imageSize: number): VisionConfig => ({
  kind: "resnet",
  imageSize,
  width,
  depths,
  heads: width / 2,
});

const vit = (width: number, layers: number, patchSize: number, imageSize = 224): VisionConfig => ({
  kind: "vit",
  imageSize,
  patchSize,
  width,
  layers,
  heads: width / 64,
});

/**
 * The sizes of OpenAI's models by their names (Radford et al., arXiv 2103.00020, tables 19 and 20).
 * @example initClip(ARCHITECTURES["ViT-B/32"], key(0)); // random weights of that size
 */
export const ARCHITECTURES = {
  RN50: clip(1024, resnet(64, [3, 4, 6, 3], 224), 512),
  RN101: clip(512, resnet(64, [3, 4, 23, 3], 224), 512),
  RN50x4: clip(640, resnet(80, [4, 6, 10, 6], 288), 640),
  RN50x16: clip(768, resnet(96, [6, 8, 18, 8], 384), 768),
  RN50x64: clip(1024, resnet(128, [3, 15, 36, 10], 448), 1024),
  "ViT-B/32": clip(512, vit(768, 12, 32), 512),
  "ViT-B/16": clip(512, vit(768, 12, 16), 512),
  "ViT-L/14": clip(768, vit(1024, 24, 14), 768),
  "ViT-L/14@336px": clip(768, vit(1024, 24, 14, 336), 768),
} as const satisfies Readonly<Record<string, ClipConfig>>;
