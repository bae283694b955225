import fc from "fast-check";
import { normals } from "../src/autograd/check.ts";
import type { DType } from "../src/tensor/dtype.ts";
import * as coop from "../src/tensor/index.ts";
import { type Attrs, allOps, type Op } from "../src/tensor/op.ts";
import { after, custom, identity } from "../src/tensor/ops/view.ts";
import type { Shape } from "../src/tensor/shape.ts";
import { apply, type Tensor } from "../src/tensor/tensor.ts";
import { type Argument, argument, type Domain, extent, LOOKS, type Look, look, numbers, shape } from "./arguments.ts";

const { abs, add, log, max, mul, sum } = coop;

/** One call of an op, as plain data. */
export interface Call {
  readonly args: readonly Argument[];
  readonly attrs: Attrs;
}

/** How to try an op. */
export interface OpCase {
  readonly calls: fc.Arbitrary<Call>;
  readonly apply: (inputs: readonly Tensor[], attrs: Attrs) => Tensor;
  /** Error allowed to the GPU in float32, in units of 2⁻²³: a graph of the op's inputs and output. Absent: none. */
  readonly bound?: (inputs: readonly Tensor[], output: Tensor, attrs: Attrs) => Tensor;
  /** Derivatives to check: none, the first, or (where smooth) the second too. */
  readonly order: 0 | 1 | 2;
  /** Step of the differences where kinks lie close. */
  readonly step?: number;
}

type Bound = OpCase["bound"];
const ulps =
  (n: number): Bound =>
  (_, y) =>
    mul(abs(y), n);
const within =
  (error: number): Bound =>
  (_, y) =>
    coop.full(y.shape, error / 2 ** -23);

// ---- elementwise ----------------------------------------------------------------------------------------------------

const FLOATS: readonly DType[] = ["f32", "f32", "f32", "f16"];
const NUMBERS: readonly DType[] = ["f32", "f32", "i32", "u32"];
const ANY: readonly DType[] = ["f32", "i32", "u32", "bool"];

const domainFor = (dtype: DType, domain: Domain): Domain =>
  dtype === "bool" ? "bool" : dtype === "f32" || dtype === "f16" || domain === "shift" ? domain : "whole";

const op = (name: string): Op => {
  const found = allOps().find((o) => o.name === name);
  if (!found) throw new Error(`no op is called ${name}`);
  return found;
};

/** Shapes that broadcast to a shape: axes of extent 1, leading axes missing. */
const narrower = (to: Shape): fc.Arbitrary<number[]> =>
  fc.tuple(fc.nat(2 ** to.length - 1), fc.nat(to.length)).map(([ones, dropped]) => {
    const from = to.map((n, i) => ((ones >> i) & 1 && n !== 0 ? 1 : n));
    const lead = to.slice(0, dropped).every((n) => n !== 0) ? dropped : 0;
    return from.slice(lead);
  });

interface Elementwise {
  readonly domains?: readonly Domain[];
  readonly dtypes?: readonly DType[];
  readonly bound?: Bound;
  readonly order?: 0 | 1 | 2;
}

/** An elementwise op on arguments that broadcast. */
function elementwise(
  f: (...args: Tensor[]) => Tensor,
  arity: 1 | 2,
  { domains = ["real", "other"], dtypes = FLOATS, bound, order = 2 }: Elementwise = {},
): OpCase {
  const zeros = domains.every((d) => d !== "positive" && d !== "powers");
  const calls = fc.tuple(fc.constantFrom(...dtypes), shape()).chain(([dtype, full]) => {
    const one = (i: number, to: Shape) =>
      argument(to, { dtype, domain: domainFor(dtype, domains[i]), zeros: zeros && dtype !== "u32" });
    if (arity === 1) return one(0, full).map((a) => ({ args: [a], attrs: {} }));
    return fc
      .oneof(fc.tuple(fc.constant(full), narrower(full)), fc.tuple(narrower(full), fc.constant(full)))
      .chain(([a, b]) => fc.tuple(one(0, a), one(1, b)))
      .map((args) => ({ args, attrs: {} }));
  });
  return { calls, apply: (inputs) => f(...inputs), bound, order };
}

/** exp and what is made of it lose digits as their argument grows. */
const grows =
  (base: number, by: number): Bound =>
  ([x], y) =>
    mul(abs(y), add(mul(abs(x), by), base));

