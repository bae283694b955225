import type { Tensor } from "../tensor/index.ts";
import { type ClipConfig, gridOf, type TransformerConfig } from "./config.ts";

/** Weight [out, in] and bias [out]. */
export interface LinearParams {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

/** Gain and bias of a layer norm, [width] each. */
export type NormParams = LinearParams;

/** One residual block of a tower. */
export interface BlockParams {
  readonly norm1: NormParams;
  /** Query, key and value projections one under the other: [3 width, width]. */
  readonly inProjection: LinearParams;
  readonly outProjection: LinearParams;
  readonly norm2: NormParams;
  /** [4 width, width]. */
  readonly expand: LinearParams;
  /** [width, 4 width]. */
  readonly contract: LinearParams;
}

export interface VisionParams {
  /** [width, 3, patch, patch]. */
  readonly patchEmbedding: Tensor;
  /** [width]. */
  readonly classEmbedding: Tensor;
  /** [1 + grid², width]. */
  readonly positionalEmbedding: Tensor;
  readonly preNorm: NormParams;
  readonly blocks: readonly BlockParams[];
  readonly postNorm: NormParams;
  /** [embedDim, width]. */
  readonly projection: Tensor;
}

export interface TextParams {
  /** [vocabulary, width]. */
  readonly tokenEmbedding: Tensor;
  /** [contextLength, width]. */
  readonly positionalEmbedding: Tensor;
  readonly blocks: readonly BlockParams[];
  readonly finalNorm: NormParams;
  /** [embedDim, width]. */
  readonly projection: Tensor;
}

/** All parameters of a CLIP model. */
export interface ClipParams {
  readonly vision: VisionParams;
  readonly text: TextParams;
  /** Scalar: logarithm of the factor on the cosines. */
  readonly logitScale: Tensor;
}

/** The tree of parameters with anything in place of the tensors. */
export type ParamsOf<Leaf> = { [K in keyof ClipParams]: Replace<ClipParams[K], Leaf> };
type Replace<T, Leaf> = T extends Tensor ? Leaf : { [K in keyof T]: Replace<T[K], Leaf> };

/** Where a parameter stands in a checkpoint of Hugging Face's layout. */
export interface Stored {
  readonly shape: readonly number[];
  /** One name, or three whose rows follow each other. */
  readonly names: readonly string[];
}

const linear = (name: string, out: number, inner: number) => ({
  weight: stored([out, inner], `${name}.weight`),
  bias: stored([out], `${name}.bias`),
});
const norm = (name: string, width: number) => ({
  weight: stored([width], `${name}.weight`),
  bias: stored([width], `${name}.bias`),
});
const stored = (shape: readonly number[], ...names: string[]): Stored => ({ shape, names });

function blocks(prefix: string, { width, layers }: TransformerConfig): Replace<BlockParams, Stored>[] {
  return Array.from({ length: layers }, (_, i) => {
    const at = `${prefix}.encoder.layers.${i}`;
    const projections = (leaf: string) => ["q_proj", "k_proj", "v_proj"].map((p) => `${at}.self_attn.${p}.${leaf}`);
    return {
      norm1: norm(`${at}.layer_norm1`, width),
      inProjection: {
        weight: stored([3 * width, width], ...projections("weight")),
        bias: stored([3 * width], ...projections("bias")),
      },
      outProjection: linear(`${at}.self_attn.out_proj`, width, width),
      norm2: norm(`${at}.layer_norm2`, width),
      expand: linear(`${at}.mlp.fc1`, 4 * width, width),
      contract: linear(`${at}.mlp.fc2`, width, 4 * width),
    };
  });
}

/** Shape and Hugging Face name of every parameter. */
export function parameterTable({ embedDim, vision, text }: ClipConfig): ParamsOf<Stored> {
  return {
    vision: {
      patchEmbedding: stored(
        [vision.width, 3, vision.patchSize, vision.patchSize],
        "vision_model.embeddings.patch_embedding.weight",
      ),
      classEmbedding: stored([vision.width], "vision_model.embeddings.class_embedding"),
      positionalEmbedding: stored(
        [1 + gridOf(vision) ** 2, vision.width],
        "vision_model.embeddings.position_embedding.weight",
      ),
      preNorm: norm("vision_model.pre_layrnorm", vision.width), // misspelt in every checkpoint
      blocks: blocks("vision_model", vision),
      postNorm: norm("vision_model.post_layernorm", vision.width),
      projection: stored([embedDim, vision.width], "visual_projection.weight"),
    },
    text: {
      tokenEmbedding: stored([text.vocabularySize, text.width], "text_model.embeddings.token_embedding.weight"),
      positionalEmbedding: stored([text.contextLength, text.width], "text_model.embeddings.position_embedding.weight"),
      blocks: blocks("text_model", text),
      finalNorm: norm("text_model.final_layer_norm", text.width),
      projection: stored([embedDim, text.width], "text_projection.weight"),
    },
    logitScale: stored([], "logit_scale"),
  };
}
