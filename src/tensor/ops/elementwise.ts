import { type DType, isFloat } from "../dtype.ts";
import { DTypeError } from "../errors.ts";
import { defineOp, type Op, type VjpCall } from "../op.ts";
import { apply, type Tensor, type TensorLike } from "../tensor.ts";
import { align, full } from "./basic.ts";

type Rule = (g: Tensor, inputs: readonly Tensor[], output: Tensor) => Tensor;

/** One row of the table: WGSL, float64 reference, and the gradient for each argument. */
interface Row {
  readonly wgsl: (...args: string[]) => string;
  readonly reference: (...args: number[]) => number;
  /** Absent: the gradient is zero everywhere. */
  readonly vjp?: readonly Rule[];
  /** Dtypes taken: floats, numbers (floats and integers), u32, bool, or any. */
  readonly takes?: "float" | "number" | "u32" | "bool" | "any";
  /** Dtype of the result: the arguments' own unless it is always bool. */
  readonly gives?: "bool";
  readonly functions?: string;
}

const TAKES: Record<NonNullable<Row["takes"]>, (dtype: DType) => boolean> = {
  float: isFloat,
  number: (d) => d !== "bool",
  u32: (d) => d === "u32",
  bool: (d) => d === "bool",
  any: () => true,
};

function elementwise(name: string, row: Row): Op {
  const takes = row.takes ?? "float";
  return defineOp({
    name,
    result: (inputs) => {
      for (const input of inputs) {
        if (!TAKES[takes](input.dtype))
          throw new DTypeError(`${name}: takes ${takes} tensors, not ${input.dtype}; see cast(x, dtype)`);
      }
      return { shape: inputs[0].shape, dtype: row.gives ?? inputs[0].dtype };
    },
    reference: (inputs, _attrs, output) => {
      const out = new Float64Array(inputs[0].data.length);
      const wrap =
        output.dtype === "i32" ? (v: number) => v | 0 : output.dtype === "u32" ? (v: number) => v >>> 0 : Number;
      for (let i = 0; i < out.length; i++) out[i] = wrap(row.reference(...inputs.map((input) => input.data[i])));
      return out;
    },
    ...(row.vjp ? { vjp: ({ g, wrt, inputs, output }: VjpCall) => row.vjp![wrt](g, inputs, output) } : { stops: true }),
    run: { kind: "expression", wgsl: (args) => row.wgsl(...args), functions: row.functions },
  });
}

type Unary = (x: Tensor) => Tensor;
type Binary = (a: TensorLike, b: TensorLike) => Tensor;

function unary(name: string, row: Row): Unary {
  const op = elementwise(name, row);
  return (x) => apply(op, [x]);
}

function binary(name: string, row: Row): Binary {
  const op = elementwise(name, row);
  return (a, b) => apply(op, align(name, a, b));
}

const half = (x: Tensor) => mul(x, 0.5);
/** g where the condition holds, half of it at ties. */
const share = (g: Tensor, wins: Tensor, ties: Tensor) => where(wins, g, where(ties, half(g), 0));

/** a + b. */
export const add = binary("add", {
  wgsl: (a, b) => `${a} + ${b}`,
  reference: (a, b) => a + b,
  vjp: [(g) => g, (g) => g],
  takes: "number",
});
/** a − b. */
export const sub = binary("sub", {
  wgsl: (a, b) => `${a} - ${b}`,
  reference: (a, b) => a - b,
  vjp: [(g) => g, (g) => neg(g)],
  takes: "number",
});
/** a · b, element by element. */
export const mul = binary("mul", {
  wgsl: (a, b) => `${a} * ${b}`,
  reference: (a, b) => a * b,
  vjp: [(g, [, b]) => mul(g, b), (g, [a]) => mul(g, a)],
  takes: "number",
});
/** a / b; integers truncate towards zero. */
export const div = binary("div", {
  wgsl: (a, b) => `${a} / ${b}`,
  reference: (a, b) => a / b,
  vjp: [(g, [, b]) => div(g, b), (g, [, b], y) => neg(div(mul(g, y), b))],
  takes: "number",
});
/** a raised to b; a negative base needs a whole exponent. */
export const pow = binary("pow", {
  wgsl: (a, b) => `power(${a}, ${b})`,
  reference: (a, b) => a ** b,
  vjp: [
    (g, [a, b]) => mul(g, mul(b, pow(a, sub(b, 1)))),
    (g, [a], y) => mul(g, mul(y, log(where(greater(a, 0), a, 1)))),
  ],
  functions: `fn power(a: f32, b: f32) -> f32 {
  if (b == 0.0) { return 1.0; }
  if (a == 0.0 && b < 0.0) { return 1.0 / abs(a); }
  let magnitude = pow(abs(a), b);
  if (a >= 0.0) { return magnitude; }
  if (floor(b) != b) { return sqrt(a); }
  return select(magnitude, -magnitude, floor(b * 0.5) * 2.0 != b);
}`,
});
/** The larger of two; the gradient is halved at ties. */
export const maximum = binary("maximum", {
  wgsl: (a, b) => `max(${a}, ${b})`,
  reference: Math.max,
  vjp: [(g, [a, b]) => share(g, greater(a, b), equal(a, b)), (g, [a, b]) => share(g, less(a, b), equal(a, b))],
  takes: "number",
});
/** The smaller of two; the gradient is halved at ties. */
export const minimum = binary("minimum", {
  wgsl: (a, b) => `min(${a}, ${b})`,
  reference: Math.min,
  vjp: [(g, [a, b]) => share(g, less(a, b), equal(a, b)), (g, [a, b]) => share(g, greater(a, b), equal(a, b))],
  takes: "number",
});
/** a − b·⌊a/b⌋: takes the sign of b, as NumPy's remainder does. */
export const remainder = binary("remainder", {
  wgsl: (a, b) => `${a} - ${b} * floor(${a} / ${b})`,
  reference: (a, b) => a - b * Math.floor(a / b),
  vjp: [(g) => g, (g, [a, b]) => neg(mul(g, floor(div(a, b))))],
});

