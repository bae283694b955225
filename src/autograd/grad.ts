import { inline } from "../tensor/compile.ts";
import { isFloat } from "../tensor/dtype.ts";
import { CoopError, DTypeError, ShapeError } from "../tensor/errors.ts";
import { ones, zerosLike } from "../tensor/ops/basic.ts";
import { add, mul } from "../tensor/ops/elementwise.ts";
import { sum } from "../tensor/ops/reduce.ts";
import { after, custom, identity } from "../tensor/ops/view.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import { kindOf, Tensor } from "../tensor/tensor.ts";
import { forEachLeaf, treeLeaves, treeMap } from "../tensor/tree.ts";
import { backward, onPath } from "./backward.ts";

/** Every tensor of a tree as a node of its own, so that gradients are taken with respect to this use of it. */
function variables<T>(tree: T): { tree: T; leaves: Tensor[] } {
  const leaves: Tensor[] = [];
  forEachLeaf(tree, (leaf, path) => {
    if (!(leaf instanceof Tensor))
      throw new CoopError(
        `grad: ${path || "the argument"} is not a tensor; gradients are taken with respect to trees of tensors`,
      );
    if (!isFloat(leaf.dtype))
      throw new DTypeError(`grad: ${path || "the argument"} is ${leaf.dtype}; gradients exist for float tensors`);
    leaves.push(identity(leaf));
  });
  return { tree: fill(tree, leaves), leaves };
}

/** The tree with these tensors as its leaves, in order. */
function fill<T>(tree: T, leaves: readonly Tensor[]): T {
  let i = 0;
  return treeMap(() => leaves[i++], tree) as T;
}

/**
 * The function that returns `[value, gradient]` of a scalar function, the gradient with respect to the first argument
 * and with its structure.
 *
 * @example
 * const [loss, grads] = valueAndGrad((p, x) => mean(square(matmul(x, p.w))))({ w }, x);
 * @throws ShapeError where the function does not return a scalar
 */
export function valueAndGrad<P, Rest extends unknown[]>(
  f: (params: P, ...rest: Rest) => Tensor,
): (params: P, ...rest: Rest) => [Tensor, P] {
  return (params, ...rest) => {
    const { tree, leaves } = variables(params);
    const value = inline(() => f(tree, ...rest));
    if (!(value instanceof Tensor) || value.size !== 1) {
      throw new ShapeError(
        `grad: the function returns ${value instanceof Tensor ? `shape ${showShape(value.shape)}` : kindOf(value)}, not a scalar tensor`,
      );
    }
    const gradients = inline(() => backward([value], [ones(value.shape, value.dtype)], leaves));
    return [value, fill(params, withZeros(gradients, leaves))];
  };
}

/**
 * As `valueAndGrad`, of a function that returns something beside its value: `[[value, beside], gradient]`.
 * @example valueAndGradWith((x) => [sum(square(x)), neg(x)])(tensor([1, 2]))[0][1] // [-1, -2]
 */
export function valueAndGradWith<P, Rest extends unknown[], Beside>(
  f: (params: P, ...rest: Rest) => [Tensor, Beside],
): (params: P, ...rest: Rest) => [[Tensor, Beside], P] {
  return (params, ...rest) => {
    let beside: Beside | undefined;
    const [value, gradient] = valueAndGrad((p: P) => {
      const both = f(p, ...rest);
      if (!Array.isArray(both))
        throw new CoopError(`valueAndGradWith: the function returns ${kindOf(both)}, not [value, beside]`);
      const [scalar, more] = both;
      beside = more;
      return scalar;
    })(params);
    return [[value, beside as Beside], gradient];
  };
}

/**
 * The function that returns the gradient of a scalar function with respect to its first argument, a tree of the same
 * structure. Gradients of gradients work. Only what lies between that argument and the result is differentiated.
 *
 * @throws ShapeError where the function does not return a scalar
 * @example grad((x) => sum(mul(x, square(x))))(tensor([1, 2])) // [3, 12]
 */
export function grad<P, Rest extends unknown[]>(
  f: (params: P, ...rest: Rest) => Tensor,
): (params: P, ...rest: Rest) => P {
  const both = valueAndGrad(f);
  return (params, ...rest) => both(params, ...rest)[1];
}

const withZeros = (gradients: readonly (Tensor | undefined)[], like: readonly Tensor[]): Tensor[] =>
  gradients.map((g, i) => g ?? zerosLike(like[i]));

/** Throws where a direction has not the shapes and dtypes of what it is a direction of; integers have no gradient to fit. */
function checkLike(what: string, given: readonly Tensor[], of: string, like: readonly Tensor[]): void {
  const differ = (by: (a: Tensor, b: Tensor) => boolean) => given.some((one, i) => !by(one, like[i]));
  if (given.length !== like.length || differ((a, b) => sameShape(a.shape, b.shape)))
    throw new ShapeError(
      `${what}'s shapes ${given.map((t) => showShape(t.shape))} are not the ${of}'s ${like.map((t) => showShape(t.shape))}`,
    );
  if (differ((a, b) => a.dtype === b.dtype || !isFloat(b.dtype)))
    throw new DTypeError(
      `${what}'s dtypes ${given.map(({ dtype }) => dtype).join(", ")} are not the ${of}'s ${like.map(({ dtype }) => dtype).join(", ")}`,
    );
}

