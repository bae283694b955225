import { DTYPES, type DType } from "./dtype.ts";
import type { Finish } from "./epilogue.ts";
import type { Expr } from "./expr.ts";
import { type Shape, sizeOf } from "./shape.ts";
import { collapse, contiguous, type View } from "./view.ts";
import { hidden, toStored, Writer } from "./writer.ts";

/** A kernel made from an expression, alone in its launch or side by side with others. */
export interface GeneratedKernel {
  /** Buffers, and `finish` where there is one. */
  readonly declarations: readonly string[];
  /** Helpers that expressions call; several kernels may share them. */
  readonly functions: ReadonlySet<string>;
  readonly half: boolean;
  /** Statements for the element of flat index `i`. */
  readonly body: readonly string[];
  /** Elements. */
  readonly count: number;
}

/** What tells the names of one kernel from those of others in the same launch, and where its bindings begin. */
export interface Names {
  readonly tag: string;
  readonly binding: number;
}

const WIDTH = 64;
/** Workgroups side by side before there is a second row of them; a test makes it small. */
export const grid = { widest: 32768 };

/** Workgroups for one invocation per element, folded into two dimensions where one is not enough. */
export function gridFor(count: number, width = WIDTH): readonly [number, number, number] {
  const groups = Math.max(1, Math.ceil(count / width));
  const y = Math.ceil(groups / grid.widest);
  return [Math.ceil(groups / y), y, 1];
}

/** The launch of one or several generated kernels: each invocation computes one element of one of them. */
export function launchGenerated(kernels: readonly GeneratedKernel[]): {
  code: string;
  workgroups: readonly [number, number, number];
} {
  const total = kernels.reduce((sum, { count }) => sum + count, 0);
  const workgroups = gridFor(total);
  let end = 0;
  const choose = kernels.map(({ count }, k) => {
    const start = end;
    end += count;
    return `  if (i < ${end}u) { part${k}(i - ${start}u); return; }`;
  });
  const [only, ...others] = kernels;
  const parts = others.length > 0 ? kernels.map(({ body }, k) => [`fn part${k}(i: u32) {`, ...body, "}"]) : [];
  const text = [
    ...kernels.flatMap(({ declarations }) => declarations),
    ...new Set(kernels.flatMap(({ functions }) => [...functions])),
    ...parts.flat(),
    `@compute @workgroup_size(${WIDTH})`,
    "fn main(@builtin(global_invocation_id) id: vec3u) {",
    `  let i = id.x + id.y * ${workgroups[0] * WIDTH}u;`,
    `  if (i >= ${total}u) { return; }`,
    ...(others.length > 0 ? choose : only.body),
    "}",
  ].join("\n");
  const half = kernels.some((kernel) => kernel.half) ? ["enable f16;"] : [];
  return { code: [...half, ...hidden(text), text].join("\n"), workgroups };
}

/** `out[i] = expr` for every element of `shape`, or what `finish` makes of it. */
export function elementwiseKernel(
  expr: Expr,
  shape: Shape,
  dtype: DType,
  names: Names,
  finish?: Finish,
): GeneratedKernel {
  const writer = new Writer(expr, `${names.tag}b`);
  const merged = collapse(shape, [contiguous(shape), ...writer.views]);
  const body = [
    ...coordinates("c", "i", merged.shape),
    ...writer.statements(
      merged.views.slice(1).map((view) => indexOf(view, "c")),
      merged.views.slice(1).map((view) => boundsOf(view, "c")),
    ),
    storing(writer.result, dtype, names, finish),
  ];
  return writer.kernel(body, dtype, sizeOf(shape), names, finish);
}

/**
 * Folds the axes of `expr` after the first `kept` (all axes of `shape` in order kept, reduced). With `chunks` > 1 every
 * output is computed in that many parts, laid out [chunks, kept...], for a second fold to join.
 */
