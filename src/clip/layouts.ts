import { type ClipConfig, gridOf, type ResNetConfig, type TransformerConfig, type ViTConfig } from "./config.ts";
import type { BlockParams, ConvParams, ParamsOf, Replace, ResNetParams, ViTParams } from "./params.ts";

/** Where a parameter stands in a checkpoint. */
export interface Stored {
  readonly shape: readonly number[];
  /** One name, or three whose rows follow each other. */
  readonly names: readonly string[];
  /** Read by matrix products, convolutions and lookups alone, which take half precision too. */
  readonly inHalf?: boolean;
  /** The first of its rows among the stored ones, where it is a block of them. */
  readonly firstRow?: number;
  /** Rows of the stored tensor, where this is a block of them. */
  readonly storedRows?: number;
  /** Stored with its two axes exchanged. */
  readonly transposed?: boolean;
  /** The batch norm behind a convolution, by the beginning of its names: to be folded into this weight or bias. */
  readonly folds?: string;
}

/** How one family of checkpoints calls what all of them hold. */
interface Names {
  readonly tokenEmbedding: string;
  readonly textPosition: string;
  readonly textBlocks: string;
  readonly finalNorm: string;
  readonly textProjection: Projection;
  readonly classEmbedding: string;
  readonly patchEmbedding: string;
  readonly imagePosition: string;
  readonly preNorm: string;
  readonly imageBlocks: string;
  readonly postNorm: string;
  readonly imageProjection: Projection;
  readonly norm1: string;
  /** Weight or bias of the query, key and value projections. */
  readonly inProjection: (leaf: "weight" | "bias") => string[];
  readonly outProjection: string;
  readonly norm2: string;
  readonly expand: string;
  readonly contract: string;
}

interface Projection {
  readonly name: string;
  /** [D, E] instead of [E, D]. */
  readonly transposed?: boolean;
}

const HUGGING_FACE: Names = {
  tokenEmbedding: "text_model.embeddings.token_embedding.weight",
  textPosition: "text_model.embeddings.position_embedding.weight",
  textBlocks: "text_model.encoder.layers",
  finalNorm: "text_model.final_layer_norm",
  textProjection: { name: "text_projection.weight" },
  classEmbedding: "vision_model.embeddings.class_embedding",
  patchEmbedding: "vision_model.embeddings.patch_embedding.weight",
  imagePosition: "vision_model.embeddings.position_embedding.weight",
  preNorm: "vision_model.pre_layrnorm", // misspelt in every checkpoint
  imageBlocks: "vision_model.encoder.layers",
  postNorm: "vision_model.post_layernorm",
  imageProjection: { name: "visual_projection.weight" },
  norm1: "layer_norm1",
  inProjection: (leaf) => ["q", "k", "v"].map((part) => `self_attn.${part}_proj.${leaf}`),
  outProjection: "self_attn.out_proj",
  norm2: "layer_norm2",
  expand: "mlp.fc1",
  contract: "mlp.fc2",
};

/** OpenAI's names; open_clip's are the same, but for its text tower in a module of its own and linear projections. */
const openaiNames = (text: string, textProjection: Projection): Names => ({
  tokenEmbedding: `${text}token_embedding.weight`,
  textPosition: `${text}positional_embedding`,
  textBlocks: `${text}transformer.resblocks`,
  finalNorm: `${text}ln_final`,
  textProjection,
  classEmbedding: "visual.class_embedding",
  patchEmbedding: "visual.conv1.weight",
  imagePosition: "visual.positional_embedding",
  preNorm: "visual.ln_pre",
  imageBlocks: "visual.transformer.resblocks",
  postNorm: "visual.ln_post",
  imageProjection: { name: "visual.proj", transposed: true },
  norm1: "ln_1",
  inProjection: (leaf) => [`attn.in_proj_${leaf}`],
  outProjection: "attn.out_proj",
  norm2: "ln_2",
  expand: "mlp.c_fc",
  contract: "mlp.c_proj",
});

type Tensors = { has(name: string): boolean };

/** Whether tensors bear Hugging Face's names. */
export const isHuggingFace = (tensors: Tensors): boolean => tensors.has(HUGGING_FACE.tokenEmbedding);

/** The names that a checkpoint uses, by those it has. */
export function namesIn(tensors: Tensors): Names {
  if (isHuggingFace(tensors)) return HUGGING_FACE;
  const text = tensors.has("text.token_embedding.weight") ? "text." : "";
  const linear = `${text}text_projection.weight`;
  return openaiNames(
    text,
    tensors.has(linear) ? { name: linear } : { name: `${text}text_projection`, transposed: true },
  );
}

/** The names to save a model under: Hugging Face's, or OpenAI's for a ResNet. */
export const namesFor = ({ vision }: ClipConfig): Names =>
  vision.kind === "vit" ? HUGGING_FACE : openaiNames("", { name: "text_projection", transposed: true });

const stored = (shape: readonly number[], ...names: string[]): Stored => ({ shape, names });
const matrix = (shape: readonly number[], ...names: string[]): Stored => ({ ...stored(shape, ...names), inHalf: true });
const linear = (name: string, out: number, inner: number) => ({
  weight: matrix([out, inner], `${name}.weight`),
  bias: stored([out], `${name}.bias`),
});
const norm = (name: string, width: number) => ({
  weight: stored([width], `${name}.weight`),
  bias: stored([width], `${name}.bias`),
});
const projection = ({ name, transposed }: Projection, out: number, inner: number): Stored => ({
  ...matrix([out, inner], name),
  transposed,
});