const POW: Bound = ([a, b], y) => mul(abs(y), add(mul(abs(mul(b, log(abs(a)))), 4), 16));

const ELEMENTWISE: Record<string, OpCase> = {
  add: elementwise(coop.add, 2, { dtypes: NUMBERS, bound: ulps(1) }),
  sub: elementwise(coop.sub, 2, { dtypes: NUMBERS, bound: ulps(1) }),
  mul: elementwise(coop.mul, 2, { dtypes: NUMBERS, bound: ulps(1) }),
  div: elementwise(coop.div, 2, { domains: ["real", "powers"], bound: ulps(2.5) }),
  pow: elementwise(coop.pow, 2, { domains: ["positive", "other"], dtypes: ["f32"], bound: POW }),
  maximum: elementwise(coop.maximum, 2, { dtypes: NUMBERS, order: 1 }),
  minimum: elementwise(coop.minimum, 2, { dtypes: NUMBERS, order: 1 }),
  remainder: {
    ...elementwise(coop.remainder, 2, {
      domains: ["real", "powers"],
      dtypes: ["f32"],
      bound: ([a, b]) => mul(add(abs(a), abs(b)), 2),
      order: 1,
    }),
    step: 1e-5,
  },
  neg: elementwise(coop.neg, 1, { dtypes: ["f32", "f16", "i32"] }),
  abs: elementwise(coop.abs, 1, { order: 1 }),
  sign: elementwise(coop.sign, 1, { order: 0 }),
  floor: elementwise(coop.floor, 1, { order: 0 }),
  exp: elementwise(coop.exp, 1, { bound: grows(3, 2) }),
  log: elementwise(coop.log, 1, { domains: ["positive"], bound: (_, y) => add(mul(abs(y), 3), 4) }),
  sqrt: elementwise(coop.sqrt, 1, { domains: ["positive"], bound: ulps(3) }),
  rsqrt: elementwise(coop.rsqrt, 1, { domains: ["positive"], bound: ulps(3) }),
  square: elementwise(coop.square, 1, { bound: ulps(1) }),
  sin: elementwise(coop.sin, 1, { bound: within(2 ** -22) }),
  cos: elementwise(coop.cos, 1, { bound: within(2 ** -22) }),
  roughCos: elementwise((x) => apply(op("roughCos"), [x]), 1, { dtypes: ["f32"], bound: within(2 ** -11), order: 0 }),
  tanh: elementwise(coop.tanh, 1, { bound: within(2 ** -20) }),
  sigmoid: elementwise(coop.sigmoid, 1, { bound: grows(6, 2) }),
  relu: elementwise(coop.relu, 1, { order: 1 }),
  quickGelu: elementwise(coop.quickGelu, 1, { bound: grows(8, 4) }),
  erf: elementwise(coop.erf, 1, { bound: within(2 ** -21) }),
  equal: elementwise(coop.equal, 2, { domains: ["coarse", "coarse"], dtypes: ANY, order: 0 }),
  notEqual: elementwise(coop.notEqual, 2, { domains: ["coarse", "coarse"], dtypes: ANY, order: 0 }),
  less: elementwise(coop.less, 2, { domains: ["coarse", "coarse"], dtypes: NUMBERS, order: 0 }),
  lessEqual: elementwise(coop.lessEqual, 2, { domains: ["coarse", "coarse"], dtypes: NUMBERS, order: 0 }),
  greater: elementwise(coop.greater, 2, { domains: ["coarse", "coarse"], dtypes: NUMBERS, order: 0 }),
  greaterEqual: elementwise(coop.greaterEqual, 2, { domains: ["coarse", "coarse"], dtypes: NUMBERS, order: 0 }),
  logicalAnd: elementwise(coop.logicalAnd, 2, { domains: ["bool", "bool"], dtypes: ["bool"], order: 0 }),
  logicalOr: elementwise(coop.logicalOr, 2, { domains: ["bool", "bool"], dtypes: ["bool"], order: 0 }),
  logicalNot: elementwise(coop.logicalNot, 1, { domains: ["bool"], dtypes: ["bool"], order: 0 }),
  finite: elementwise(coop.finite, 1, { order: 0 }),
  shiftRight: elementwise(coop.shiftRight, 2, { domains: ["whole", "shift"], dtypes: ["u32"], order: 0 }),
  threefry: elementwise((a) => apply(op("threefry"), [a, coop.mul(a, 3), coop.add(a, 7)]), 1, {
    domains: ["whole"],
    dtypes: ["u32"],
    order: 0,
  }),
  where: {
    calls: shape().chain((full) =>
      fc
        .tuple(narrower(full), narrower(full), fc.constantFrom(...ANY))
        .chain(([a, b, dtype]) =>
          fc.tuple(
            argument(full, { dtype: "bool", domain: "bool" }),
            argument(a, { dtype, domain: domainFor(dtype, "real") }),
            argument(b, { dtype, domain: domainFor(dtype, "other") }),
          ),
        )
        .map((args) => ({ args, attrs: {} })),
    ),
    apply: ([condition, a, b]) => coop.where(condition, a, b),
    order: 2,
  },
  cast: {
    calls: fc
      .tuple(
        shape(),
        fc.constantFrom<DType>("f32", "f16", "i32", "u32", "bool"),
        fc.constantFrom<DType>("f32", "f16", "i32", "u32", "bool"),
      )
      .chain(([to, from, dtype]) =>
        argument(to, { dtype: from, domain: domainFor(from, "wide") }).map((a) => ({ args: [a], attrs: { dtype } })),
      ),
    apply: ([x], { dtype }) => coop.cast(x, dtype as DType),
    bound: ulps(0),
    order: 2,
  },
};

