import { kernelsFor, type LowerOptions } from "./kernel.ts";
import type { Run } from "./op.ts";
import { withSite } from "./site.ts";
import type { Tensor } from "./tensor.ts";

/** Inputs before users; composed definitions in place of ops without a kernel; one node for all that are equal. */
export function schedule(roots: readonly Tensor[], isLeaf: (node: Tensor) => boolean, options: LowerOptions) {
  const order: Tensor[] = [];
  const canonical = new Map<Tensor, Tensor>();
  const known = new Map<string, Tensor>();
  const expanded = new Map<Tensor, Tensor>();
  const stack: Tensor[] = [...roots].reverse();
  while (stack.length > 0) {
    const node = stack.at(-1)!;
    if (canonical.has(node)) {
      stack.pop();
      continue;
    }
    const { run } = node.op;
    if (!isLeaf(node) && run.kind === "kernel" && run.composed && prefersComposed(node, run, options)) {
      const body = expanded.get(node) ?? withSite(node, () => run.composed!(node.inputs, node.attrs));
      expanded.set(node, body);
      if (!canonical.has(body)) stack.push(body);
      else {
        canonical.set(node, canonical.get(body)!);
        stack.pop();
      }
      continue;
    }
    const inputs = isLeaf(node) ? [] : node.inputs;
    const waiting = inputs.filter((input) => !canonical.has(input));
    if (waiting.length > 0) {
      stack.push(...waiting.reverse());
      continue;
    }
    stack.pop();
    const key =
      isLeaf(node) && node.op.name !== "literal" && node.op.name !== "iota"
        ? `#${node.id}`
        : `${node.op.name} ${keyOf(node)} ${inputs.map((i) => canonical.get(i)!.id)}`;
    const twin = known.get(key);
    canonical.set(node, twin ?? node);
    if (!twin) {
      known.set(key, node);
      order.push(node);
    }
  }
  return { order, canonical };
}

const prefersComposed = (node: Tensor, run: Extract<Run, { kind: "kernel" }>, options: LowerOptions): boolean =>
  options.composedOnly || (!options.kernelsOnly && run.isTiny?.(node.inputs)) || kernelsFor(node, options).length === 0;

/** JSON has no infinity, NaN or negative zero; a literal's value may be one. */
const keyOf = (node: Tensor): string =>
  JSON.stringify(node.attrs, (_, v) =>
    typeof v === "number" && (!Number.isFinite(v) || Object.is(v, -0)) ? `${1 / v} ${v}` : v,
  );

/** How many nodes and roots read each node. */
export function countUses(
  order: readonly Tensor[],
  roots: readonly Tensor[],
  isLeaf: (node: Tensor) => boolean,
  canonical: ReadonlyMap<Tensor, Tensor>,
): Map<Tensor, number> {
  const uses = new Map<Tensor, number>(order.map((node) => [node, 0]));
  const count = (node: Tensor) => uses.set(canonical.get(node)!, uses.get(canonical.get(node)!)! + 1);
  for (const node of order) if (!isLeaf(node)) for (const input of node.inputs) count(input);
  for (const root of roots) count(root);
  return uses;
}

/** Whether an op is computed within whatever reads it. */
const isInlined = ({ op: { run } }: Tensor): boolean => run.kind === "view" || run.kind === "expression";

/** How many nodes and roots read each node, seen through views. */
export function countReaders(
  order: readonly Tensor[],
  roots: readonly Tensor[],
  isLeaf: (node: Tensor) => boolean,
  canonical: ReadonlyMap<Tensor, Tensor>,
): Map<Tensor, number> {
  const readers = new Map<Tensor, number>(order.map((node) => [node, 0]));
  for (const root of roots) readers.set(canonical.get(root)!, readers.get(canonical.get(root)!)! + 1);
  for (const node of order.toReversed()) {
    if (isLeaf(node)) continue;
    const more = node.op.run.kind === "view" ? readers.get(node)! : 1;
    for (const input of node.inputs.map((i) => canonical.get(i)!)) readers.set(input, readers.get(input)! + more);
  }
  return readers;
}

/** The place in order of the last node that may be computed along with each node: it reads it, directly or elementwise. */
export function lastReaders(
  order: readonly Tensor[],
  isLeaf: (node: Tensor) => boolean,
  canonical: ReadonlyMap<Tensor, Tensor>,
): Map<Tensor, number> {
  const last = new Map<Tensor, number>(order.map((node, at) => [node, at]));
  for (const [at, node] of [...order.entries()].reverse()) {
    if (isLeaf(node)) continue;
    const until = isInlined(node) ? last.get(node)! : at;
    for (const input of node.inputs.map((i) => canonical.get(i)!)) last.set(input, Math.max(last.get(input)!, until));
  }
  return last;
}
