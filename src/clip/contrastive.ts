import {
  add,
  arange,
  crossEntropy,
  exp,
  l2Normalize,
  matmul,
  maximum,
  minimum,
  mul,
  type Tensor,
  transpose,
} from "../tensor/index.ts";
import type { ClipConfig } from "./config.ts";
import type { ClipParams } from "./params.ts";
import type { RunningStatistics } from "./resnet.ts";
import { encodeImage, encodeText, type TextBatch, type TowerOptions, trainImage } from "./towers.ts";

/**
 * Largest logit scale while training: a factor of 100 (Radford et al., arXiv 2103.00020 §2.5).
 * @example Math.exp(MAX_LOGIT_SCALE) // 100
 */
export const MAX_LOGIT_SCALE = Math.log(100);

/**
 * Cosine similarities times exp(logitScale) (Radford et al., arXiv 2103.00020, figure 3).
 *
 * @param images features [N, E]
 * @param texts features [K, E]
 * @returns [N, K]
 * @example const logits = similarityLogits(images, texts, clip.params.logitScale); // [N, K]
 */
export const similarityLogits = (images: Tensor, texts: Tensor, logitScale: Tensor): Tensor =>
  mul(matmul(l2Normalize(images), l2Normalize(texts), { transposeB: true }), exp(logitScale));

/**
 * The symmetric contrastive loss of N pairs (Radford et al., figure 3): each image should find its text among all, and the reverse.
 *
 * @param images features [N, E]
 * @param texts features [N, E]
 * @returns a scalar
 * @example const loss = contrastiveLoss(images, texts, params.logitScale);
 */
export function contrastiveLoss(images: Tensor, texts: Tensor, logitScale: Tensor): Tensor {
  const logits = similarityLogits(images, texts, logitScale);
  const labels = arange(logits.shape[0]);
  return mul(add(crossEntropy(logits, labels), crossEntropy(transpose(logits), labels)), 0.5);
}

/** A batch of pairs: images [N, 3, R, R], normalised, and N texts. */
export interface PairBatch extends TextBatch {
  readonly images: Tensor;
}

/** Features of N pairs: [N, E] each, not normalised. */
export interface PairFeatures {
  readonly images: Tensor;
  readonly texts: Tensor;
}

/**
 * Both towers on a batch.
 * @example const { images, texts } = pairFeatures(params, config, batch);
 */
export const pairFeatures = (
  params: Pick<ClipParams, "vision" | "text">,
  config: ClipConfig,
  batch: PairBatch,
  options: TowerOptions = {},
): PairFeatures => ({
  images: encodeImage(params.vision, config, batch.images, options),
  texts: encodeText(params.text, config, batch, options),
});

/** Both towers on a batch while they are trained, and the image tower's running statistics moved on. */
export function trainPairFeatures(
  params: Pick<ClipParams, "vision" | "text">,
  config: ClipConfig,
  batch: PairBatch,
  options: TowerOptions = {},
): [PairFeatures, RunningStatistics] {
  const [images, statistics] = trainImage(params.vision, config, batch.images, options);
  return [{ images, texts: encodeText(params.text, config, batch, options) }, statistics];
}

/** The loss of pre-training as a pure function of the parameters, and the image tower's running statistics moved on. */
export function pretrainLossWith(
  params: ClipParams,
  config: ClipConfig,
  batch: PairBatch,
  options?: TowerOptions,
): [Tensor, RunningStatistics] {
  const [{ images, texts }, statistics] = trainPairFeatures(params, config, batch, options);
  return [contrastiveLoss(images, texts, params.logitScale), statistics];
}

/**
 * The loss of pre-training as a pure function of the parameters.
 * @example const [loss, grads] = valueAndGrad((p: ClipParams) => pretrainLoss(p, config, batch))(params);
 */
export const pretrainLoss = (
  params: ClipParams,
  config: ClipConfig,
  batch: PairBatch,
  options?: TowerOptions,
): Tensor => pretrainLossWith(params, config, batch, options)[0];

/**
 * The parameters with the logit scale in [0, ln 100], as after every optimizer step of pre-training.
 * @example params = clampLogitScale(updated);
 */
export const clampLogitScale = (params: ClipParams): ClipParams => ({
  ...params,
  logitScale: minimum(maximum(params.logitScale, 0), MAX_LOGIT_SCALE),
});