// ---- views ----------------------------------------------------------------------------------------------------------

/** A view op: what `LOOKS` says of it, on top of an argument that is itself seen in some way. */
function view(kind: Look["kind"]): OpCase {
  return {
    calls: fc
      .tuple(shape(), numbers, fc.constantFrom<DType>("f32", "f32", "f16", "i32", "bool"))
      .chain(([to, random, dtype]) => {
        const attrs = LOOKS[kind](to, random);
        return argument(attrs.from, { dtype, domain: domainFor(dtype, "real") }).map((a) => ({
          args: [a],
          attrs: { ...attrs },
        }));
      }),
    apply: ([x], attrs) => look(x, attrs as unknown as Look),
    order: 2,
  };
}

const VIEWS: Record<string, OpCase> = {
  reshape: view("reshape"),
  broadcastTo: view("broadcast"),
  transpose: view("transpose"),
  slice: view("slice"),
  pad: view("pad"),
  flip: view("flip"),
  identity: elementwise(identity, 1),
  stopGradient: elementwise(coop.stopGradient, 1, { order: 0 }),
  after: elementwise((x, y) => after(x, coop.exp(y)), 2),
  custom: elementwise((x) => custom(coop.exp(x), [x], (g, y) => [mul(g, y)]), 1, {
    dtypes: ["f32"],
    bound: grows(3, 2),
  }),
};

const LEAVES: Record<string, OpCase> = {
  literal: {
    calls: fc
      .tuple(
        shape(),
        fc.oneof(
          fc.constantFrom(0, -0, 1, 0.1, 1e20, -1e-30, 3e38, 1.5e-45),
          fc.float({ noNaN: true, noDefaultInfinity: true }),
        ),
      )
      .map(([to, value]) => ({ args: [], attrs: { shape: to, value: Math.abs(value) < 2 ** -126 ? 0 : value } })),
    apply: (_, { shape: to, value }) => coop.full(to as Shape, value as number),
    bound: ulps(1),
    order: 0,
  },
  iota: {
    calls: fc
      .tuple(extent(), fc.constantFrom<DType>("i32", "u32", "f32"))
      .map(([count, dtype]) => ({ args: [], attrs: { count, dtype } })),
    apply: (_, { count, dtype }) => coop.arange(count as number, dtype as DType),
    order: 0,
  },
};

// ---- reductions and rows --------------------------------------------------------------------------------------------

/** Some axes, often all of them. */
const chosen = (rank: number): fc.Arbitrary<number[]> =>
  fc
    .nat(2 ** rank + 2)
    .map((bits) => Array.from({ length: rank }, (_, i) => i).filter((i) => bits >= 2 ** rank || (bits >> i) & 1));

