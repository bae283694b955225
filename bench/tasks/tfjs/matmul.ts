import { random } from "../../data.ts";
import type { MakeWork } from "../../work-type.ts";
import { first, flush, tf } from "./library.ts";

export const make: MakeWork<{ n: number }> = async ({ n }) => {
  const [a, b] = [20, 21].map((stream) => tf.tensor2d(random(stream, n * n, 1), [n, n]));
  let out: tf.Tensor | undefined;
  return {
    call: () => {
      out?.dispose();
      out = tf.matMul(a, b);
    },
    flush,
    value: () => first(out!),
  };
};
