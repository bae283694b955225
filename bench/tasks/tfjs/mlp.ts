import { type MlpSizes, mlpSpecs } from "../../mlp.ts";
import type { MakeWork } from "../../work-type.ts";
import { draw, first, flush, tf } from "./library.ts";

export const make: MakeWork<MlpSizes> = async (sizes) => {
  const { weights, input, target } = mlpSpecs(sizes);
  const [x, y] = [draw<tf.Rank.R2>(input), draw<tf.Rank.R2>(target)];
  let params: tf.Tensor[] = weights.flatMap(({ weight, bias }) => [draw(weight), draw(bias)]);
  let loss: tf.Tensor = tf.scalar(0);
  const lossOf = (...p: tf.Tensor[]): tf.Tensor => {
    let out: tf.Tensor = x;
    for (let i = 0; i < sizes.layers; i++) {
      const z = tf.add(tf.matMul(out, p[2 * i]), p[2 * i + 1]);
      out = i < sizes.layers - 1 ? tf.relu(z) : z;
    }
    return tf.mean(tf.square(tf.sub(out, y)));
  };
  const differentiate = tf.valueAndGrads(lossOf);
  return {
    call: () => {
      const old = [...params, loss];
      [loss, ...params] = tf.tidy(() => {
        const { value, grads } = differentiate(params);
        return [value, ...params.map((p, i) => tf.sub(p, tf.mul(grads[i], sizes.rate)))];
      });
      tf.dispose(old);
    },
    flush,
    value: () => first(loss),
  };
};