function reduction(
  f: typeof sum,
  dtypes: readonly DType[],
  domain: Domain,
  options: { empty: boolean; order: 1 | 2; bound?: Bound },
): OpCase {
  return {
    calls: fc
      .tuple(shape(0, 5, { empty: options.empty }), fc.constantFrom(...dtypes))
      .chain(([from, dtype]) =>
        fc.tuple(argument(from, { dtype, domain: domainFor(dtype, domain) }), chosen(from.length), fc.boolean()),
      )
      .map(([a, axes, keepDims]) => ({ args: [a], attrs: { axes, keepDims } })),
    apply: ([x], { axes, keepDims }) => f(x, axes as number[], { keepDims: keepDims as boolean }),
    bound: options.bound,
    order: options.order,
  };
}

/** Rounding of a sum of so many terms of such sizes. */
const summed = (sizes: Tensor, count: number): Tensor => mul(sizes, 4 + 2 * Math.sqrt(count));

const rows = (
  f: (x: Tensor, attrs: Attrs) => Tensor,
  attrs: fc.Arbitrary<Attrs>,
  domain: Domain,
  bound: Bound,
): OpCase => ({
  calls: fc
    .tuple(shape(1, 4, { empty: false }), attrs, fc.constantFrom(...FLOATS))
    .chain(([from, more, dtype]) => argument(from, { dtype, domain }).map((a) => ({ args: [a], attrs: more }))),
  apply: ([x], more) => f(x, more),
  bound,
  order: 2,
});

const epsilon = fc.constantFrom(0.05, 1).map((e) => ({ epsilon: e }));
const rowWidth = (x: Tensor) => x.shape[x.rank - 1];

/** Size of the rounding errors of standardize: they are divided by the deviation. */
const standardized = (x: Tensor, e: number): Tensor => {
  const centred = coop.sub(x, coop.mean(x, -1, { keepDims: true }));
  const scale = coop.rsqrt(add(coop.mean(coop.square(centred), -1, { keepDims: true }), e));
  return mul(
    mul(add(max(abs(x), -1, { keepDims: true }), 1), add(scale, mul(mul(scale, scale), scale))),
    rowWidth(x) + 16,
  );
};