export function reduceKernel(
  expr: Expr,
  shape: Shape,
  kept: number,
  fold: "sum" | "max" | "min",
  dtype: DType,
  chunks: number,
  names: Names,
  finish?: Finish,
): GeneratedKernel {
  const writer = new Writer(expr, `${names.tag}b`);
  const outer = collapse(shape.slice(0, kept), [
    contiguous(shape.slice(0, kept)),
    ...writer.views.map((v) => part(v, 0, kept, v.offset)),
  ]);
  const inner = collapse(
    shape.slice(kept),
    writer.views.map((v) => part(v, kept, shape.length, 0)),
  );
  const outputs = sizeOf(shape.slice(0, kept));
  const extents = inner.shape.length ? inner.shape : [1];
  const length = Math.ceil(extents[0] / chunks);
  const index = writer.views.map((_, v) => `${indexOf(outer.views[v + 1], "c")} + ${indexOf(inner.views[v], "r")}`);
  const bounds = writer.views.map((_, v) =>
    [boundsOf(outer.views[v + 1], "c"), boundsOf(inner.views[v], "r")].filter(Boolean).join(" && "),
  );
  const type = DTYPES[dtype].computed;
  const first = fold === "sum" ? "0" : undefined;
  // the last chunks may be empty: a maximum folds the last element again there
  const chunkStart = first ? `chunk * ${length}u` : `min(chunk * ${length}u, ${extents[0] - 1}u)`;
  const join = fold === "sum" ? "acc + v" : `${fold}(acc, v)`;
  const body = [
    ...(chunks > 1 ? [`  let o = i % ${outputs}u;`, `  let chunk = i / ${outputs}u;`] : ["  let o = i;"]),
    ...coordinates("c", "o", outer.shape),
    first ? `  var acc = ${type}(${first});` : `  var acc: ${type}; var any = false;`,
    ...extents.map((extent, d) =>
      d === 0 && chunks > 1
        ? `  for (var r0 = ${chunkStart}; r0 < min(${extent}u, (chunk + 1u) * ${length}u); r0++) {`
        : `  for (var r${d} = 0u; r${d} < ${extent}u; r${d}++) {`,
    ),
    ...writer.statements(index, bounds),
    `    let v = ${writer.result};`,
    first ? `    acc = ${join};` : `    if (any) { acc = ${join}; } else { acc = v; any = true; }`,
    ...extents.map(() => "  }"),
    storing("acc", dtype, names, finish),
  ];
  return writer.kernel(body, dtype, outputs * chunks, names, finish);
}

const storing = (value: string, dtype: DType, { tag }: Names, finish?: Finish): string =>
  `  ${tag}out[i] = ${finish ? `${tag}finish(${value}, i)` : toStored(value, dtype)};`;

/** Steps of the outermost loop of `reduceKernel`, along which it can be cut into chunks. */
export function outermostFold(expr: Expr, shape: Shape, kept: number): number {
  const { views } = new Writer(expr);
  return (
    collapse(
      shape.slice(kept),
      views.map((v) => part(v, kept, shape.length, 0)),
    ).shape[0] ?? 1
  );
}

const part = (view: View, from: number, to: number, offset: number): View => ({
  shape: view.shape.slice(from, to),
  strides: view.strides.slice(from, to),
  offset,
  bounds: view.bounds?.slice(from, to),
});

/** Statements that split a flat index into coordinates, outermost first. */
function coordinates(name: string, flat: string, shape: Shape): string[] {
  let step = sizeOf(shape);
  return shape.map((extent, d) => {
    step /= extent;
    const high = step === 1 ? flat : `(${flat} / ${step}u)`;
    return `  let ${name}${d} = ${d === 0 ? high : `${high} % ${extent}u`};`;
  });
}

/** `i32` index of a view in terms of coordinates `name0`, `name1`, … */
function indexOf(view: View, name: string): string {
  const terms = view.strides.flatMap((stride, d) =>
    stride === 0 || view.shape[d] === 1 ? [] : [stride === 1 ? `i32(${name}${d})` : `i32(${name}${d}) * ${stride}`],
  );
  if (view.offset !== 0 || terms.length === 0) terms.push(`${view.offset}`);
  return terms.join(" + ");
}

/** Condition that the coordinates lie inside a padded view's data; empty where they always do. */
function boundsOf(view: View, name: string): string {
  if (!view.bounds) return "";
  return view.bounds
    .flatMap(([low, high], d) => [
      ...(low > 0 ? [`${name}${d} >= ${low}u`] : []),
      ...(high < view.shape[d] ? [`${name}${d} < ${high}u`] : []),
    ])
    .join(" && ");
}
