import type { Tensor } from "../tensor/index.ts";

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

/** Parameters of a vision transformer. */
export interface ViTParams {
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

/** Gain and bias of a batch norm, and the running statistics of its channels, [C] each. */
export interface BatchNormParams extends LinearParams {
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/**
 * A convolution [O, C, k, k] and what is behind it: a batch norm, or a bias [O] where the norm is folded into both
 * (for inference).
 */
export type ConvParams =
  | { readonly weight: Tensor; readonly norm: BatchNormParams }
  | { readonly weight: Tensor; readonly bias: Tensor };

/** One block of a ResNet: 1×1, 3×3 and 1×1 beside a shortcut, which is a 1×1 convolution where shapes change. */
export interface BottleneckParams {
  readonly reduce: ConvParams;
  readonly spatial: ConvParams;
  readonly expand: ConvParams;
  readonly shortcut?: ConvParams;
}

/** Parameters of CLIP's modified ResNet. */
export interface ResNetParams {
  /** Three convolutions. */
  readonly stem: readonly ConvParams[];
  /** Four stages. */
  readonly stages: readonly (readonly BottleneckParams[])[];
  readonly pool: AttentionPoolParams;
}

/** Attention of the mean over all places of a feature map of C channels. */
export interface AttentionPoolParams {
  /** [1 + grid², C]. */
  readonly positionalEmbedding: Tensor;
  /** Query, key and value projections one under the other: [3C, C]. */
  readonly inProjection: LinearParams;
  /** [embedDim, C]. */
  readonly outProjection: LinearParams;
}

/** Parameters of the image tower, of either kind. */
export type VisionParams = ViTParams | ResNetParams;

/** Parameters of the text tower. */
export interface TextParams {
  /** [vocabulary, width] as blocks of rows: one, where the device can bind all of it. */
  readonly tokenEmbedding: readonly Tensor[];
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
export type Replace<T, Leaf> = T extends Tensor ? Leaf : { [K in keyof T]: Replace<T[K], Leaf> };
