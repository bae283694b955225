/** Elements of a tensor lie at `offset` + the sum of index·stride; all in elements. */
export interface Strided {
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Elements up to and with the last one that the tensor touches; 0 if it has none. */
export function reach({ offset, shape, strides }: Strided): number {
  return shape.includes(0) ? 0 : shape.reduce((last, n, axis) => last + (n - 1) * strides[axis], offset) + 1;
}

/** Whether its elements lie one after another in row-major order. */
export function isContiguous({ shape, strides }: Strided): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return shape.includes(0);
    expected *= shape[axis];
  }
  return true;
}

/** The tensor's elements of `width` bytes in row-major order; `bytes` begins at its `offset`. */
export function gather(bytes: Uint8Array, { shape, strides }: Strided, width: number): Uint8Array {
  const count = shape.reduce((a, b) => a * b, 1);
  const result = new Uint8Array(count * width);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to += width) {
    for (let i = 0; i < width; i++) result[to + i] = bytes[from * width + i];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return result;
}
