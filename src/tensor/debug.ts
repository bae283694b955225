import type { ProgramReport } from "./compile.ts";
import type { VirtualBuffer } from "./expr.ts";
import type { Lowered } from "./lower.ts";
import type { Plan } from "./plan.ts";
import type { Tensor } from "./tensor.ts";

/** What DEBUG can ask for: `coop` for the first three, `coop:graph,coop:code` for some. */
const PARTS = ["graph", "program", "plan", "code"] as const;

/** Prints what is asked for, as by DEBUG, of a program that was just made, to stderr. */
export function printDebug(asks: string, name: string, roots: readonly Tensor[], lowered: Lowered, plan: Plan): void {
  const asked = asks.split(",").map((word) => word.trim());
  const texts = {
    graph: () => graphText(roots),
    program: () => programText(lowered),
    plan: () => planText(plan),
    code: () => codeText(lowered),
  };
  for (const part of PARTS) {
    const all = asked.includes("coop:*") || (part !== "code" && asked.includes("coop"));
    if (all || asked.includes(`coop:${part}`)) console.error(`coop:${part} of ${name}\n${texts[part]()}\n`);
  }
}

/**
 * The graph behind some tensors, a line for each node: number, op, dtype and shape, inputs, attributes, and the call
 * site where those are captured. Data that is there already ends the walk.
 *
 * @example console.log(graphText([loss])); // %0  source  f32[2] …
 */
export function graphText(roots: readonly Tensor[]): string {
  const numbers = new Map<Tensor, number>();
  const lines: string[][] = [];
  const isRoot = new Set(roots);
  const inputsOf = (node: Tensor) => (node.storage && !isRoot.has(node) ? [] : node.inputs);
  const stack = [...roots].reverse();
  while (stack.length > 0) {
    const node = stack.at(-1)!;
    const waiting = numbers.has(node) ? [] : inputsOf(node).filter((input) => !numbers.has(input));
    if (waiting.length > 0) {
      stack.push(...waiting.reverse());
      continue;
    }
    stack.pop();
    if (numbers.has(node)) continue;
    numbers.set(node, numbers.size);
    const inputs = inputsOf(node).map((input) => `%${numbers.get(input)}`);
    lines.push([
      `%${numbers.get(node)}`,
      inputsOf(node).length === node.inputs.length ? node.op.name : "data",
      `${node.dtype}[${node.shape.join(", ")}]`,
      inputs.join(" "),
      attributes(node),
      node.site ?? "",
    ]);
  }
  return `${columns(lines)}\nresults: ${roots.map((root) => `%${numbers.get(root)}`).join(" ")}`;
}

function attributes({ op, attrs }: Tensor): string {
  if (op.name === "literal") return String(attrs.value);
  return op.run.kind === "leaf" || Object.keys(attrs).length === 0 ? "" : JSON.stringify(attrs);
}

/**
 * The launches of a program, a line for each: kernel, workgroups, what it reads → what it writes, and the call site.
 * @example console.log(programText(step.inspect()[0])); // 0  matmul-lanes  4×1×1  argument0 (1.5 KiB), … → b0 (512 B)
 */
export function programText({ dispatches }: ProgramReport | Lowered): string {
  const sized = (buffer: VirtualBuffer) => `${nameOf(buffer)} (${bytesText(buffer.bytes)})`;
  const rows = dispatches.map((dispatch, i) => [
    String(i),
    dispatch.label,
    dispatch.workgroups.join("×"),
    `${dispatch.reads.map(sized).join(", ")} → ${dispatch.writes.map(sized).join(", ")}`,
    dispatch.work.site ?? "",
  ]);
  return rows.length > 0 ? columns(rows) : "nothing to launch";
}

/**
 * The slots of a plan, a line for each: its bytes and the buffers that take turns in it.
 * @example console.log(planText(step.inspect()[0].plan)); // slot 0  1.5 KiB  b3 b7 …
 */
export function planText({ slots, slotOf, peakBytes }: Plan): string {
  const rows = slots.map((bytes, slot) => {
    const buffers = [...slotOf].flatMap(([buffer, at]) => (at === slot ? [nameOf(buffer)] : []));
    return [`slot ${slot}`, bytesText(bytes), buffers.join(" ")];
  });
  const apart = [...slotOf.keys()].reduce((sum, { bytes }) => sum + bytes, 0);
  const summary = `${slotOf.size} buffers of ${bytesText(apart)} in ${slots.length} slots of ${bytesText(peakBytes)}`;
  return rows.length > 0 ? `${columns(rows)}\n${summary}` : summary;
}

/** The WGSL of every kernel of a program, once each. */
function codeText({ dispatches }: Lowered): string {
  const labels = new Map(dispatches.map(({ code, label }) => [code, label]));
  return [...labels].map(([code, label]) => `// ${label}\n${code}`).join("\n");
}

/** Arguments of the traced function have negative numbers of their own. */
function nameOf({ kind, id }: VirtualBuffer): string {
  if (kind === "scalars") return "numbers";
  if (kind === "input") return id < 0 ? `argument${-2 - id}` : `data${id}`;
  return `${kind === "output" ? "result" : "b"}${id}`;
}

/** Bytes for people: "4 B", "1.5 KiB", "3.0 MiB". */
export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(3, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 2 ** (10 * power)).toFixed(1)} ${["KiB", "MiB", "GiB"][power - 1]}`;
}

/** Rows of text in columns two spaces apart; those in `right` are aligned to the right. */
export function columns(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = rows[0]?.map((_, c) => Math.max(...rows.map((row) => row[c].length))) ?? [];
  const line = (row: readonly string[]) =>
    row.map((cell, c) => (right.includes(c) ? cell.padStart(widths[c]) : cell.padEnd(widths[c]))).join("  ");
  return rows.map((row) => line(row).trimEnd()).join("\n");
}
