import {
  add,
  attend,
  avgPool2d,
  concat,
  conv2d,
  densePattern,
  linear,
  mean,
  mul,
  relu,
  reshape,
  rsqrt,
  slice,
  square,
  sub,
  type Tensor,
  transpose,
} from "../tensor/index.ts";
import type { ResNetConfig } from "./config.ts";
import type {
  AttentionPoolParams,
  BatchNormParams,
  BottleneckParams,
  ConvParams,
  ResNetParams,
  VisionParams,
} from "./params.ts";

/** PyTorch's defaults, which all released models were trained with. */
export const BATCH_NORM_EPSILON = 1e-5;
const MOMENTUM = 0.1;

/** How the channels of a feature map [B, C, H, W] are normalised. */
type Normalise = (p: BatchNormParams, x: Tensor) => Tensor;

/**
 * CLIP's modified ResNet: a stem of three convolutions, bottleneck blocks that shrink by average pools alone, and
 * attention in place of the last pool (Radford et al., arXiv 2103.00020, §2.4).
 *
 * @param images [B, 3, R, R], normalised
 * @returns features [B, E], not normalised
 */
export const encodeResNet = (p: ResNetParams, config: ResNetConfig, images: Tensor): Tensor =>
  forward(p, config, images, ({ mean: average, variance, weight, bias }, x) => {
    const scale = mul(weight, rsqrt(add(variance, BATCH_NORM_EPSILON)));
    return add(mul(x, perChannel(scale)), perChannel(sub(bias, mul(average, scale))));
  });

/** Running mean and variance of all batch norms of an image tower, in the order of its parameters; none for a ViT. */
export type RunningStatistics = readonly Pick<BatchNormParams, "mean" | "variance">[];

/**
 * The same while training: batch norms use the statistics of the batch itself.
 *
 * @returns features [B, E] and the running statistics moved on, as PyTorch moves them: by a tenth, the variance that of a
 *   sample (B·H·W − 1 in the denominator)
 */
export function trainResNet(p: ResNetParams, config: ResNetConfig, images: Tensor): [Tensor, RunningStatistics] {
  const moved = new Map<BatchNormParams, RunningStatistics[number]>();
  const features = forward(p, config, images, (norm, x) => {
    const average = mean(x, [0, 2, 3]);
    const centred = sub(x, perChannel(average));
    const variance = mean(square(centred), [0, 2, 3]);
    const count = x.shape[0] * x.shape[2] * x.shape[3];
    const towards = (old: Tensor, now: Tensor) => add(mul(old, 1 - MOMENTUM), mul(now, MOMENTUM));
    moved.set(norm, {
      mean: towards(norm.mean, average),
      variance: towards(norm.variance, mul(variance, count / Math.max(1, count - 1))),
    });
    const scale = mul(norm.weight, rsqrt(add(variance, BATCH_NORM_EPSILON)));
    return add(mul(centred, perChannel(scale)), perChannel(norm.bias));
  });
  return [features, normsOf(p).map((norm) => moved.get(norm)!)];
}

/** The running statistics among an image tower's parameters. */
export const runningStatistics = (p: VisionParams): RunningStatistics =>
  "stem" in p ? normsOf(p).map(({ mean, variance }) => ({ mean, variance })) : [];

/** The parameters with other running statistics. */
export function withStatistics(p: VisionParams, statistics: RunningStatistics): VisionParams {
  let next = 0;
  return "stem" in p
    ? mapConvolutions(p, (conv) => ("norm" in conv ? { ...conv, norm: { ...conv.norm, ...statistics[next++] } } : conv))
    : p;
}

function normsOf(p: ResNetParams): BatchNormParams[] {
  const norms: BatchNormParams[] = [];
  mapConvolutions(p, (conv) => {
    if ("norm" in conv) norms.push(conv.norm);
    return conv;
  });
  return norms;
}

function mapConvolutions(p: ResNetParams, f: (conv: ConvParams) => ConvParams): ResNetParams {
  const block = ({ reduce, spatial, expand, shortcut }: BottleneckParams): BottleneckParams => ({
    reduce: f(reduce),
    spatial: f(spatial),
    expand: f(expand),
    ...(shortcut ? { shortcut: f(shortcut) } : {}),
  });
  return { ...p, stem: p.stem.map(f), stages: p.stages.map((blocks) => blocks.map(block)) };
}

function forward(p: ResNetParams, config: ResNetConfig, images: Tensor, normalise: Normalise): Tensor {
  const conv = (c: ConvParams, x: Tensor, options: { stride?: number; padding?: number } = {}): Tensor => {
    const y = conv2d(x, c.weight, options);
    return "norm" in c ? normalise(c.norm, y) : add(y, perChannel(c.bias));
  };
  const bottleneck = (b: BottleneckParams, x: Tensor, stride: number): Tensor => {
    const inner = relu(conv(b.spatial, relu(conv(b.reduce, x)), { padding: 1 }));
    const beside = b.shortcut ? conv(b.shortcut, shrink(x, stride)) : x;
    return relu(add(conv(b.expand, shrink(inner, stride)), beside));
  };
  const [first, second, third] = p.stem;
  let x = relu(conv(first, images, { stride: 2, padding: 1 })); // [B, W/2, R/2, R/2]
  x = relu(conv(second, x, { padding: 1 }));
  x = shrink(relu(conv(third, x, { padding: 1 })), 2); // [B, W, R/4, R/4]
  p.stages.forEach((blocks, s) => {
    blocks.forEach((block, i) => {
      x = bottleneck(block, x, s > 0 && i === 0 ? 2 : 1);
    });
  }); // [B, 32W, R/32, R/32]
  return attentionPool(p.pool, x, config.heads);
}

const perChannel = (v: Tensor): Tensor => reshape(v, [v.shape[0], 1, 1]);

const shrink = (x: Tensor, by: number): Tensor => (by === 1 ? x : avgPool2d(x, by));

/**
 * The mean over all places asks all places and itself, with positions added.
 *
 * @param x [B, C, H, W]
 * @returns [B, E]
 */
function attentionPool(p: AttentionPoolParams, x: Tensor, heads: number): Tensor {
  const [batch, channels, height, width] = x.shape;
  const depth = channels / heads;
  const places = transpose(reshape(x, [batch, channels, height * width]), [0, 2, 1]); // [B, HW, C]
  const length = 1 + height * width;
  const rows = add(concat([mean(places, 1, { keepDims: true }), places], 1), p.positionalEmbedding); // [B, 1 + HW, C]
  const part = (from: number, to: number, input: Tensor) =>
    linear(
      input,
      slice(p.inProjection.weight, [from * channels], [to * channels]),
      slice(p.inProjection.bias, [from * channels], [to * channels]),
    );
  const query = part(0, 1, reshape(slice(rows, [0, 0], [batch, 1]), [batch, channels]));
  const keysValues = reshape(part(1, 3, reshape(rows, [batch * length, channels])), [batch * length, 2 * heads, depth]);
  const mixed = attend(
    reshape(query, [batch, heads, depth]),
    slice(keysValues, [0, 0], [undefined, heads]),
    slice(keysValues, [0, heads]),
    densePattern(batch, 1, length),
  ); // [B, H, d]
  return linear(reshape(mixed, [batch, channels]), p.outProjection.weight, p.outProjection.bias);
}
