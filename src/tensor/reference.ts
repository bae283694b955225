import { CoopError } from "./errors.ts";
import type { Values } from "./op.ts";
import { SOURCE, type Tensor } from "./tensor.ts";

/** Values of nodes in float64, row-major. */
export type Known = ReadonlyMap<Tensor, Float64Array>;

/** Sees every value that an op has computed, and may change it in place (to model rounding, say). */
export type Visit = (node: Tensor, data: Float64Array) => void;

/**
 * Evaluates a graph on the CPU in float64, each op by its reference or else by its composed definition: what the GPU
 * is tested against.
 *
 * @param values data of the leaves, or of any node that should not be computed
 * @throws CoopError where a leaf has no value
 */
export const reference = (tensor: Tensor, values: Known = new Map()): Float64Array => references([tensor], values)[0];

/** `reference` of several tensors, computing what they share once. */
export function references(roots: readonly Tensor[], values: Known = new Map(), visit?: Visit): Float64Array[] {
  const known = new Map(values);
  const bodies = new Map<Tensor, Tensor>();
  const stack = [...roots];
  while (stack.length > 0) {
    const node = stack.at(-1)!;
    const { op } = node;
    const composed = op.run.kind === "kernel" && !op.reference ? op.run.composed : undefined;
    if (composed && !bodies.has(node)) bodies.set(node, composed(node.inputs, node.attrs));
    const needed = known.has(node) ? [] : composed ? [bodies.get(node)!] : node.inputs;
    const waiting = needed.filter((input) => !known.has(input));
    if (waiting.length > 0) {
      stack.push(...waiting);
      continue;
    }
    stack.pop();
    if (known.has(node)) continue;
    if (composed) known.set(node, known.get(bodies.get(node)!)!);
    else if (op.reference) {
      const inputs = node.inputs.map((x): Values => ({ shape: x.shape, dtype: x.dtype, data: known.get(x)! }));
      const data = op.reference(inputs, node.attrs, node);
      visit?.(node, data);
      known.set(node, data);
    } else throw new CoopError(`reference: ${node} has no value here; give it one, or use referenceOf, which reads it`);
  }
  return roots.map((root) => known.get(root)!);
}

/** `reference` of tensors whose leaves hold data, which is read from the device. */
export const referenceOf = async (tensors: readonly Tensor[]): Promise<Float64Array[]> =>
  references(tensors, await readSources(tensors));

/** The data behind a graph, read from the device but for the leaves that `given` knows. */
export async function readSources(
  roots: readonly Tensor[],
  given: Known = new Map(),
): Promise<Map<Tensor, Float64Array>> {
  const seen = new Set<Tensor>(roots);
  for (const node of seen) for (const input of node.inputs) seen.add(input);
  const sources = [...seen].filter((node) => node.op === SOURCE && !given.has(node));
  const read = sources.map(async (s) => [s, Float64Array.from(await s.data())] as const);
  return new Map([...given, ...(await Promise.all(read))]);
}