const ROWS: Record<string, OpCase> = {
  sum: reduction(sum, NUMBERS, "real", {
    empty: true,
    order: 2,
    bound: ([x], y, { axes, keepDims }) =>
      summed(sum(abs(x), axes as number[], { keepDims: keepDims as boolean }), x.size / Math.max(1, y.size)),
  }),
  max: reduction(max, ["f32", "f32", "i32", "u32"], "distinct", { empty: false, order: 1 }),
  min: reduction(coop.min, ["f32", "f32", "i32", "u32"], "distinct", { empty: false, order: 1 }),
  softmax: rows(
    (x) => coop.softmax(x),
    fc.constant({}),
    "real",
    ([x], y) => mul(y, add(mul(coop.sub(max(x, -1, { keepDims: true }), x), 2), 24 + 2 * Math.sqrt(rowWidth(x)))),
  ),
  logSumExp: rows(
    (x, { axis }) => coop.logSumExp(x, axis as number),
    fc.constantFrom({ axis: -1 }, { axis: -1 }, { axis: 0 }),
    "real",
    ([x], y) => add(mul(abs(y), 4), add(mul(max(abs(x)), 2), 24 + 2 * Math.sqrt(x.size))),
  ),
  crossEntropy: {
    calls: fc
      .tuple(
        fc.constantFrom(1, 3, 4, 5, 150),
        fc.constantFrom(1, 3, 9, 17, 40),
        fc.constantFrom<DType>("i32", "u32"),
        fc.constantFrom(0, 0.25),
      )
      .chain(([count, classes, type, smoothing]) =>
        fc
          .tuple(argument([count, classes]), argument([count], { dtype: type, domain: "index", zeros: true }))
          .map((args) => ({ args, attrs: { smoothing } })),
      ),
    apply: ([x, labels], attrs) => apply(op("crossEntropy"), [x, labels, coop.logSumExp(x)], attrs),
    bound: ([x]) => add(mul(max(abs(x)), 8), 32 + 2 * Math.sqrt(rowWidth(x))),
    order: 2,
  },
  standardize: rows(
    (x, { epsilon: e }) => coop.standardize(x, e as number),
    epsilon,
    "real",
    ([x], _, { epsilon: e }) => standardized(x, e as number),
  ),
  layerNorm: {
    calls: fc
      .tuple(shape(1, 4, { empty: false }), epsilon, fc.constantFrom(...FLOATS))
      .chain(([from, attrs, dtype]) =>
        fc
          .tuple(
            argument(from, { dtype }),
            argument([from.at(-1)!], { dtype, domain: "other" }),
            argument([from.at(-1)!]),
          )
          .map((args) => ({ args, attrs })),
      ),
    apply: ([x, weight, bias], { epsilon: e }) => coop.layerNorm(x, weight, bias, e as number),
    bound: ([x, weight, bias], _, { epsilon: e }) =>
      add(mul(standardized(x, e as number), add(max(abs(weight)), 1)), mul(max(abs(bias)), 4)),
    order: 2,
  },
  layerNormGrad: {
    calls: fc
      .tuple(shape(1, 4, { empty: false }), epsilon)
      .chain(([from, attrs]) =>
        fc
          .tuple(argument(from), argument([from.at(-1)!]), argument(from, { domain: "other" }))
          .map((args) => ({ args, attrs })),
      ),
    apply: (inputs, attrs) => apply(op("layerNormGrad"), inputs, attrs),
    bound: ([x, gain, g], _, { epsilon: e }) =>
      mul(standardized(x, e as number), add(mul(max(abs(g), -1, { keepDims: true }), max(abs(gain))), 1)),
    order: 2,
  },
  l2Normalize: rows(
    (x, { epsilon: e }) => coop.l2Normalize(x, -1, e as number),
    epsilon,
    "real",
    ([x], y) => mul(abs(y), rowWidth(x) + 16),
  ),
  l2NormalizeGrad: {
    calls: fc
      .tuple(shape(1, 4, { empty: false }), epsilon)
      .chain(([from, attrs]) =>
        fc.tuple(argument(from), argument(from, { domain: "other" })).map((args) => ({ args, attrs })),
      ),
    apply: (inputs, attrs) => apply(op("l2NormalizeGrad"), inputs, attrs),
    bound: ([x, g], _, { epsilon: e }) => {
      const scale = coop.rsqrt(add(sum(coop.square(x), -1, { keepDims: true }), e as number));
      return mul(mul(max(abs(g), -1, { keepDims: true }), scale), rowWidth(x) ** 1.5 + 32);
    },
    order: 2,
  },
  orderKey: {
    calls: fc
      .tuple(
        shape(),
        fc.constantFrom<DType>("f32", "f32", "f16", "i32", "u32"),
        fc.constantFrom<Domain>("coarse", "real"),
      )
      .chain(([from, dtype, domain]) =>
        argument(from, { dtype, domain: domainFor(dtype, domain) }).map((a) => ({ args: [a], attrs: {} })),
      ),
    apply: (inputs) => apply(op("orderKey"), inputs),
    order: 0,
  },
  topKIndices: {
    calls: fc
      .tuple(shape(1, 3, { empty: false }), fc.constantFrom<DType>("f32", "f32", "i32", "u32"), fc.nat())
      .chain(([from, dtype, k]) =>
        argument(from, { dtype, domain: "coarse" }).map((a) => ({
          args: [a],
          attrs: { k: (k % Math.min(9, from.at(-1)!)) + 1 },
        })),
      ),
    apply: ([x], { k }) => coop.topKIndices(x, k as number),
    order: 0,
  },
};

// ---- products, tables, windows --------------------------------------------------------------------------------------

const side = fc.constantFrom(1, 3, 4, 5, 8, 9, 15, 16, 17, 31, 32, 33, 0);
const batch = fc.constantFrom([], [], [2], [2, 3], [3, 2], [2, 1, 3], [2, 3, 2], [3, 2, 2], [2, 1, 2, 2]);

