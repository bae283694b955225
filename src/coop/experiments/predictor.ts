import type { Clip } from "../../clip/index.ts";
import { argmax, compile, free, l2Normalize, matmul, type Tensor, tensor } from "../../tensor/index.ts";
import type { Pictures } from "./method.ts";

/** So many pictures are compared with the classes at once, to stay within the bindings of small devices. */
const AT_ONCE = 4096;

/**
 * Finds for each picture the class whose feature is the nearest by cosine, with one program for lists of one length.
 * @example const labels = await classPredictor(clip).predict({ features, count }, classes);
 */
export function classPredictor({ config }: Pick<Clip, "config">) {
  const width = config.embedDim;
  const nearest = compile(
    (pictures: Tensor, classes: Tensor) => argmax(matmul(l2Normalize(pictures), classes, { transposeB: true })),
    { name: "the nearest class" },
  );
  return {
    /** The index of the nearest of `classes`, normalised features [K, E], row-major, to each of the pictures. */
    async predict({ features, count }: Pictures, classes: Float32Array): Promise<Int32Array> {
      const y = tensor(classes, [classes.length / width, width]);
      const answers = new Int32Array(count);
      for (let from = 0; from < count; from += AT_ONCE) {
        const rows = Math.min(AT_ONCE, count - from);
        const x = tensor(features.subarray(from * width, (from + rows) * width), [rows, width]);
        const answer = nearest(x, y);
        answers.set(await answer.data(), from);
        free([x, answer]);
      }
      y.free();
      return answers;
    },
    /** Gives back the device's memory. */
    free: () => nearest.free(),
  };
}
