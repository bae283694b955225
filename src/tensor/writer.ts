import type { GeneratedKernel, Names } from "./codegen.ts";
import { DTYPES, type DType } from "./dtype.ts";
import type { Finish } from "./epilogue.ts";
import type { Expr, VirtualBuffer } from "./expr.ts";
import type { View } from "./view.ts";

/** WGSL for one number; infinities and NaN hide behind a variable, since constants of them are not allowed. */
export function literalOf(value: number, dtype: DType): string {
  if (dtype === "bool") return value ? "true" : "false";
  if (dtype === "i32") return `i32(${value | 0})`;
  if (dtype === "u32") return `${value >>> 0}u`;
  const rounded = Math.fround(value);
  if (Number.isNaN(rounded)) return "bitcast<f32>(QUIET_NAN)";
  if (!Number.isFinite(rounded)) return `${rounded < 0 ? "-" : ""}bitcast<f32>(INFINITY)`;
  return `f32(${Object.is(rounded, -0) ? "-0.0" : rounded.toExponential()})`; // 1e20 in digits is no WGSL integer
}

/** What is kept in a buffer of a value as it is computed. */
export const toStored = (value: string, dtype: DType): string =>
  dtype === "bool" ? `select(0u, 1u, ${value})` : dtype === "f16" ? `f16(${value})` : value;

/** Declarations of the numbers that WGSL has no constants for, where a text uses them. */
export const hidden = (text: string): string[] => [
  ...(text.includes("INFINITY") ? ["var<private> INFINITY: u32 = 0x7f800000u;"] : []),
  ...(text.includes("QUIET_NAN") ? ["var<private> QUIET_NAN: u32 = 0x7fc00000u;"] : []),
];

const fromStored = (value: string, dtype: DType): string =>
  dtype === "bool" ? `(${value} != 0u)` : dtype === "f16" ? `f32(${value})` : value;

/** Turns an expression into statements; loads and shared parts are computed once. */
export class Writer {
  readonly buffers: VirtualBuffer[] = [];
  /** Values at hand: loads of these buffers are names. */
  readonly given = new Map<VirtualBuffer, string>();
  /** One view for each distinct load or index. */
  readonly views: View[] = [];
  private readonly leaves: { expr: Expr; name: string; view: number }[] = [];
  private readonly names = new Map<Expr, string>();
  private readonly lines: (string | { leaf: number })[] = [];
  readonly functions = new Set<string>();
  /** The name of the last expression's value. */
  result = "";

  /** @param prefix of the names of bound buffers */
  constructor(
    expr?: Expr,
    private readonly prefix = "b",
  ) {
    if (expr) this.add(expr);
  }

  /** Adds an expression; gives the name of its value. */
  add(expr: Expr): string {
    this.result = this.visit(expr);
    return this.result;
  }

  private visit(expr: Expr): string {
    const known = this.names.get(expr);
    if (known) return known;
    let name: string;
    if (expr.kind === "literal") name = literalOf(expr.value, expr.dtype);
    else if (expr.kind === "apply") {
      const args = expr.args.map((arg) => this.visit(arg));
      const { op } = expr;
      if (op.run.kind !== "expression") throw new Error(`${op.name} is not an expression`);
      if (op.run.functions) this.functions.add(op.run.functions);
      name = `t${this.lines.length}`;
      const inputs = expr.args.map((arg) => ({ shape: [], dtype: arg.dtype }));
      this.lines.push(`    let ${name} = ${op.run.wgsl(args, expr.attrs, { shape: [], dtype: expr.dtype }, inputs)};`);
    } else name = this.leaf(expr);
    this.names.set(expr, name);
    return name;
  }

  private leaf(expr: Extract<Expr, { view: View }>): string {
    const key = JSON.stringify(expr.view);
    const buffer = expr.kind === "load" ? expr.buffer : undefined;
    const given = buffer && this.given.get(buffer);
    if (given) return given;
    const same = this.leaves.find(
      (l) =>
        (l.expr.kind === "load" ? l.expr.buffer : undefined) === buffer &&
        JSON.stringify(this.views[l.view]) === key &&
        l.expr.dtype === expr.dtype,
    );
    if (same) return same.name;
    if (buffer && !this.buffers.includes(buffer)) this.buffers.push(buffer);
    const name = `x${this.leaves.length}`;
    this.lines.push({ leaf: this.leaves.length });
    this.leaves.push({ expr, name, view: this.views.push(expr.view) - 1 });
    return name;
  }

  /** The statements, given the index and the in-bounds condition of each view. */
  statements(index: readonly string[], bounds: readonly string[]): string[] {
    return this.lines.map((line) => {
      if (typeof line === "string") return line;
      const { expr, name, view } = this.leaves[line.leaf];
      const inside = bounds[view];
      if (expr.kind === "iota") {
        const value = `${DTYPES[expr.dtype].computed}(${index[view]})`;
        return `    let ${name} = ${inside ? `select(${literalOf(0, expr.dtype)}, ${value}, ${inside})` : value};`;
      }
      const slot = this.buffers.indexOf((expr as { buffer: VirtualBuffer }).buffer);
      // a padded view may lie wholly outside, at a constant index below 0
      const at = inside ? `max(${index[view]}, 0)` : index[view];
      const value = fromStored(`${this.prefix}${slot}[u32(${at})]`, expr.dtype);
      if (!inside) return `    let ${name} = ${value};`;
      return `    var ${name} = ${literalOf(0, expr.dtype)}; if (${inside}) { ${name} = ${value}; }`;
    });
  }

  kernel(
    body: readonly string[],
    dtype: DType,
    count: number,
    { tag, binding }: Names,
    finish?: Finish,
  ): GeneratedKernel {
    const declare = (at: number, access: string, name: string, type: string) =>
      `@group(0) @binding(${binding + at}) var<storage, ${access}> ${name}: array<${type}>;`;
    return {
      declarations: [
        ...this.buffers.map((b, i) => declare(i, "read", `${this.prefix}${i}`, DTYPES[b.dtype].stored)),
        declare(this.buffers.length, "read_write", `${tag}out`, finish?.stored ?? DTYPES[dtype].stored),
        ...(finish ? [finish.code] : []),
      ],
      functions: new Set([...this.functions, ...(finish?.functions ?? [])]),
      half: finish?.half || dtype === "f16" || this.buffers.some((b) => b.dtype === "f16"),
      body,
      count,
    };
  }
}
