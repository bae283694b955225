import fc from "fast-check";
import type { DType } from "../src/tensor/dtype.ts";
import { isFloat } from "../src/tensor/dtype.ts";
import { floatToHalf, halfToFloat } from "../src/tensor/half.ts";
import {
  broadcastTo,
  flip,
  logicalNot,
  mul,
  pad,
  reshape,
  slice,
  sub,
  type Tensor,
  tensor,
  transpose,
} from "../src/tensor/index.ts";
import { type Shape, sizeOf } from "../src/tensor/shape.ts";

/** How a test case says what it wants: plain data, so that a failure prints as something one can read and rerun. */
export interface Argument {
  /** What the op sees. */
  readonly shape: Shape;
  readonly dtype: DType;
  readonly domain: Domain;
  /** Of its values. */
  readonly seed: number;
  /** How it came about, outermost last. */
  readonly views: readonly Look[];
}

/** A step between the stored tensor and what the op sees; says the shape before it. */
export type Look =
  | { readonly kind: "transpose"; readonly from: Shape; readonly perm: readonly number[] }
  | {
      readonly kind: "slice";
      readonly from: Shape;
      readonly starts: readonly number[];
      readonly ends: readonly number[];
    }
  | { readonly kind: "flip"; readonly from: Shape; readonly axes: readonly number[] }
  | { readonly kind: "broadcast"; readonly from: Shape; readonly shape: Shape }
  | { readonly kind: "pad"; readonly from: Shape; readonly widths: readonly (readonly [number, number])[] }
  | { readonly kind: "reshape"; readonly from: Shape; readonly shape: Shape }
  | { readonly kind: "compute"; readonly from: Shape };

/**
 * Where values come from. `real` and `other` keep 0.01 and more away from zero and from each other, `distinct` keeps
 * its elements that far from one another: the kinks of abs, relu, maximum, max … lie between, never within a step of
 * the differences. `coarse` has ties and zeros on purpose.
 */
export type Domain =
  | "real"
  | "other"
  | "positive"
  | "unit"
  | "distinct"
  | "coarse"
  | "powers"
  | "whole"
  | "index"
  | "shift"
  | "wide"
  | "bool";

const EDGES = [1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 63, 64, 65];
const LARGEST = 3000;

/** An extent next to the edge of a tile; now and then 0. */
export const extent = (largest = 65, empty = true): fc.Arbitrary<number> => {
  const edges = fc.constantFrom(...EDGES.filter((n) => n <= largest));
  return empty ? fc.oneof({ arbitrary: edges, weight: 24 }, { arbitrary: fc.constant(0), weight: 1 }) : edges;
};

/** Shapes of few elements whose extents lie at the edges of tiles. */
export const shape = (
  minRank = 0,
  maxRank = 5,
  options: { empty?: boolean; largest?: number } = {},
): fc.Arbitrary<number[]> =>
  fc
    .tuple(fc.array(extent(65, options.empty), { minLength: minRank, maxLength: maxRank }), fc.nat(4))
    .map(([extents, turn]) => {
      const fits: number[] = [];
      for (const n of extents)
        fits.push(n * Math.max(1, sizeOf(fits)) <= (options.largest ?? LARGEST) ? n : (n % 2) + 1);
      return [...fits.slice(turn), ...fits.slice(0, turn)]; // the small extents are not always the last
    });

/** Random decisions of a look. */
export const numbers = fc.array(fc.nat(), { minLength: 12, maxLength: 12 });
const seed = fc.integer({ min: 0, max: 2 ** 31 - 1 });

interface ArgumentOptions {
  readonly domain?: Domain;
  readonly dtype?: DType;
  /** Zeros may come in by padding. */
  readonly zeros?: boolean;
}

/** An argument of this shape, contiguous or seen in any way that a view can be built. */
export function argument(
  shape: Shape,
  { domain = "real", dtype = "f32", zeros = true }: ArgumentOptions = {},
): fc.Arbitrary<Argument> {
  return fc
    .tuple(seed, fc.array(fc.tuple(fc.constantFrom(...KINDS), numbers), { maxLength: 3 }))
    .map(([seed, wanted]) => {
      const views: Look[] = [];
      let to = shape;
      for (const [kind, numbers] of wanted) {
        const look = LOOKS[kind](to, numbers);
        if ((look.kind === "pad" && !zeros) || sizeOf(look.from) > 2 * LARGEST) continue;
        views.unshift(look);
        to = look.from;
      }
      return { shape, dtype, domain, seed, views };
    });
}

type Kind = Look["kind"];
const KINDS: readonly Kind[] = ["transpose", "slice", "flip", "broadcast", "pad", "reshape", "compute"];

