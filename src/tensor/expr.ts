import type { DType } from "./dtype.ts";
import type { Attrs, Op } from "./op.ts";
import type { Shape } from "./shape.ts";
import { changeView, type View, type ViewChange } from "./view.ts";

/** A buffer of the program: a borrowed input, a result, or a slot for something in between. */
export interface VirtualBuffer {
  readonly id: number;
  kind: "input" | "output" | "slot" | "scalars";
  readonly bytes: number;
  readonly dtype: DType;
}

/** What a fused kernel computes for each element; every node of one expression has the same logical shape. */
export type Expr =
  | { readonly kind: "load"; readonly buffer: VirtualBuffer; readonly view: View; readonly dtype: DType }
  | { readonly kind: "iota"; readonly view: View; readonly dtype: DType }
  | { readonly kind: "literal"; readonly value: number; readonly dtype: DType }
  | {
      readonly kind: "apply";
      readonly op: Op;
      readonly attrs: Attrs;
      readonly args: readonly Expr[];
      readonly dtype: DType;
    };

export type Load = Extract<Expr, { kind: "load" }>;

/** The buffers that an expression reads. */
export function buffersOf(expr: Expr, into = new Set<VirtualBuffer>()): Set<VirtualBuffer> {
  if (expr.kind === "load") into.add(expr.buffer);
  if (expr.kind === "apply") for (const arg of expr.args) buffersOf(arg, into);
  return into;
}

/** Number of operations in an expression, counted as a tree. */
export const costOf = (expr: Expr): number =>
  expr.kind === "apply" ? 1 + expr.args.reduce((sum, arg) => sum + costOf(arg), 0) : 0;

/** Computing it twice is no dearer than writing it once and reading it back. */
export function isCheap(expr: Expr): boolean {
  if (expr.kind !== "apply") return true;
  const buffers = buffersOf(expr).size;
  const cost = costOf(expr);
  return buffers === 0 ? cost <= 8 : buffers === 1 && cost <= 2;
}

/** The expression seen through a change of view, or undefined where the expression has to be stored first. */
export function changeExpr(expr: Expr, change: ViewChange): Expr | undefined {
  switch (expr.kind) {
    case "literal":
      return change.kind === "pad" ? undefined : expr;
    case "iota":
    case "load": {
      const view = changeView(expr.view, change);
      return view && { ...expr, view };
    }
    case "apply": {
      if (change.kind === "pad") return undefined; // op(0) need not be 0
      const args = expr.args.map((arg) => changeExpr(arg, change));
      return args.includes(undefined) ? undefined : { ...expr, args: args as Expr[] };
    }
  }
}

/** True where a change reads some elements more than once. */
export const repeats = (change: ViewChange, from: Shape, to: Shape): boolean =>
  change.kind === "broadcast" && from.reduce((a, b) => a * b, 1) < to.reduce((a, b) => a * b, 1);
