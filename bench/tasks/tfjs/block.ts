import { type BlockSizes, blockData } from "../../block.ts";
import { blockSpecs } from "../../data.ts";
import type { MakeWork } from "../../work-type.ts";
import { draw, first, flush, tf } from "./library.ts";
import { type Block, block, causalMask, residualBlock } from "./tower.ts";

const NAMES = ["inProjection", "outProjection", "expand", "contract"] as const;

export const make: MakeWork<BlockSizes> = async (sizes) => {
  const { batch, length, width } = sizes;
  const specs = blockData(sizes);
  const [x, probe] = [specs.x, specs.probe].map((spec) => tf.reshape(draw(spec), [batch * length, width]));
  const weights = block(blockSpecs(0, sizes));
  const mask = causalMask(length);
  const lossOf = (...at: tf.Tensor[]): tf.Tensor => {
    const p = Object.fromEntries(NAMES.map((name, i) => [name, { weight: at[2 * i + 1], bias: at[2 * i + 2] }]));
    return tf.sum(tf.mul(residualBlock(p as unknown as Block, at[0] as tf.Tensor2D, sizes, length, mask), probe));
  };
  const differentiate = tf.grads(lossOf);
  const at = [x, ...NAMES.flatMap((name) => [weights[name].weight, weights[name].bias])];
  let grads: tf.Tensor[] = [];
  return {
    call: () => {
      tf.dispose(grads);
      grads = tf.tidy(() => differentiate(at));
    },
    flush,
    value: () => first(tf.tidy(() => tf.add(tf.mean(tf.square(grads[1])), tf.mean(tf.square(grads[0]))))),
  };
};
