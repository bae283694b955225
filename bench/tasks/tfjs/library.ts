import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-webgpu";
import { type Spec, valuesOf } from "../../data.ts";

if (!(await tf.setBackend("webgpu"))) throw new Error("TensorFlow.js found no WebGPU");
await tf.ready();

export { tf };

/** A random tensor. */
export const draw = <R extends tf.Rank = tf.Rank>(spec: Spec): tf.Tensor<R> =>
  tf.tensor(valuesOf(spec), [...spec.shape] as tf.ShapeMap[R]);

interface Backend {
  commandEncoder: unknown;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

/** Hands recorded commands to the device: the backend collects several operations before it does. */
export function flush(): void {
  const backend = tf.backend() as unknown as Backend;
  if (!backend.commandEncoder) return;
  backend.endComputePassEncoder();
  backend.submitQueue();
}

export const first = async (t: tf.Tensor): Promise<number> => (await t.data())[0];
