import { InputError } from "../tensor/errors.ts";
import { type Tensor, tensor } from "../tensor/index.ts";

/** How many rows of `width` numbers there are; InputError where the last one is not whole. */
export function countRows(values: Float32Array, width: number): number {
  const rows = values.length / width;
  if (!Number.isInteger(rows)) throw new InputError(`${values.length} numbers are not features of ${width} each`);
  return rows;
}

/** Features [N, `width`] (row-major) on the device. */
export const featureTable = (values: Float32Array, width: number): Tensor =>
  tensor(values, [countRows(values, width), width]);