/**
 * The value of a function and its vector–Jacobian product: `pull(w)` is wᵀJ, for w of the output's structure.
 *
 * @throws ShapeError, DTypeError where the cotangent's shapes or dtypes are not the output's
 * @example vjp((x) => square(x), tensor([1, 2]))[1](tensor([1, 10])) // [2, 40]
 */
export function vjp<P, R>(f: (params: P) => R, params: P): [R, (cotangent: R) => P] {
  const { tree, leaves } = variables(params);
  const value = inline(() => f(tree));
  const outputs = treeLeaves<Tensor>(value);
  const path = onPath(outputs, leaves);
  return [
    value,
    (cotangent) => {
      const cotangents = treeLeaves<Tensor>(cotangent);
      checkLike("vjp: the cotangent", cotangents, "output", outputs);
      const gradients = inline(() => backward(outputs, cotangents, leaves, path));
      return fill(params, withZeros(gradients, leaves));
    },
  ];
}

/**
 * The value of a function and its Jacobian–vector product J t: the derivative along a tangent of the argument's
 * structure. Made of two vector–Jacobian products, since wᵀJ is linear in w.
 *
 * @throws ShapeError, DTypeError where the tangent's shapes or dtypes are not the argument's
 * @example jvp((x) => square(x), tensor([1, 2]), tensor([1, 10]))[1] // [2, 40]
 */
export function jvp<P, R>(f: (params: P) => R, params: P, tangent: P): [R, R] {
  const [value, pull] = vjp(f, params);
  const outputs = treeLeaves<Tensor>(value);
  const dummies = outputs.map((o) => identity(zerosLike(o)));
  const pulled = treeLeaves<Tensor>(pull(fill(value, dummies)));
  const tangents = treeLeaves<Tensor>(tangent);
  const leaves = treeLeaves<Tensor>(params);
  checkLike("jvp: the tangent", tangents, "argument", leaves);
  const pushed = backward(pulled, tangents, dummies);
  return [value, fill(value, withZeros(pushed, outputs))];
}

/**
 * A function with a gradient of its own.
 *
 * @param f from tensors to one tensor
 * @param rule gradients of the arguments, given the output's gradient, the arguments and the output
 * @example const clipped = customVjp((x) => x, (g, [x]) => [minimum(maximum(g, -1), 1)]);
 */
export function customVjp<Args extends Tensor[]>(
  f: (...args: Args) => Tensor,
  rule: (g: Tensor, args: Args, output: Tensor) => readonly Tensor[],
): (...args: Args) => Tensor {
  return (...args) =>
    custom(f(...args), args, (g, output) => {
      const gradients = rule(g, args, output);
      if (gradients.length !== args.length)
        throw new CoopError(`customVjp: ${gradients.length} gradients for ${args.length} arguments`);
      gradients.forEach((d, i) => {
        if (!sameShape(d.shape, args[i].shape)) {
          throw new ShapeError(
            `customVjp: gradient ${i} has shape ${showShape(d.shape)}, its argument ${showShape(args[i].shape)}`,
          );
        }
      });
      return gradients;
    });
}

/**
 * The same function, computed again in the backward pass instead of kept: less memory for more work (Chen et al.,
 * arXiv 1604.06174). Tensors that the function closes over get no gradient: pass them as arguments.
 *
 * @param f from trees of tensors to one tensor
 * @returns the function of the same arguments and value
 * @example const block = checkpoint((p, x) => tanh(linear(x, p.weight, p.bias)));
 */
export function checkpoint<Args extends unknown[]>(f: (...args: Args) => Tensor): (...args: Args) => Tensor {
  return (...args) => {
    const leaves = treeLeaves(args).filter((leaf) => leaf instanceof Tensor);
    return custom(f(...args), leaves, (g) => {
      const again = new Map(leaves.map((leaf) => [leaf, after(leaf, g)]));
      const replayed = f(
        ...(treeMap((leaf: unknown) => (leaf instanceof Tensor ? again.get(leaf) : leaf), args) as Args),
      );
      return withZeros(
        backward(
          [replayed],
          [g],
          leaves.map((leaf) => again.get(leaf)!),
        ),
        leaves,
      );
    });
  };
}

/** ⟨a, b⟩ over all leaves of two trees. */
export const treeDot = (a: unknown, b: unknown): Tensor => {
  const right = treeLeaves<Tensor>(b);
  return treeLeaves<Tensor>(a)
    .map((x, i) => sum(mul(x, right[i])))
    .reduce((x, y) => add(x, y));
};
