import { type ImageSizes, imageSpecs, pictures } from "../../data.ts";
import type { MakeWork } from "../../work-type.ts";
import { draw, first, flush, tf } from "./library.ts";
import { block, layerNorm, residualBlock } from "./tower.ts";

/** Pictures and patches lie channel last, the layout that TensorFlow.js's convolution takes. */
export const make: MakeWork<ImageSizes> = async (sizes) => {
  const { batch, width, patch } = sizes;
  const specs = imageSpecs(sizes);
  const patches = tf.tidy(() => tf.transpose(draw<tf.Rank.R4>(specs.patches), [2, 3, 1, 0])); // [P, P, 3, W]
  const classToken = tf.tidy(() => tf.tile(tf.reshape(draw(specs.classToken), [1, 1, width]), [batch, 1, 1]));
  const positions = draw(specs.positions);
  const blocks = specs.blocks.map(block);
  const projection = tf.tidy(() => tf.transpose(draw<tf.Rank.R2>(specs.projection)));
  const images = tf.tidy(() => tf.transpose(draw<tf.Rank.R4>(pictures(sizes)), [0, 2, 3, 1]));
  const places = specs.positions.shape[0];
  const encode = () => {
    const grid = tf.reshape(tf.conv2d(images, patches, patch, "valid"), [batch, places - 1, width]);
    const embedded = layerNorm(tf.add(tf.concat([classToken, grid], 1), positions));
    let x = tf.reshape(embedded, [batch * places, width]) as tf.Tensor2D;
    for (const p of blocks) x = residualBlock(p, x, sizes, places);
    const summary = tf.reshape(tf.slice(tf.reshape(x, [batch, places, width]), [0, 0, 0], [batch, 1, width]), [
      batch,
      width,
    ]);
    return tf.matMul(layerNorm(summary), projection as tf.Tensor2D);
  };
  let features: tf.Tensor | undefined;
  return {
    call: () => {
      features?.dispose();
      features = tf.tidy(encode);
    },
    flush,
    value: () => first(features!),
  };
};