/** −x. */
export const neg = unary("neg", {
  wgsl: (x) => `-(${x})`,
  reference: (x) => -x,
  vjp: [(g) => neg(g)],
  takes: "number",
});
/** |x|. */
export const abs = unary("abs", { wgsl: (x) => `abs(${x})`, reference: Math.abs, vjp: [(g, [x]) => mul(g, sign(x))] });
/** −1, 0 or 1. */
export const sign = unary("sign", { wgsl: (x) => `sign(${x})`, reference: Math.sign });
/** The largest whole number not above x. */
export const floor = unary("floor", { wgsl: (x) => `floor(${x})`, reference: Math.floor });
/** e^x. */
export const exp = unary("exp", { wgsl: (x) => `exp(${x})`, reference: Math.exp, vjp: [(g, _, y) => mul(g, y)] });
/** Natural logarithm. */
export const log = unary("log", { wgsl: (x) => `log(${x})`, reference: Math.log, vjp: [(g, [x]) => div(g, x)] });
/** √x. */
export const sqrt = unary("sqrt", {
  wgsl: (x) => `sqrt(${x})`,
  reference: Math.sqrt,
  vjp: [(g, _, y) => div(half(g), y)],
});
/** 1/√x. */
export const rsqrt = unary("rsqrt", {
  wgsl: (x) => `inverseSqrt(${x})`,
  reference: (x) => 1 / Math.sqrt(x),
  vjp: [(g, [x], y) => div(mul(g, mul(y, -0.5)), x)],
});
/** x². */
export const square = unary("square", {
  wgsl: (x) => `${x} * ${x}`,
  reference: (x) => x * x,
  vjp: [(g, [x]) => mul(g, mul(x, 2))],
});
/** Sine. */
export const sin = unary("sin", { wgsl: (x) => `sin(${x})`, reference: Math.sin, vjp: [(g, [x]) => mul(g, cos(x))] });
/** Cosine. */
export const cos = unary("cos", {
  wgsl: (x) => `cos(${x})`,
  reference: Math.cos,
  vjp: [(g, [x]) => neg(mul(g, sin(x)))],
});
/** Hyperbolic tangent. */
export const tanh = unary("tanh", {
  wgsl: (x) => `tanh(clamp(${x}, -15.0, 15.0))`,
  reference: Math.tanh,
  vjp: [(g, _, y) => mul(g, sub(1, square(y)))],
});
/** 1/(1 + e^−x). */
export const sigmoid = unary("sigmoid", {
  wgsl: (x) => `1.0 / (1.0 + exp(-(${x})))`,
  reference: (x) => 1 / (1 + Math.exp(-x)),
  vjp: [(g, _, y) => mul(g, mul(y, sub(1, y)))],
});
/** max(x, 0); the gradient at 0 is 0. */
export const relu = unary("relu", {
  wgsl: (x) => `max(${x}, 0.0)`,
  reference: (x) => Math.max(x, 0),
  vjp: [(g, [x]) => where(greater(x, 0), g, 0)],
});
/** CLIP's activation x·σ(1.702 x) (Hendrycks & Gimpel, arXiv 1606.08415 §2). */
export const quickGelu = unary("quickGelu", {
  wgsl: (x) => `${x} / (1.0 + exp(-1.702 * ${x}))`,
  reference: (x) => x / (1 + Math.exp(-1.702 * x)),
  vjp: [
    (g, [x]) => {
      const s = sigmoid(mul(x, 1.702));
      return mul(g, mul(s, add(1, mul(mul(x, 1.702), sub(1, s)))));
    },
  ],
});
/** The error function. */
export const erf = unary("erf", {
  wgsl: (x) => `errorFunction(${x})`,
  reference: errorFunction,
  vjp: [(g, [x]) => mul(g, mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI)))],
  // Maclaurin series inside 1, Abramowitz & Stegun 7.1.26 outside
  functions: `fn errorFunction(x: f32) -> f32 {
  let a = abs(x);
  if (a < 1.0) {
    let q = x * x;
    return 1.1283791671 * x * (1.0 + q * (-0.3333333333 + q * (0.1 + q * (-0.0238095238 + q * (0.0046296296
      + q * (-0.0007575758 + q * (0.0001068376 + q * (-0.0000132275 + q * (0.0000014589 - q * 0.000000145)))))))));
  }
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * exp(-a * a);
  return sign(x) * (1.0 - tail);
}`,
});