export interface TableOptions {
  /** Fold batch norms into the convolutions before them. */
  readonly fold?: boolean;
  /** Blocks of rows to keep the token embedding in, 1 where not given. */
  readonly blocks?: number;
}

/**
 * Shape and place of every parameter.
 *
 * @param names those of the checkpoint: `namesIn` or `namesFor`
 */
export function parameterTable(
  config: ClipConfig,
  names: Names,
  { fold = false, blocks: parts = 1 }: TableOptions = {},
): ParamsOf<Stored> {
  const { embedDim, vision, text } = config;
  return {
    vision: vision.kind === "vit" ? vit(vision, embedDim, names) : resnet(vision, embedDim, fold),
    text: {
      tokenEmbedding: inBlocks(matrix([text.vocabularySize, text.width], names.tokenEmbedding), parts),
      positionalEmbedding: stored([text.contextLength, text.width], names.textPosition),
      blocks: blocks(names.textBlocks, text, names),
      finalNorm: norm(names.finalNorm, text.width),
      projection: projection(names.textProjection, embedDim, text.width),
    },
    logitScale: stored([], "logit_scale"),
  };
}

function inBlocks(stored: Stored, parts: number): Stored[] {
  const [rows, width] = stored.shape;
  const each = Math.ceil(rows / parts);
  return Array.from({ length: parts }, (_, i) => {
    const shape = [Math.min(each, rows - i * each), width];
    return { ...stored, shape, firstRow: i * each, storedRows: rows };
  });
}

function blocks(prefix: string, { width, layers }: TransformerConfig, names: Names): Replace<BlockParams, Stored>[] {
  return Array.from({ length: layers }, (_, i) => {
    const at = `${prefix}.${i}.`;
    const projections = (leaf: "weight" | "bias") => names.inProjection(leaf).map((name) => at + name);
    return {
      norm1: norm(at + names.norm1, width),
      inProjection: {
        weight: matrix([3 * width, width], ...projections("weight")),
        bias: stored([3 * width], ...projections("bias")),
      },
      outProjection: linear(at + names.outProjection, width, width),
      norm2: norm(at + names.norm2, width),
      expand: linear(at + names.expand, 4 * width, width),
      contract: linear(at + names.contract, width, 4 * width),
    };
  });
}

function vit(vision: ViTConfig, embedDim: number, names: Names): Replace<ViTParams, Stored> {
  const { width, patchSize } = vision;
  return {
    patchEmbedding: matrix([width, 3, patchSize, patchSize], names.patchEmbedding),
    classEmbedding: stored([width], names.classEmbedding),
    positionalEmbedding: stored([1 + gridOf(vision) ** 2, width], names.imagePosition),
    preNorm: norm(names.preNorm, width),
    blocks: blocks(names.imageBlocks, vision, names),
    postNorm: norm(names.postNorm, width),
    projection: projection(names.imageProjection, embedDim, width),
  };
}

/** OpenAI's names of a ResNet, which open_clip shares; Hugging Face's CLIP has none. */
function resnet(vision: ResNetConfig, embedDim: number, fold: boolean): Replace<ResNetParams, Stored> {
  const conv = (at: string, bn: string, out: number, inner: number, size: number): Replace<ConvParams, Stored> => {
    const weight = matrix([out, inner, size, size], `${at}.weight`);
    if (fold) return { weight: { ...weight, folds: bn }, bias: { shape: [out], names: [], folds: bn } };
    const statistics = { mean: stored([out], `${bn}.running_mean`), variance: stored([out], `${bn}.running_var`) };
    return { weight, norm: { ...norm(bn, out), ...statistics } };
  };
  const stem = (i: number, out: number, inner: number) => conv(`visual.conv${i}`, `visual.bn${i}`, out, inner, 3);
  const { width, depths } = vision;
  const last = 32 * width;
  const stages = depths.map((depth, s) => {
    const planes = width * 2 ** s;
    return Array.from({ length: depth }, (_, i) => {
      const at = `visual.layer${s + 1}.${i}`;
      const inner = i > 0 ? 4 * planes : s > 0 ? 2 * planes : width;
      return {
        reduce: conv(`${at}.conv1`, `${at}.bn1`, planes, inner, 1),
        spatial: conv(`${at}.conv2`, `${at}.bn2`, planes, planes, 3),
        expand: conv(`${at}.conv3`, `${at}.bn3`, 4 * planes, planes, 1),
        ...(i === 0 ? { shortcut: conv(`${at}.downsample.0`, `${at}.downsample.1`, 4 * planes, inner, 1) } : {}),
      };
    });
  });
  const parts = (leaf: string) => ["q", "k", "v"].map((part) => `visual.attnpool.${part}_proj.${leaf}`);
  return {
    stem: [stem(1, width / 2, 3), stem(2, width / 2, width / 2), stem(3, width, width / 2)],
    stages,
    pool: {
      positionalEmbedding: stored([1 + gridOf(vision) ** 2, last], "visual.attnpool.positional_embedding"),
      inProjection: {
        weight: matrix([3 * last, last], ...parts("weight")),
        bias: stored([3 * last], ...parts("bias")),
      },
      outProjection: linear("visual.attnpool.c_proj", embedDim, last),
    },
  };
}
