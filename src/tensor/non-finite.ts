import { inline } from "./compile.ts";
import { isFloat } from "./dtype.ts";
import { evaluate } from "./evaluate.ts";
import { cast, finite, logicalNot } from "./ops/elementwise.ts";
import { sum } from "./ops/reduce.ts";
import { type Shape, showShape } from "./shape.ts";
import { captureSites } from "./site.ts";
import { Tensor } from "./tensor.ts";
import { forEachLeaf, treeLeaves } from "./tree.ts";
import { free, read } from "./values.ts";

/** Where numbers that are not finite first came from. */
export interface NonFinite {
  /** The op whose inputs all were finite; "argument" or "constant" for a tensor that came with them. */
  readonly op: string;
  readonly shape: Shape;
  readonly dtype: Tensor["dtype"];
  /** How many of its numbers are NaN, and how many infinite. */
  readonly nans: number;
  readonly infinities: number;
  /** The place in the caller's code (∇ before it: of a gradient), or of the argument. */
  readonly site?: string;
  /** The least and the largest number of each of the op's inputs. */
  readonly inputs: readonly (readonly [least: number, largest: number])[];
  /** All of it as a sentence without an end. */
  readonly text: string;
}

/** Ops that are computed together, between two looks at what came out. */
const GROUP = 48;

/**
 * Evaluates a function op by op and finds the first op that makes NaN or an infinity of finite numbers, even where later
 * ops (a maximum, a relu) hide it. It runs everything unfused and keeps every value that is still needed: slow, and
 * large.
 *
 * @param f any pure function; a compiled one counts as the function that it was made of, and donates nothing
 * @returns undefined where all numbers are finite
 * @example
 * const found = await findNonFinite(step, params, state, batch, 0.002);
 * if (found) console.error(found.text); // log gave NaN for 1 of 4 numbers of f32[4] at loss.ts:12; …
 */
export async function findNonFinite<Args extends unknown[]>(
  f: (...args: Args) => unknown,
  ...args: Args
): Promise<NonFinite | undefined> {
  const given = treeLeaves(args).filter((leaf) => leaf instanceof Tensor);
  evaluate(given);
  const before = captureSites(true);
  let nodes: Tensor[];
  try {
    nodes = nodesBehind(treeLeaves(inline(() => f(...args))).filter((leaf) => leaf instanceof Tensor));
  } finally {
    captureSites(before);
  }
  const leaves = nodes.filter((node) => node.storage && isFloat(node.dtype));
  const wrong = (await wrongAmong(leaves))[0];
  if (wrong) return describe(wrong, given.includes(wrong) ? `argument${pathOf(args, wrong)}` : "constant");

  const computed = nodes.filter(isComputed);
  const last = lastUses(nodes, computed);
  const held = new Set<Tensor>();
  try {
    for (let at = 0; at < computed.length; at += GROUP) {
      const group = computed.slice(at, at + GROUP);
      for (const node of group) held.add(node);
      evaluate(group);
      const [first] = await wrongAmong(group.filter(({ dtype }) => isFloat(dtype)));
      if (first) return await describe(first);
      for (const node of held) {
        if (last.get(node)! >= at + GROUP) continue;
        held.delete(node);
        node.free();
      }
    }
    return undefined;
  } finally {
    free([...held]);
  }
}

const isComputed = ({ storage, op: { run } }: Tensor): boolean =>
  !storage && run.kind !== "view" && run.kind !== "leaf";

/** Everything that some values are computed from, inputs first: a node is made after its inputs. */
function nodesBehind(roots: readonly Tensor[]): Tensor[] {
  const seen = new Set(roots);
  for (const node of seen) if (!node.storage) for (const input of node.inputs) seen.add(input);
  return [...seen].sort((a, b) => a.id - b.id);
}

/** The place among the computed nodes of the last that needs each node, directly or through views. */
function lastUses(nodes: readonly Tensor[], computed: readonly Tensor[]): Map<Tensor, number> {
  const places = new Map(computed.map((node, i) => [node, i]));
  const last = new Map(places);
  for (const node of nodes.toReversed()) {
    if (node.storage) continue;
    const until = places.get(node) ?? last.get(node) ?? -1;
    for (const input of node.inputs) last.set(input, Math.max(last.get(input) ?? -1, until));
  }
  return last;
}

/** Those of some stored tensors that hold NaN or infinities, in order. */
async function wrongAmong(tensors: readonly Tensor[]): Promise<Tensor[]> {
  // a program of its own, so that the bits are looked at as they lie in memory
  const counts = tensors.map((x) => sum(cast(logicalNot(finite(x)), "i32")));
  const found = await read(counts);
  free(counts);
  return tensors.filter((_, i) => found[i][0] > 0);
}

async function describe(node: Tensor, origin?: string): Promise<NonFinite> {
  const { shape, dtype, size } = node;
  const values = Array.from(await node.data());
  const nans = values.filter(Number.isNaN).length;
  const infinities = values.filter((v) => Math.abs(v) === Number.POSITIVE_INFINITY).length;
  const inputs: [number, number][] = [];
  if (!origin) {
    for (const input of node.inputs.filter((x) => isFloat(x.dtype))) inputs.push(rangeOf(await input.data()));
  }
  const site = origin ? undefined : node.site;
  const op = origin?.replace(/ .*/, "") ?? node.op.name;
  const kinds = [nans > 0 && "NaN", infinities > 0 && "infinity"].filter(Boolean).join(" and ");
  const of = `for ${nans + infinities} of ${size} numbers of ${dtype}${showShape(shape)}`;
  const ranges = inputs.map(([least, most]) => `${least.toPrecision(3)} to ${most.toPrecision(3)}`).join(", ");
  const half = dtype === "f16" && infinities > 0 ? "; half precision ends at 65504: keep this in f32" : "";
  const text = origin
    ? `${origin} holds ${kinds} ${of}`
    : `${op} gave ${kinds} ${of}${site ? ` at ${site}` : ""}${ranges && `, from ${ranges}`}${half}`;
  return { op, shape, dtype, nans, infinities, site, inputs, text };
}

function rangeOf(values: ArrayLike<number>): [number, number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) {
    least = Math.min(least, values[i]);
    most = Math.max(most, values[i]);
  }
  return [least, most];
}

/** Where a tensor stands among the arguments: ` [0].context`. */
function pathOf(args: readonly unknown[], tensor: Tensor): string {
  let found = "";
  forEachLeaf(args, (leaf, path) => {
    if (leaf === tensor) found ||= ` ${path}`;
  });
  return found;
}