const MATMUL: OpCase = {
  calls: fc
    .tuple(
      side,
      side,
      side,
      batch,
      fc.boolean(),
      fc.boolean(),
      fc.constantFrom(0, 0, 0, 1, 2),
      fc.constantFrom(...FLOATS),
      fc.constantFrom(...FLOATS),
    )
    .chain(([m, k, n, lead, transposeA, transposeB, vector, dtypeA, dtypeB]) =>
      fc
        .oneof(fc.tuple(fc.constant(lead), narrower(lead)), fc.tuple(narrower(lead), fc.constant(lead)))
        .chain(([leadA, leadB]) =>
          fc.tuple(
            argument(vector === 1 ? [k] : [...leadA, ...(transposeA ? [k, m] : [m, k])], { dtype: dtypeA }),
            argument(vector === 2 ? [k] : [...leadB, ...(transposeB ? [n, k] : [k, n])], {
              dtype: dtypeB,
              domain: "other",
            }),
          ),
        )
        .map((args) => ({
          args,
          attrs: { transposeA: transposeA && vector !== 1, transposeB: transposeB && vector !== 2 },
        })),
    ),
  apply: ([a, b], attrs) => coop.matmul(a, b, attrs),
  bound: ([a, b], _, attrs) => summed(coop.matmul(abs(a), abs(b), attrs), a.shape.at(-1)!),
  order: 2,
};

/** Sequences behind a shared prefix, then keys that nobody sees. */
interface Rows {
  readonly prefix: number;
  readonly lengths: readonly number[];
  readonly unseen: number;
  readonly causal: boolean;
  /** The rows that ask, in this order. A key is read by two ranges of those that ask twice. */
  readonly queries: "all" | "last" | "twice";
}

function patternOf({ prefix, lengths, unseen, causal, queries }: Rows): coop.AttentionPattern {
  const lastOnly = queries === "last";
  const spans: coop.Spans[] = Array.from({ length: lastOnly ? 0 : prefix }, (_, t) => [
    0,
    0,
    0,
    causal ? t + 1 : prefix,
  ]);
  let start = prefix;
  for (const length of lengths) {
    for (let t = lastOnly ? length - 1 : 0; t < length; t++)
      spans.push([0, prefix, start, start + (causal ? t + 1 : length)]);
    start += length;
  }
  return coop.attentionPattern(queries === "twice" ? [...spans, ...spans] : spans, start + unseen);
}

/** Attention of some rows: its arguments are q, k, v and, for the gradients, g. */
function attention(
  arity: 3 | 4,
  f: (inputs: readonly Tensor[], pattern: coop.AttentionPattern, attrs: Attrs) => Tensor,
): OpCase {
  return {
    calls: fc
      .record({
        // few layouts, since each compiles kernels of its own
        layout: fc.constantFrom(
          { prefix: 0, lengths: [5], unseen: 2 },
          { prefix: 3, lengths: [2, 8, 1], unseen: 0 },
          { prefix: 9, lengths: [1, 1], unseen: 0 },
          { prefix: 1, lengths: [2, 5, 5, 8], unseen: 0 },
        ),
        causal: fc.boolean(),
        queries: fc.constantFrom("all" as const, "last" as const, "twice" as const),
        heads: fc.constantFrom(1, 3),
        width: fc.constantFrom(8, 8, 8, 9, 1),
        valueWidth: fc.constantFrom(8, 8, 8, 5),
        scale: fc.constantFrom(0.25, 1, 0.5),
        dtype: fc.constantFrom(...FLOATS),
      })
      .chain(({ heads, width, valueWidth, scale, dtype, layout, ...which }) => {
        const rows = { ...layout, ...which };
        const [queries, keys] = Object.values(patternOf(rows)).map(({ shape: [n] }) => n);
        const shapes = [
          [queries, heads, width],
          [keys, heads, width],
          [keys, heads, valueWidth],
          [queries, heads, valueWidth],
        ];
        const args = shapes
          .slice(0, arity)
          .map((to, i) => argument(to, { dtype, domain: i % 2 === 0 ? "real" : "other" }));
        return fc.tuple(...args).map((made) => ({ args: made, attrs: { ...rows, scale } }));
      }),
    apply: (inputs, attrs) => f(inputs, patternOf(attrs as unknown as Rows), { scale: attrs.scale }),
    // sums of weights times values, and weights as exact as their scores
    bound: ([q, k, v, g], _, attrs) => {
      const size = (x: Tensor) => add(max(abs(x)), 1);
      const scores = add(mul(mul(size(q), size(k)), (attrs.scale as number) * (q.shape[2] + 8)), 32);
      const summed = mul(mul(scores, size(v)), k.shape[0] + 16);
      return g ? mul(mul(summed, mul(size(g), add(size(q), size(k)))), 4 * (q.shape[0] + 8)) : summed;
    },
    order: 2,
  };
}

