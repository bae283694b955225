import { isFloat } from "../tensor/dtype.ts";
import { CoopError } from "../tensor/errors.ts";
import { add } from "../tensor/ops/elementwise.ts";
import { identity } from "../tensor/ops/view.ts";
import { withSite } from "../tensor/site.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * The reverse walk: gradients of Σ ⟨output, cotangent⟩ with respect to some nodes, as new nodes of the graph. Only
 * nodes on a path from `wrt` to an output take part, so what is frozen costs nothing.
 *
 * @param path what `onPath` gave, where it was asked before (a node that has been computed since counts as data)
 * @returns one gradient for each of `wrt`; undefined where no path leads to an output
 */
export function backward(
  outputs: readonly Tensor[],
  cotangents: readonly Tensor[],
  wrt: readonly Tensor[],
  path: ReadonlySet<Tensor> = onPath(outputs, wrt),
): (Tensor | undefined)[] {
  const gradients = new Map<Tensor, Tensor>();
  const accumulate = (node: Tensor, g: Tensor) => {
    const before = gradients.get(node);
    gradients.set(node, before ? add(before, g) : g);
  };
  outputs.forEach((output, i) => {
    if (path.has(output)) accumulate(output, cotangents[i]);
  });
  const targets = new Set(wrt);
  // a node is younger than its inputs: descending ids visit every user before what it uses
  for (const node of [...path].sort((a, b) => b.id - a.id)) {
    const g = gradients.get(node);
    if (!g || targets.has(node)) continue;
    const wanted = node.inputs.flatMap((input, i) => (path.has(input) ? [i] : []));
    const propagate = () => {
      const rule = gradientRule(node, g);
      for (const i of wanted) {
        const part = rule(i);
        if (part) accumulate(node.inputs[i], part);
      }
    };
    withSite(node, propagate, "∇ ");
  }
  return wrt.map((node) => gradients.get(node));
}

/** Nodes through which a gradient flows from an output to one of `wrt`. */
export function onPath(outputs: readonly Tensor[], wrt: readonly Tensor[]): Set<Tensor> {
  const leads = new Map<Tensor, boolean>(wrt.map((node) => [node, true]));
  const stack = [...outputs];
  while (stack.length > 0) {
    const node = stack.at(-1)!;
    if (leads.has(node)) {
      stack.pop();
      continue;
    }
    const open = node.op.stops || !isFloat(node.dtype) || node.storage ? [] : node.inputs;
    const waiting = open.filter((input) => !leads.has(input));
    if (waiting.length > 0) stack.push(...waiting);
    else {
      leads.set(
        node,
        open.some((input) => leads.get(input)),
      );
      stack.pop();
    }
  }
  return new Set([...leads].flatMap(([node, yes]) => (yes ? [node] : [])));
}

/** The op's own rule, or the rules of its composed definition. */
function gradientRule(node: Tensor, g: Tensor): (wrt: number) => Tensor | undefined {
  const { op, inputs, attrs } = node;
  if (op.vjp) return (wrt) => op.vjp!({ g, wrt, inputs, output: node, attrs });
  if (op.run.kind === "kernel" && op.run.composed) {
    const arguments_ = inputs.map(identity);
    const gradients = backward([op.run.composed(arguments_, attrs)], [g], arguments_);
    return (wrt) => gradients[wrt];
  }
  throw new CoopError(`${op.name} has no gradient; put stopGradient around it if none is wanted`);
}
