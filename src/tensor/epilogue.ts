import { DTYPES, type DType } from "./dtype.ts";
import type { Expr, VirtualBuffer } from "./expr.ts";
import { sizeOf } from "./shape.ts";
import { collapse, isContiguous, type View } from "./view.ts";
import { toStored, Writer } from "./writer.ts";

/** Something that a launch stores: what its kernel computes, or an expression of what was stored before it. */
export interface Stored {
  readonly buffer: VirtualBuffer;
  readonly dtype: DType;
  readonly expr?: Expr;
}

/** The WGSL function `finish`, through which a kernel stores, and what it needs. */
export interface Finish {
  readonly code: string;
  readonly functions: ReadonlySet<string>;
  /** Type of the elements of the first output. */
  readonly stored: string;
  readonly half: boolean;
  /** Buffers bound behind the kernel's own. */
  readonly reads: readonly VirtualBuffer[];
  /** The first is bound as the kernel's output, the others last. */
  readonly writes: readonly VirtualBuffer[];
  /** Fields for the kernel's `Params`, with their values. */
  readonly fields: readonly Field[];
}

export interface Field {
  readonly name: string;
  readonly type: "u32" | "i32";
  readonly value: number;
}

/** How `finish` finds its other operands: from numbers in the code, or from fields of `Params`, the code serving all shapes. */
export type Places =
  | { readonly kind: "constants" }
  /** `columns`: extent of the index that the kernel passes as `column`. */
  | { readonly kind: "fields"; readonly columns: number };

/** Axes that an operand placed by fields may have once merged. */
const MAX_AXES = 3;

/** Whether an expression can be computed, element by element, by the launch that computes `inside`. */
export function fits(expr: Expr, inside: ReadonlySet<VirtualBuffer>, count: number, places: Places): boolean {
  if (expr.kind === "apply") return expr.args.every((arg) => fits(arg, inside, count, places));
  if (expr.kind === "literal") return true;
  const { view } = expr;
  if (expr.kind === "load" && inside.has(expr.buffer)) return isContiguous(view) && sizeOf(view.shape) === count;
  return !view.bounds && (places.kind === "constants" || collapse(view.shape, [view]).shape.length <= MAX_AXES);
}

/**
 * `finish(value, i, column)` stores what is read of `stored` at the flat index i, and returns the first for the kernel to
 * store.
 *
 * @param stored what the kernel computes, then expressions
 * @param firstBinding the number of the kernel's output binding
 * @param tag what names begin with
 */
export function finishOf(
  stored: readonly Stored[],
  isRead: (buffer: VirtualBuffer) => boolean,
  firstBinding: number,
  places: Places,
  tag = "",
): Finish {
  const writer = new Writer(undefined, `${tag}e`);
  const names = stored.map(({ expr, buffer }) => {
    const name = expr ? writer.add(expr) : "value";
    writer.given.set(buffer, name);
    return name;
  });
  const fields: Field[] = [];
  const index = writer.views.map((view, v) => place(view, `E${v}`, places, fields));
  const outputs = stored.flatMap((output, i) => (isRead(output.buffer) ? [{ ...output, name: names[i] }] : []));
  const [first, ...others] = outputs;
  const type = DTYPES[stored[0].dtype].computed;
  const binding = (i: number, access: string, name: string, dtype: DType) =>
    `@group(0) @binding(${firstBinding + 1 + i}) var<storage, ${access}> ${name}: array<${DTYPES[dtype].stored}>;`;
  const { buffers } = writer;
  const code = [
    ...buffers.map((buffer, i) => binding(i, "read", `${tag}e${i}`, buffer.dtype)),
    ...others.map(({ dtype }, i) => binding(buffers.length + i, "read_write", `${tag}o${i}`, dtype)),
    `fn ${tag}finish(value: ${type}, i: u32${places.kind === "fields" ? ", column: u32" : ""}) -> ${DTYPES[first.dtype].stored} {`,
    ...writer.statements(index, []),
    ...others.map(({ name, dtype }, i) => `    ${tag}o${i}[i] = ${toStored(name, dtype)};`),
    `    return ${toStored(first.name, first.dtype)};`,
    "}",
  ].join("\n");
  return {
    code,
    functions: writer.functions,
    stored: DTYPES[first.dtype].stored,
    half: [...outputs, ...buffers].some(({ dtype }) => dtype === "f16"),
    reads: buffers,
    writes: outputs.map(({ buffer }) => buffer),
    fields,
  };
}

/** The `i32` index of a view's element in terms of `i` and `column`. */
function place(view: View, prefix: string, places: Places, fields: Field[]): string {
  if (isContiguous(view)) return "i32(i)";
  const {
    shape,
    views: [{ strides, offset }],
  } = collapse(view.shape, [view]);
  const last = shape.length - 1;
  const number = (name: string, type: Field["type"], value: number): string => {
    if (places.kind === "constants") return `${value}${type === "u32" ? "u" : ""}`;
    fields.push({ name: `${prefix}_${name}`, type, value });
    return `P.${prefix}_${name}`;
  };
  const rows = last === 1 && strides[0] === 0 && strides[1] === 1;
  if (places.kind === "fields" && rows && shape[1] === places.columns)
    return `i32(column) + ${number("OFFSET", "i32", offset)}`;
  const terms = strides.flatMap((stride, d) => {
    if (stride === 0) return [];
    const steps = sizeOf(shape.slice(d + 1));
    const high = d === last ? "i" : `i / ${number(`STEPS${d}`, "u32", steps)}`;
    const at = d === 0 ? high : `${high} % ${number(`EXTENT${d}`, "u32", shape[d])}`;
    return [`i32(${at}) * ${number(`STRIDE${d}`, "i32", stride)}`];
  });
  return [...terms, number("OFFSET", "i32", offset)].join(" + ");
}