/** What the gradients of attention are given: sums that were kept. */
function kept([q, k, v, g]: readonly Tensor[], pattern: coop.AttentionPattern, attrs: Attrs) {
  const lse = apply(op("attentionLogSum"), [q, k, pattern.spans], attrs);
  return { lse, delta: sum(mul(g, coop.attend(q, k, v, pattern, attrs.scale as number)), -1) };
}

const ATTENTION: Record<string, OpCase> = {
  attention: attention(3, ([q, k, v], pattern, { scale }) => coop.attend(q, k, v, pattern, scale as number)),
  attentionLogSum: attention(3, ([q, k, v], pattern, attrs) =>
    add(apply(op("attentionLogSum"), [q, k, pattern.spans], attrs), mul(sum(coop.cast(v, "f32")), 0)),
  ),
  attentionGradQuery: attention(4, ([q, k, v, g], pattern, attrs) => {
    const { lse, delta } = kept([q, k, v, g], pattern, attrs);
    return apply(op("attentionGradQuery"), [q, k, v, g, lse, delta, pattern.spans], attrs);
  }),
  attentionGradKey: attention(4, ([q, k, v, g], pattern, attrs) => {
    const { lse, delta } = kept([q, k, v, g], pattern, attrs);
    return apply(op("attentionGradKey"), [q, k, v, g, lse, delta, pattern.readers], attrs);
  }),
  attentionGradValue: attention(4, ([q, k, v, g], pattern, attrs) => {
    const { lse } = kept([q, k, v, g], pattern, attrs);
    return apply(op("attentionGradValue"), [q, k, g, lse, pattern.readers], attrs);
  }),
};

const indexed = (indices: Shape, dtype: DType) => argument(indices, { dtype, domain: "index", zeros: true });
const indices = fc.tuple(shape(0, 2, { largest: 40 }), fc.constantFrom<DType>("i32", "u32"));

const GATHER: OpCase = {
  calls: fc
    .tuple(indices, extent(9), shape(0, 2, { largest: 33 }), fc.constantFrom(...ANY, "f16" as const))
    .chain(([[at, type], count, row, dtype]) =>
      fc.tuple(argument([count, ...row], { dtype, domain: domainFor(dtype, "real") }), indexed(at, type)),
    )
    .map((args) => ({ args, attrs: {} })),
  apply: ([table, at]) => coop.gather(table, at),
  order: 2,
};

const SCATTER: OpCase = {
  calls: fc
    .tuple(indices, extent(17), shape(0, 2, { largest: 40 }), fc.constantFrom(...FLOATS))
    .chain(([[at, type], count, row, dtype]) =>
      fc
        .tuple(argument([...at, ...row], { dtype }), indexed(at, type))
        .map((args) => ({ args, attrs: { rows: count } })),
    ),
  apply: ([updates, at], attrs) => coop.scatterAdd(updates, at, attrs.rows as number),
  bound: ([updates, at], _, attrs) => summed(coop.scatterAdd(abs(updates), at, attrs.rows as number), at.size),
  order: 2,
};

const SEGMENTS: OpCase = {
  calls: fc
    .tuple(
      fc.array(fc.integer({ min: -1, max: 5 }), { minLength: 1, maxLength: 20 }),
      shape(0, 2, { largest: 100 }),
      fc.constantFrom(...FLOATS),
    )
    .chain(([index, row, dtype]) =>
      argument([index.length, ...row], { dtype }).map((a) => ({ args: [a], attrs: { index } })),
    ),
  apply: ([updates], attrs) => {
    const { index, places, starts } = coop.rowIndex(Int32Array.from(attrs.index as number[]), 6);
    return apply(op("segmentSum"), [updates, places, starts, index]);
  },
  bound: ([updates], _, attrs) => {
    const { index, places, starts } = coop.rowIndex(Int32Array.from(attrs.index as number[]), 6);
    return summed(apply(op("segmentSum"), [abs(updates), places, starts, index]), index.size);
  },
  order: 2,
};

