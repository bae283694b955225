import { foldIn, type Key, normal, ones, type Tensor, tensor, uniform, zeros } from "../tensor/index.ts";
import type { ClipConfig, TransformerConfig, ViTConfig } from "./config.ts";
import { namesFor, parameterTable, type Stored } from "./layouts.ts";
import type {
  BlockParams,
  BottleneckParams,
  ClipParams,
  ConvParams,
  Replace,
  ResNetParams,
  ViTParams,
} from "./params.ts";

/** Hands out a fresh key for every parameter. */
type Draw = { normal(s: Stored, std: number): Tensor; uniform(s: Stored, bound: number): Tensor };

/**
 * Random parameters for training from scratch, distributed as in OpenAI's code.
 * @example const params = initClip(ARCHITECTURES["RN50"], key(1));
 */
export function initClip(config: ClipConfig, key: Key): ClipParams {
  let drawn = 0;
  const next = () => foldIn(key, drawn++);
  const draw: Draw = {
    normal: ({ shape }, std) => normal(next(), shape, { std }),
    uniform: ({ shape }, bound) => uniform(next(), shape, { min: -bound, max: bound }),
  };
  const { vision, text } = parameterTable(config, namesFor(config));
  return {
    vision:
      config.vision.kind === "vit"
        ? initViT(vision as Replace<ViTParams, Stored>, config.vision, draw)
        : initResNet(vision as Replace<ResNetParams, Stored>, draw),
    text: {
      tokenEmbedding: text.tokenEmbedding.map((block) => draw.normal(block, 0.02)),
      positionalEmbedding: draw.normal(text.positionalEmbedding, 0.01),
      blocks: text.blocks.map((b) => textBlock(b, config.text, draw)),
      finalNorm: identityNorm(text.finalNorm),
      projection: draw.normal(text.projection, config.text.width ** -0.5),
    },
    logitScale: tensor(Math.log(1 / 0.07)),
  };
}

function initViT(vision: Replace<ViTParams, Stored>, { width, patchSize }: ViTConfig, draw: Draw): ViTParams {
  return {
    patchEmbedding: draw.uniform(vision.patchEmbedding, (3 * patchSize ** 2) ** -0.5),
    classEmbedding: draw.normal(vision.classEmbedding, width ** -0.5),
    positionalEmbedding: draw.normal(vision.positionalEmbedding, width ** -0.5),
    preNorm: identityNorm(vision.preNorm),
    blocks: vision.blocks.map((b) => visionBlock(b, width, draw)),
    postNorm: identityNorm(vision.postNorm),
    projection: draw.normal(vision.projection, width ** -0.5),
  };
}

/** Convolutions are uniform in fan-in; the last norm of each block begins at zero, so that a block begins as its shortcut. */
function initResNet({ stem, stages, pool }: Replace<ResNetParams, Stored>, draw: Draw): ResNetParams {
  const conv = (c: Replace<ConvParams, Stored>, gain = ones): ConvParams => {
    const [channels, ...fanIn] = c.weight.shape;
    const weight = draw.uniform(c.weight, fanIn.reduce((a, b) => a * b, 1) ** -0.5);
    const of = (fill: (shape: readonly number[]) => Tensor) => fill([channels]);
    return { weight, norm: { weight: of(gain), bias: of(zeros), mean: of(zeros), variance: of(ones) } };
  };
  const block = ({ reduce, spatial, expand, shortcut }: Replace<BottleneckParams, Stored>): BottleneckParams => ({
    reduce: conv(reduce),
    spatial: conv(spatial),
    expand: conv(expand, zeros),
    ...(shortcut ? { shortcut: conv(shortcut) } : {}),
  });
  const std = pool.positionalEmbedding.shape[1] ** -0.5;
  const projection = (l: { weight: Stored; bias: Stored }) => ({
    weight: draw.normal(l.weight, std),
    bias: draw.uniform(l.bias, std),
  });
  return {
    stem: stem.map((c) => conv(c)),
    stages: stages.map((blocks) => blocks.map(block)),
    pool: {
      positionalEmbedding: draw.normal(pool.positionalEmbedding, std),
      inProjection: projection(pool.inProjection),
      outProjection: projection(pool.outProjection),
    },
  };
}

type Block = Replace<BlockParams, Stored>;

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
