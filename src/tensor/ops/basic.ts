import { type DType, isFloat, promote } from "../dtype.ts";
import { DTypeError, ShapeError } from "../errors.ts";
import { broadcastShapes, checkShape, type Shape, showShape } from "../shape.ts";
import { apply, IOTA, literal, Tensor, type TensorLike } from "../tensor.ts";
import { cast } from "./elementwise.ts";
import { broadcastTo } from "./view.ts";

/**
 * A tensor filled with one number. Takes no memory until it is stored.
 * @example full([2], 7) // [7, 7]
 */
export function full(shape: Shape, value: number, dtype: DType = "f32"): Tensor {
  checkShape("full", shape);
  return broadcastTo(literal("full", value, dtype), shape);
}

/**
 * A tensor of zeros.
 * @example zeros([2]) // [0, 0]
 */
export const zeros = (shape: Shape, dtype: DType = "f32"): Tensor => full(shape, 0, dtype);
/**
 * A tensor of ones.
 * @example ones([2]) // [1, 1]
 */
export const ones = (shape: Shape, dtype: DType = "f32"): Tensor => full(shape, 1, dtype);
/**
 * Zeros of the shape and dtype of another tensor.
 * @example zerosLike(tensor([1, 2])) // [0, 0]
 */
export const zerosLike = (x: Tensor): Tensor => full(x.shape, 0, x.dtype);

/**
 * 0, 1, …, n − 1.
 *
 * @throws ShapeError where n is no whole number ≥ 0
 * @example arange(3) // [0, 1, 2]
 */
export function arange(n: number, dtype: DType = "i32"): Tensor {
  checkShape("arange", [n]);
  return apply(IOTA, [], { shape: [n], dtype });
}

/**
 * Operands of an elementwise op: numbers take the dtype of the tensor beside them, shapes broadcast as NumPy has it.
 *
 * @param others tensors of any dtype that take part in the broadcast only
 */
export function align(op: string, a: TensorLike, b: TensorLike, ...others: Tensor[]): [Tensor, Tensor] {
  const near = a instanceof Tensor ? a.dtype : b instanceof Tensor ? b.dtype : "f32";
  const x = a instanceof Tensor ? a : literal(op, a, near);
  const y = b instanceof Tensor ? b : literal(op, b, near);
  const dtype = promote(op, x.dtype, y.dtype);
  const shape = broadcastShapes(op, x.shape, y.shape, ...others.map((o) => o.shape));
  return [broadcastTo(cast(x, dtype), shape), broadcastTo(cast(y, dtype), shape)];
}

/** Throws unless `x` has one of the given ranks. */
export function expectRank(op: string, x: Tensor, ...ranks: number[]): void {
  if (!ranks.includes(x.rank))
    throw new ShapeError(`${op}: takes a tensor of rank ${ranks.join(" or ")}, not shape ${showShape(x.shape)}`);
}

/** Throws unless `x` holds floats. */
export function expectFloat(op: string, x: Tensor): void {
  if (!isFloat(x.dtype)) throw new DTypeError(`${op}: takes float tensors, not ${x.dtype}; see cast(x, "f32")`);
}
