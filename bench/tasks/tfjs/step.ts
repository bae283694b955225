import { LEARNING_RATE, LOGIT_SCALE, textSpecs } from "../../data.ts";
import { type CoopSizes, coopData, embeddedPrompts } from "../../prompts.ts";
import type { MakeWork } from "../../work-type.ts";
import { draw, first, flush, tf } from "./library.ts";
import { block, causalMask, layerNorm, residualBlock } from "./tower.ts";

/** The CoOp step on all rows of all prompts, cut behind the longest. */
export const make: MakeWork<CoopSizes> = async (sizes) => {
  const { classes, contextTokens, width, batch } = sizes;
  const specs = textSpecs(sizes);
  const prompts = embeddedPrompts(sizes);
  const { length, behind } = prompts;
  const data = coopData(sizes);
  const blocks = specs.blocks.map(block);
  const positions = tf.tidy(() => tf.slice(draw<tf.Rank.R2>(specs.positions), [0, 0], [length, width]));
  const projection = tf.tidy(() => tf.transpose(draw<tf.Rank.R2>(specs.projection)));
  const prefix = tf.tensor3d(prompts.prefix, [classes, 1, width]);
  const suffix = tf.tensor3d(prompts.suffix, [classes, behind, width]);
  const ends = tf.tensor1d(
    prompts.ends.map((end, k) => k * length + end),
    "int32",
  );
  const mask = causalMask(length);
  const features = tf.tidy(() => normalized(tf.tensor2d(data.features, [batch, width])));
  const targets = tf.tidy(() => tf.oneHot(tf.tensor1d(data.labels, "int32"), classes).toFloat());
  let context = tf.tensor2d(data.context, [contextTokens, width]);
  let loss: tf.Tensor = tf.scalar(0);

  const lossOf = (learned: tf.Tensor2D): tf.Scalar => {
    const middle = tf.broadcastTo(tf.expandDims(learned, 0), [classes, contextTokens, width]) as tf.Tensor3D;
    const embedded = tf.add(tf.concat([prefix, middle, suffix], 1), positions);
    let x = tf.reshape(embedded, [classes * length, width]) as tf.Tensor2D;
    for (const p of blocks) x = residualBlock(p, x, sizes, length, mask);
    const text = normalized(tf.matMul(layerNorm(tf.gather(x, ends)), projection)); // [K, E]
    const logits = tf.mul(tf.matMul(features, text, false, true), LOGIT_SCALE);
    return tf.neg(tf.mean(tf.sum(tf.mul(targets, tf.logSoftmax(logits)), 1)));
  };
  const differentiate = tf.valueAndGrad(lossOf as (x: tf.Tensor) => tf.Tensor);

  return {
    call: () => {
      const old = [context, loss];
      [context, loss] = tf.tidy(() => {
        const { value, grad } = differentiate(context);
        return [tf.sub(context, tf.mul(grad, LEARNING_RATE)) as tf.Tensor2D, value];
      });
      tf.dispose(old);
    },
    flush,
    value: () => first(loss),
  };
};

const normalized = (x: tf.Tensor2D): tf.Tensor2D => tf.div(x, tf.norm(x, 2, -1, true));
