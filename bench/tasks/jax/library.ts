import * as jax from "@jax-js/jax";
import { type Spec, valuesOf } from "../../data.ts";

await jax.init("webgpu");
jax.defaultDevice("webgpu");

export { jax };
export const np = jax.numpy;
export type Arr = jax.Array;

export const put = (values: Float32Array | Int32Array, shape: readonly number[]): Arr =>
  np.array(values as Float32Array<ArrayBuffer>).reshape([...shape]);

/** A random tensor. */
export const draw = (spec: Spec): Arr => put(valuesOf(spec), spec.shape);

/** Hands the work behind an array to the device: jax-js holds it back until someone asks. */
export const submit = async (array: Arr): Promise<void> => void (await array.ref.gpuBuffer());

export const first = async (array: Arr): Promise<number> => (await array.ref.data())[0];