/** Lines of 40 pixels' width at most, taps of up to 5 weights: places and weights come from a seed. */
const RESAMPLE: OpCase = {
  calls: fc
    .tuple(
      fc.constantFrom(1, 3, 16, 17),
      fc.constantFrom(1, 5, 33),
      fc.constantFrom<"across" | "down">("across", "down"),
      fc.nat(),
    )
    .chain(([lines, width, direction, seed]) =>
      fc
        .tuple(
          argument([12 * width], { dtype: "u32", domain: "whole" }),
          argument([12 * width], { dtype: "u32", domain: "whole" }),
        )
        .map((args) => ({ args, attrs: { lines, width, direction, seed } })),
    ),
  apply: ([low, high], { lines, width, direction, seed }) => {
    const [count, across] = [lines as number, direction === "across"];
    const perLine = across ? (width as number) : 1;
    const random = normals(seed as number);
    const upTo = (most: number) => Math.min(most, Math.floor(Math.abs(random()) * (most / 2)));
    const taps = [];
    const weights: number[] = [];
    for (let t = 0; t < count * perLine; t++) {
      taps.push(upTo(4), weights.length);
      const some = Array.from({ length: 1 + upTo(4) }, random);
      const size = Math.max(
        1e-3,
        some.reduce((total, w) => total + Math.abs(w), 0),
      );
      weights.push(...some.map((w) => Math.round((w / size) * 1.9 * 2 ** 22)));
    }
    const places = Array.from({ length: count }, (_, l) => [upTo(3) * (width as number), l * perLine]).flat();
    const ints = (values: number[], to: Shape) => coop.tensor(Int32Array.from(values), to);
    return coop.resample(
      {
        pixels: add(low, mul(high, 65536)), // the upper byte is to be left alone
        lines: ints(places, [count, 2]),
        taps: ints([...taps, 0, weights.length], [count * perLine + 1, 2]),
        weights: ints(weights, [weights.length]),
      },
      direction as "across" | "down",
      width as number,
    );
  },
  order: 0,
};

interface Window {
  readonly size: readonly [number, number];
  readonly stride: number;
  readonly padding: number;
  readonly image: readonly number[];
}

const window: fc.Arbitrary<Window> = fc
  .record({
    size: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    stride: fc.integer({ min: 1, max: 4 }),
    padding: fc.integer({ min: 0, max: 2 }),
    image: fc.tuple(
      fc.integer({ min: 0, max: 2 }),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom(4, 5, 7, 8, 9),
      fc.constantFrom(4, 5, 7, 8, 9),
    ),
  })
  .map((w) => ({ ...w }));

const unfolded = (w: Window): Tensor => coop.unfold(coop.zeros(w.image), w.size, w);
const onWindows = (from: (w: Window) => Shape, f: (x: Tensor, w: Window) => Tensor, bound?: Bound): OpCase => ({
  calls: fc
    .tuple(window, fc.constantFrom(...FLOATS))
    .chain(([w, dtype]) => argument(from(w), { dtype }).map((a) => ({ args: [a], attrs: { ...w } }))),
  apply: ([x], attrs) => f(x, attrs as unknown as Window),
  bound,
  order: 2,
});

const CONV2D: OpCase = {
  calls: fc
    .tuple(window, fc.constantFrom(1, 3, 8, 9), fc.constantFrom(...FLOATS))
    .chain(([w, channels, dtype]) =>
      fc
        .tuple(argument(w.image, { dtype }), argument([channels, w.image[1], ...w.size], { dtype, domain: "other" }))
        .map((args) => ({ args, attrs: { stride: w.stride, padding: w.padding } })),
    ),
  apply: ([x, weight], attrs) => coop.conv2d(x, weight, attrs),
  bound: ([x, weight], _, attrs) => summed(coop.conv2d(abs(x), abs(weight), attrs), weight.size / weight.shape[0]),
  order: 2,
};

const fold = (x: Tensor, w: Window): Tensor => apply(op("fold"), [x], unfolded(w).attrs);

/** How every op of the library is tried, by name. */
export const CASES: Readonly<Record<string, OpCase>> = {
  ...LEAVES,
  ...ELEMENTWISE,
  ...VIEWS,
  ...ROWS,
  matmul: MATMUL,
  ...ATTENTION,
  gather: GATHER,
  scatterAdd: SCATTER,
  segmentSum: SEGMENTS,
  resample: RESAMPLE,
  conv2d: CONV2D,
  unfold: onWindows(
    (w) => w.image,
    (x, w) => coop.unfold(x, w.size, w),
  ),
  fold: onWindows(
    (w) => unfolded(w).shape,
    fold,
    ([x], _, w) => mul(fold(abs(x), w as unknown as Window), 16),
  ),
};