/** Ways to have arrived at a shape, decided by some random numbers. */
export const LOOKS: Record<Kind, (to: Shape, numbers: readonly number[]) => Look> = {
  transpose: (to, numbers) => {
    const perm = to.map((_, i) => i).sort((a, b) => (numbers[a] % 97) - (numbers[b] % 97));
    return { kind: "transpose", from: to.map((_, i) => to[perm.indexOf(i)]), perm };
  },
  slice: (to, numbers) => {
    const starts = to.map((_, i) => numbers[i] % 3);
    const from = to.map((n, i) => n + starts[i] + (numbers[i + 6] % 3));
    return { kind: "slice", from, starts, ends: to.map((n, i) => starts[i] + n) };
  },
  flip: (to, numbers) => ({ kind: "flip", from: to, axes: to.flatMap((_, i) => (numbers[i] % 2 ? [i] : [])) }),
  broadcast: (to, numbers) => {
    const from = to.map((n, i) => (numbers[i] % 2 ? 1 : n));
    while (from[0] === 1 && numbers[9] % 2) from.shift();
    return { kind: "broadcast", from, shape: to };
  },
  pad: (to, numbers) => {
    const widths = to.map((n, i) => {
      const before = numbers[i] % Math.min(3, n + 1);
      return [before, numbers[i + 6] % Math.min(3, n - before + 1)] as const;
    });
    return { kind: "pad", from: to.map((n, i) => n - widths[i][0] - widths[i][1]), widths };
  },
  reshape: (to, numbers) => ({ kind: "reshape", from: refactored(sizeOf(to), numbers), shape: to }),
  compute: (to) => ({ kind: "compute", from: to }),
};

/** Some shape of so many elements. */
function refactored(size: number, numbers: readonly number[]): number[] {
  const from: number[] = [];
  let left = size;
  for (const n of numbers.slice(0, 4)) {
    const divisors = [1, 2, 3, 4, 5, 8, 11, 16, 31, left].filter((d) => d > 0 && left % d === 0);
    if (left === 0) break;
    from.push(divisors[n % divisors.length]);
    left /= from.at(-1)!;
  }
  return size === 1 && numbers[5] % 2 ? [] : [left, ...from];
}

/** The stored tensor of an argument, with its values in float64. */
export function leafOf({ shape, dtype, domain, seed, views }: Argument): { leaf: Tensor; data: Float64Array } {
  const stored = views[0]?.from ?? shape;
  const values = valuesOf(domain, dtype, sizeOf(stored), seed);
  const computed = views.filter(({ kind }) => kind === "compute").length % 2 === 1;
  const data = computed ? values.map(before(dtype, domain)) : values;
  const typed =
    dtype === "i32" ? Int32Array.from(data) : dtype === "u32" ? Uint32Array.from(data) : Float32Array.from(data);
  return { leaf: tensor(typed, stored, dtype), data };
}

/** The stored value of what `compute` shows as v. */
const before = (dtype: DType, domain: Domain): ((v: number) => number) =>
  domain === "wide" ? Number : dtype === "u32" ? (v) => (1 - v) >>> 0 : (v) => 1 - v;

/** What the op sees, given the stored tensor. */
export const seen = (leaf: Tensor, { views, domain }: Argument): Tensor =>
  views.reduce((x, view) => look(x, view, domain), leaf);

export function look(x: Tensor, view: Look, domain: Domain = "real"): Tensor {
  switch (view.kind) {
    case "transpose":
      return transpose(x, view.perm);
    case "slice":
      return slice(x, view.starts, view.ends);
    case "flip":
      return flip(x, view.axes);
    case "broadcast":
      return broadcastTo(x, view.shape);
    case "pad":
      return pad(x, view.widths);
    case "reshape":
      return reshape(x, view.shape);
    case "compute": // 1 − x: exact, and not 0 where x is
      if (x.dtype === "bool") return logicalNot(x);
      return domain === "wide" ? mul(x, 1) : sub(1, x);
  }
}

/** Values of a domain, exact in their dtype. */
export function valuesOf(domain: Domain, dtype: DType, count: number, seed: number): Float64Array {
  const random = mulberry(seed);
  const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const order = domain === "distinct" ? shuffled(count, random) : [];
  const draw = (i: number): number => {
    switch (domain) {
      case "real":
        return (between(-48, 47) + 0.25) / 16;
      case "other":
        return (between(-48, 47) + 0.75) / 16;
      case "positive":
        return between(5, 48) / 16;
      case "unit":
        return (between(-15, 14) + 0.5) / 16;
      case "distinct":
        return (order[i] - count / 2 + 0.25) / 16;
      case "coarse":
        return between(dtype === "u32" ? 0 : -2, 2);
      case "powers":
        return (random() < 0.5 ? -1 : 1) * 2 ** between(-2, 2);
      case "wide":
        return (random() - 0.5) * 10 ** between(-3, 4);
      case "whole":
        return dtype === "u32" ? between(0, 60000) : between(-60000, 60000);
      case "index":
        return between(dtype === "u32" ? 0 : -1, 9);
      case "shift":
        return between(0, 31);
      case "bool":
        return between(0, 1);
    }
  };
  const fit =
    dtype === "f16"
      ? (v: number) => halfToFloat(floatToHalf(Float32Array.of(v)))[0]
      : isFloat(dtype)
        ? Math.fround
        : Math.trunc;
  return Float64Array.from({ length: count }, (_, i) => fit(draw(i)));
}

export function shuffled(count: number, random: () => number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

export function mulberry(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
