import { foldIn, type Key, normal, ones, type Tensor, tensor, uniform, zeros } from "../tensor/index.ts";
import type { ClipConfig, TransformerConfig } from "./config.ts";
import { type ClipParams, type ParamsOf, parameterTable, type Stored } from "./params.ts";

/** Hands out a fresh key for every parameter. */
type Draw = { normal(s: Stored, std: number): Tensor; uniform(s: Stored, bound: number): Tensor };

/** Random parameters for training from scratch, distributed as in OpenAI's code. */
export function initClip(config: ClipConfig, key: Key): ClipParams {
  let drawn = 0;
  const next = () => foldIn(key, drawn++);
  const draw: Draw = {
    normal: ({ shape }, std) => normal(next(), shape, { std }),
    uniform: ({ shape }, bound) => uniform(next(), shape, { min: -bound, max: bound }),
  };
  const table = parameterTable(config);
  const { vision, text } = table;
  const width = config.vision.width;
  return {
    vision: {
      patchEmbedding: draw.uniform(vision.patchEmbedding, (3 * config.vision.patchSize ** 2) ** -0.5),
      classEmbedding: draw.normal(vision.classEmbedding, width ** -0.5),
      positionalEmbedding: draw.normal(vision.positionalEmbedding, width ** -0.5),
      preNorm: identityNorm(vision.preNorm),
      blocks: vision.blocks.map((b) => visionBlock(b, width, draw)),
      postNorm: identityNorm(vision.postNorm),
      projection: draw.normal(vision.projection, width ** -0.5),
    },
    text: {
      tokenEmbedding: draw.normal(text.tokenEmbedding, 0.02),
      positionalEmbedding: draw.normal(text.positionalEmbedding, 0.01),
      blocks: text.blocks.map((b) => textBlock(b, config.text, draw)),
      finalNorm: identityNorm(text.finalNorm),
      projection: draw.normal(text.projection, config.text.width ** -0.5),
    },
    logitScale: tensor(Math.log(1 / 0.07)),
  };
}

type Block = ParamsOf<Stored>["text"]["blocks"][number];

const identityNorm = (n: { weight: Stored; bias: Stored }) => ({
  weight: ones(n.weight.shape),
  bias: zeros(n.bias.shape),
});

function textBlock(b: Block, { width, layers }: TransformerConfig, draw: Draw) {
  const narrow = width ** -0.5 * (2 * layers) ** -0.5;
  return {
    norm1: identityNorm(b.norm1),
    inProjection: { weight: draw.normal(b.inProjection.weight, width ** -0.5), bias: zeros(b.inProjection.bias.shape) },
    outProjection: { weight: draw.normal(b.outProjection.weight, narrow), bias: zeros(b.outProjection.bias.shape) },
    norm2: identityNorm(b.norm2),
    expand: {
      weight: draw.normal(b.expand.weight, (2 * width) ** -0.5),
      bias: draw.uniform(b.expand.bias, width ** -0.5),
    },
    contract: {
      weight: draw.normal(b.contract.weight, narrow),
      bias: draw.uniform(b.contract.bias, (4 * width) ** -0.5),
    },
  };
}

/** The image tower's blocks keep the library defaults: Xavier for the projections in, uniform in fan-in for the rest. */
function visionBlock(b: Block, width: number, draw: Draw) {
  return {
    norm1: identityNorm(b.norm1),
    inProjection: {
      weight: draw.uniform(b.inProjection.weight, (6 / (4 * width)) ** 0.5),
      bias: zeros(b.inProjection.bias.shape),
    },
    outProjection: {
      weight: draw.uniform(b.outProjection.weight, width ** -0.5),
      bias: zeros(b.outProjection.bias.shape),
    },
    norm2: identityNorm(b.norm2),
    expand: { weight: draw.uniform(b.expand.weight, width ** -0.5), bias: draw.uniform(b.expand.bias, width ** -0.5) },
    contract: {
      weight: draw.uniform(b.contract.weight, (4 * width) ** -0.5),
      bias: draw.uniform(b.contract.bias, (4 * width) ** -0.5),
    },
  };
}
