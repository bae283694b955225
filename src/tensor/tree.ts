import { CoopError } from "./errors.ts";

/** A tree of leaves in plain objects and arrays, as parameters, optimizer states and batches are. */
export type Tree<Leaf> = Leaf | readonly Tree<Leaf>[] | { readonly [key: string]: Tree<Leaf> };

/** The same tree with another type of leaf. */
export type MapTree<T, From, To> = T extends From
  ? To
  : T extends readonly unknown[]
    ? { [K in keyof T]: MapTree<T[K], From, To> }
    : T extends object
      ? { [K in keyof T]: MapTree<T[K], From, To> }
      : T;

/** Whether a value is an array or a plain object. */
export const isBranch = (value: unknown): value is Record<string, unknown> =>
  Array.isArray(value) || (typeof value === "object" && value !== null && isPlain(value));

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Calls `visit(leaf, path)` for every leaf, objects in the order of their sorted keys; paths read `blocks[0].weight`. */
export function forEachLeaf(tree: unknown, visit: (leaf: unknown, path: string) => void, path = ""): void {
  if (Array.isArray(tree)) tree.forEach((item, i) => forEachLeaf(item, visit, `${path}[${i}]`));
  else if (isBranch(tree)) {
    for (const key of Object.keys(tree).sort()) forEachLeaf(tree[key], visit, path ? `${path}.${key}` : key);
  } else visit(tree, path);
}

/**
 * The leaves of a tree in order: arrays by index, objects by their sorted keys.
 * @example treeLeaves({ b: 1, a: [2, 3] }) // [2, 3, 1]
 */
export function treeLeaves<Leaf = unknown>(tree: unknown): Leaf[] {
  const leaves: Leaf[] = [];
  forEachLeaf(tree, (leaf) => leaves.push(leaf as Leaf));
  return leaves;
}

/**
 * The tree with `f(leaf, ...others)` at every leaf, in the order of `treeLeaves`; the other trees have the same structure.
 *
 * @example treeMap((p: Tensor, g: Tensor) => sub(p, mul(g, 0.1)), params, grads)
 * @throws CoopError where the structures differ, naming the path.
 */
export function treeMap<Leaf, To, T>(
  f: (leaf: Leaf, ...others: Leaf[]) => To,
  tree: T,
  ...rest: unknown[]
): MapTree<T, Leaf, To> {
  const walk = (at: unknown, others: unknown[], path: string): unknown => {
    if (!isBranch(at)) return f(at as Leaf, ...(others as Leaf[]));
    for (const other of others) {
      const fits = isBranch(other) && Array.isArray(other) === Array.isArray(at);
      if (!fits || Object.keys(other).sort().join() !== Object.keys(at).sort().join()) {
        throw new CoopError(
          `treeMap: the trees differ at "${path || "the root"}": ${keysOf(at)} against ${keysOf(other)}`,
        );
      }
    }
    const child = (key: string | number) => others.map((other) => (other as Record<string | number, unknown>)[key]);
    if (Array.isArray(at)) return at.map((item, i) => walk(item, child(i), `${path}[${i}]`));
    const made: Record<string, unknown> = { ...at }; // keeps the order of the keys; leaves are visited as forEachLeaf does
    for (const key of Object.keys(at).sort()) made[key] = walk(at[key], child(key), path ? `${path}.${key}` : key);
    return made;
  };
  return walk(tree, rest, "") as MapTree<T, Leaf, To>;
}

const keysOf = (tree: unknown): string =>
  Array.isArray(tree) ? `an array of ${tree.length}` : isBranch(tree) ? `{${Object.keys(tree).join(", ")}}` : "a leaf";
