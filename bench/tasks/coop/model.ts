import type { BlockParams, ClipConfig, TextParams, VisionConfig } from "../../../src/clip/index.ts";
import { ones, realize, type Tensor, tensor, zeros } from "../../../src/index.ts";
import {
  type BlockSpecs,
  CONTEXT_LENGTH,
  LOGIT_SCALE,
  type Spec,
  type Tower,
  textSpecs,
  VOCABULARY,
  valuesOf,
} from "../../data.ts";

export const draw = (spec: Spec): Tensor => tensor(valuesOf(spec), spec.shape);
export const logitScale = (): Tensor => tensor(Math.log(LOGIT_SCALE));

export const norm = (width: number) => ({ weight: ones([width]), bias: zeros([width]) });

export function blockParams(specs: BlockSpecs, width: number): BlockParams {
  const linear = ({ weight, bias }: BlockSpecs["expand"]) => ({ weight: draw(weight), bias: draw(bias) });
  return {
    norm1: norm(width),
    inProjection: linear(specs.inProjection),
    outProjection: linear(specs.outProjection),
    norm2: norm(width),
    expand: linear(specs.expand),
    contract: linear(specs.contract),
  };
}

export function textParams(tower: Tower, withTokens = false): TextParams {
  const specs = textSpecs(tower);
  return realize({
    tokenEmbedding: [withTokens ? draw(specs.tokens) : zeros([1, tower.width])],
    positionalEmbedding: draw(specs.positions),
    blocks: specs.blocks.map((block) => blockParams(block, tower.width)),
    finalNorm: norm(tower.width),
    projection: draw(specs.projection),
  });
}

/** A CLIP with this text tower; the image tower is ViT-B/32's unless another is given. */
export const configOf = (
  text: Tower,
  vision: VisionConfig = { kind: "vit", width: 768, layers: 12, heads: 12, imageSize: 224, patchSize: 32 },
): ClipConfig => ({
  embedDim: 512,
  activation: "quickGelu",
  layerNormEpsilon: 1e-5,
  vision,
  text: { ...text, contextLength: CONTEXT_LENGTH, vocabularySize: VOCABULARY },
});