function errorFunction(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) sum += term *= (2 * x * x) / (2 * n + 1);
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** Exact GELU, x·Φ(x). */
export const gelu = (x: Tensor): Tensor => mul(half(x), add(1, erf(mul(x, Math.SQRT1_2))));

const comparison = (
  name: string,
  operator: string,
  reference: (a: number, b: number) => boolean,
  takes: Row["takes"] = "number",
): Binary =>
  binary(name, {
    wgsl: (a, b) => `${a} ${operator} ${b}`,
    reference: (a, b) => Number(reference(a, b)),
    takes,
    gives: "bool",
  });

/** a = b, as bool. */
export const equal = comparison("equal", "==", (a, b) => a === b, "any");
/** a ≠ b, as bool. */
export const notEqual = comparison("notEqual", "!=", (a, b) => a !== b, "any");
/** a < b, as bool. */
export const less = comparison("less", "<", (a, b) => a < b);
/** a ≤ b, as bool. */
export const lessEqual = comparison("lessEqual", "<=", (a, b) => a <= b);
/** a > b, as bool. */
export const greater = comparison("greater", ">", (a, b) => a > b);
/** a ≥ b, as bool. */
export const greaterEqual = comparison("greaterEqual", ">=", (a, b) => a >= b);
/** Both, for bool tensors. */
export const logicalAnd = binary("logicalAnd", {
  wgsl: (a, b) => `${a} && ${b}`,
  reference: (a, b) => a & b,
  takes: "bool",
});
/** Either, for bool tensors. */
export const logicalOr = binary("logicalOr", {
  wgsl: (a, b) => `${a} || ${b}`,
  reference: (a, b) => a | b,
  takes: "bool",
});
/** The opposite, for bool tensors. */
export const logicalNot = unary("logicalNot", { wgsl: (x) => `!${x}`, reference: (x) => 1 - x, takes: "bool" });

/** Neither NaN nor an infinity, as bool; told by the bits, since compilers may take it for granted of every number. */
export const finite = unary("finite", {
  wgsl: (x) => `(bitcast<u32>(${x}) & 0x7f800000u) != 0x7f800000u`,
  reference: (x) => Number(Number.isFinite(x)),
  gives: "bool",
});

/** Bits shifted right, zeros coming in; for u32. */
export const shiftRight = binary("shiftRight", {
  wgsl: (a, b) => `${a} >> ${b}`,
  reference: (a, b) => a >>> b,
  takes: "u32",
});

const WHERE = defineOp({
  name: "where",
  result: ([condition, a]) => {
    if (condition.dtype !== "bool")
      throw new DTypeError(`where: the condition is ${condition.dtype}, not bool; compare it with something first`);
    return { shape: a.shape, dtype: a.dtype };
  },
  reference: ([condition, a, b]) => a.data.map((v, i) => (condition.data[i] ? v : b.data[i])),
  vjp: ({ g, wrt, inputs: [condition] }) => (wrt === 1 ? where(condition, g, 0) : where(condition, 0, g)),
  run: { kind: "expression", wgsl: ([condition, a, b]) => `select(${b}, ${a}, ${condition})` },
});

/** `a` where the condition holds, else `b`; all three broadcast. */
export function where(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  const [x, y] = align("where", a, b, condition);
  return apply(WHERE, [align("where", condition, full(x.shape, 1, "bool"))[0], x, y]);
}

const CAST = defineOp({
  name: "cast",
  result: ([x], attrs) => ({ shape: x.shape, dtype: attrs.dtype as DType }),
  reference: ([x], attrs) => {
    if (isFloat(attrs.dtype as DType)) return x.data.slice();
    if (attrs.dtype === "bool") return x.data.map((v) => (v ? 1 : 0));
    const [low, high] = attrs.dtype === "i32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
    if (isFloat(x.dtype)) return x.data.map((v) => Math.min(high, Math.max(low, Math.trunc(v))));
    return x.data.map((v) => (attrs.dtype === "i32" ? v | 0 : v >>> 0));
  },
  vjp: ({ g, inputs: [x] }) => cast(g, x.dtype),
  run: {
    kind: "expression",
    wgsl: ([x], attrs, _output, [input]) => {
      const to = attrs.dtype as DType;
      if (to === "bool")
        return input.dtype === "bool"
          ? x
          : `${x} != ${isFloat(input.dtype) ? "0.0" : input.dtype === "i32" ? "0i" : "0u"}`;
      return `${isFloat(to) ? "f32" : to}(${x})`;
    },
  },
});

/**
 * The same values in another dtype: on the way to integers floats are cut towards zero and end at the largest and
 * smallest (i32 and u32 wrap), and ≠ 0 becomes true.
 */
export const cast = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? x : apply(CAST, [x], { dtype }));
