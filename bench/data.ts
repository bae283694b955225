/**
 * Numbers that depend on their place alone, so that every library, and PyTorch, gets the same ones.
 * torch-coop.py has the same function.
 *
 * @param stream which tensor
 * @param from place of the first number in the tensor
 */
export function random(stream: number, count: number, std: number, from = 0): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count);
  const spread = std * Math.sqrt(12); // of a uniform distribution
  const salt = Math.imul(stream + 1, 0x9e3779b1);
  for (let i = 0; i < count; i++) {
    let h = (i + from + salt) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
    h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
    h = (h ^ (h >>> 16)) >>> 0;
    values[i] = (h / 2 ** 32 - 0.5) * spread;
  }
  return values;
}

/** A tensor by its place among the random ones. */
export interface Spec {
  readonly stream: number;
  readonly shape: readonly number[];
  readonly std: number;
}

export const valuesOf = ({ stream, shape, std }: Spec): Float32Array<ArrayBuffer> =>
  random(
    stream,
    shape.reduce((a, b) => a * b, 1),
    std,
  );

/** Sizes of a transformer tower. */
export interface Tower {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
}

/** Weights of one residual block: [out, in] each; norms are 1 and 0. */
export function blockSpecs(index: number, { width, layers }: Tower) {
  const at = 100 + 10 * index;
  const narrow = width ** -0.5 * (2 * layers) ** -0.5;
  const linear = (k: number, out: number, inner: number, std: number) => ({
    weight: { stream: at + 2 * k, shape: [out, inner], std },
    bias: { stream: at + 2 * k + 1, shape: [out], std: 0.02 },
  });
  return {
    inProjection: linear(0, 3 * width, width, width ** -0.5),
    outProjection: linear(1, width, width, narrow),
    expand: linear(2, 4 * width, width, (2 * width) ** -0.5),
    contract: linear(3, width, 4 * width, narrow),
  };
}

export type BlockSpecs = ReturnType<typeof blockSpecs>;

export const VOCABULARY = 49408;
export const CONTEXT_LENGTH = 77;

/** Tensors of the text tower and of the CoOp task on it, ViT-B/32's where the width is 512. */
export function textSpecs(tower: Tower) {
  const { width, layers } = tower;
  return {
    tokens: { stream: 0, shape: [VOCABULARY, width], std: 0.02 },
    positions: { stream: 1, shape: [CONTEXT_LENGTH, width], std: 0.01 },
    projection: { stream: 2, shape: [width, width], std: width ** -0.5 }, // [E, W]
    blocks: Array.from({ length: layers }, (_, i) => blockSpecs(i, tower)),
  };
}

/** Sizes of an image tower and of the pictures given to it; square, in pixels. */
export interface ImageSizes extends Tower {
  readonly patch: number;
  readonly image: number;
  readonly batch: number;
}

export const pictures = ({ batch, image }: ImageSizes): Spec => ({
  stream: 7,
  shape: [batch, 3, image, image],
  std: 1,
});

/** Tensors of the image tower. */
export function imageSpecs({ patch, image, ...tower }: ImageSizes) {
  const { width, layers } = tower;
  const places = (image / patch) ** 2 + 1;
  return {
    patches: { stream: 3, shape: [width, 3, patch, patch], std: (3 * patch * patch) ** -0.5 },
    classToken: { stream: 4, shape: [width], std: width ** -0.5 },
    positions: { stream: 5, shape: [places, width], std: width ** -0.5 },
    projection: { stream: 6, shape: [512, width], std: width ** -0.5 }, // [E, W]
    blocks: Array.from({ length: layers }, (_, i) => blockSpecs(i, tower)),
  };
}

export const LOGIT_SCALE = 100;
export const LEARNING_RATE = 0.002;
