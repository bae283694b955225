import { checkDType, type DType, isFloat } from "../dtype.ts";
import { DTypeError } from "../errors.ts";
import { defineOp, type Op, type VjpCall } from "../op.ts";
import { apply, expectTensors, type Tensor, type TensorLike } from "../tensor.ts";
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

/* @__NO_SIDE_EFFECTS__ */
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
      const wrap =
        output.dtype === "i32" ? (v: number) => v | 0 : output.dtype === "u32" ? (v: number) => v >>> 0 : Number;
      const [a, b, c] = inputs.map(({ data }) => data);
      const f = row.reference;
      if (!b) return a.map((x) => wrap(f(x)));
      return a.map(c ? (x, i) => wrap(f(x, b[i], c[i])) : (x, i) => wrap(f(x, b[i])));
    },
    ...(row.vjp ? { vjp: ({ g, wrt, inputs, output }: VjpCall) => row.vjp![wrt](g, inputs, output) } : { stops: true }),
    run: { kind: "expression", wgsl: (args) => row.wgsl(...args), functions: row.functions },
  });
}

/**
 * A function of one tensor, element by element: the result has the shape of `x`. DTypeError for a dtype that it does
 * not take.
 */
export type Unary = (x: Tensor) => Tensor;
/**
 * A function of two tensors, element by element. Shapes broadcast as NumPy's do; a number takes on the other operand's
 * dtype; f32 and f16 give f32. ShapeError where the shapes do not fit, DTypeError for dtypes that do not.
 */
export type Binary = (a: TensorLike, b: TensorLike) => Tensor;

/* @__NO_SIDE_EFFECTS__ */
function unary(name: string, row: Row): Unary {
  const op = elementwise(name, row);
  return (x) => apply(op, [x]);
}

/* @__NO_SIDE_EFFECTS__ */
function binary(name: string, row: Row): Binary {
  const op = elementwise(name, row);
  return (a, b) => apply(op, align(name, a, b));
}

const half = (x: Tensor) => mul(x, 0.5);
/** g where the condition holds, half of it at ties. */
const share = (g: Tensor, wins: Tensor, ties: Tensor) => where(wins, g, where(ties, half(g), 0));

/**
 * a + b.
 * @example add(tensor([[1, 2], [3, 4]]), tensor([10, 20])) // [11, 22, 13, 24]
 */
export const add = binary("add", {
  wgsl: (a, b) => `${a} + ${b}`,
  reference: (a, b) => a + b,
  vjp: [(g) => g, (g) => g],
  takes: "number",
});
/**
 * a − b.
 * @example sub(1, tensor([1, 2])) // [0, -1]
 */
export const sub = binary("sub", {
  wgsl: (a, b) => `${a} - ${b}`,
  reference: (a, b) => a - b,
  vjp: [(g) => g, (g) => neg(g)],
  takes: "number",
});
/**
 * a · b, element by element.
 * @example mul(tensor([1, 2]), tensor([3, 4])) // [3, 8]
 */
export const mul = binary("mul", {
  wgsl: (a, b) => `${a} * ${b}`,
  reference: (a, b) => a * b,
  vjp: [(g, [, b]) => mul(g, b), (g, [a]) => mul(g, a)],
  takes: "number",
});
/**
 * a / b; integers truncate towards zero.
 * @example div(tensor([1, 3]), 2) // [0.5, 1.5]
 */
export const div = binary("div", {
  wgsl: (a, b) => `${a} / ${b}`,
  reference: (a, b) => a / b,
  vjp: [(g, [, b]) => div(g, b), (g, [, b], y) => neg(div(mul(g, y), b))],
  takes: "number",
});
/**
 * a raised to b; a negative base needs a whole exponent.
 * @example pow(tensor([-2, 3]), 2) // [4, 9]
 */
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
/**
 * The larger of two; the gradient is halved at ties.
 * @example maximum(tensor([-1, 2]), 0) // [0, 2]
 */
export const maximum = binary("maximum", {
  wgsl: (a, b) => `max(${a}, ${b})`,
  reference: Math.max,
  vjp: [(g, [a, b]) => share(g, greater(a, b), equal(a, b)), (g, [a, b]) => share(g, less(a, b), equal(a, b))],
  takes: "number",
});
/**
 * The smaller of two; the gradient is halved at ties.
 * @example minimum(tensor([-1, 2]), 0) // [-1, 0]
 */
export const minimum = binary("minimum", {
  wgsl: (a, b) => `min(${a}, ${b})`,
  reference: Math.min,
  vjp: [(g, [a, b]) => share(g, less(a, b), equal(a, b)), (g, [a, b]) => share(g, greater(a, b), equal(a, b))],
  takes: "number",
});
/**
 * a − b·⌊a/b⌋: takes the sign of b, as NumPy's remainder does.
 * @example remainder(tensor([5, -5]), 3) // [2, 1]
 */
export const remainder = binary("remainder", {
  wgsl: (a, b) => `${a} - ${b} * floor(${a} / ${b})`,
  reference: (a, b) => a - b * Math.floor(a / b),
  vjp: [(g) => g, (g, [a, b]) => neg(mul(g, floor(div(a, b))))],
});

/**
 * −x.
 * @example neg(tensor([1, -2])) // [-1, 2]
 */
export const neg = unary("neg", {
  wgsl: (x) => `-(${x})`,
  reference: (x) => -x,
  vjp: [(g) => neg(g)],
  takes: "number",
});
/**
 * |x|.
 * @example abs(tensor([1, -2])) // [1, 2]
 */
export const abs = unary("abs", { wgsl: (x) => `abs(${x})`, reference: Math.abs, vjp: [(g, [x]) => mul(g, sign(x))] });
/**
 * −1, 0 or 1.
 * @example sign(tensor([3, 0, -2])) // [1, 0, -1]
 */
export const sign = unary("sign", { wgsl: (x) => `sign(${x})`, reference: Math.sign });
/**
 * The largest whole number not above x.
 * @example floor(tensor([1.5, -1.5])) // [1, -2]
 */
export const floor = unary("floor", { wgsl: (x) => `floor(${x})`, reference: Math.floor });
/**
 * e^x.
 * @example exp(tensor([0, 1])) // [1, 2.71828]
 */
export const exp = unary("exp", { wgsl: (x) => `exp(${x})`, reference: Math.exp, vjp: [(g, _, y) => mul(g, y)] });
/**
 * Natural logarithm.
 * @example log(tensor([1, 10])) // [0, 2.30259]
 */
export const log = unary("log", { wgsl: (x) => `log(${x})`, reference: Math.log, vjp: [(g, [x]) => div(g, x)] });
/**
 * √x.
 * @example sqrt(tensor([4, 2])) // [2, 1.41421]
 */
export const sqrt = unary("sqrt", {
  wgsl: (x) => `sqrt(${x})`,
  reference: Math.sqrt,
  vjp: [(g, _, y) => div(half(g), y)],
});
/**
 * 1/√x.
 * @example rsqrt(tensor([4, 0.25])) // [0.5, 2]
 */
export const rsqrt = unary("rsqrt", {
  wgsl: (x) => `inverseSqrt(${x})`,
  reference: (x) => 1 / Math.sqrt(x),
  vjp: [(g, [x], y) => div(mul(g, mul(y, -0.5)), x)],
});
/**
 * x².
 * @example square(tensor([3, -4])) // [9, 16]
 */
export const square = unary("square", {
  wgsl: (x) => `${x} * ${x}`,
  reference: (x) => x * x,
  vjp: [(g, [x]) => mul(g, mul(x, 2))],
});
/**
 * Sine of x and a right angle or none, within 2⁻²² below 10⁴: the nearest multiple of π/2 is taken off in three parts,
 * the rest goes into a polynomial (after Cody & Waite, Software Manual for the Elementary Functions, 1980, ch. 8).
 * Drivers differ far more. Huge angles are theirs.
 */
const SINE = `fn sine(x: f32, quarters: i32) -> f32 {
  if (abs(x) > 50000.0) { return select(sin(x), cos(x), quarters == 1); }
  let n = round(x * 0.636619772);
  let r = x - n * 1.5703125 - n * 0.0004837513 - n * 0.000000075497899;
  let k = i32(n) + quarters;
  let q = r * r;
  let y = select(r + r * q * (-0.16666654 + q * (0.00833214 - q * 0.00019513)),
    1.0 - q * (0.5 - q * (0.04166645 - q * (0.00138873 - q * 0.0000244298))), (k & 1) == 1);
  return select(y, -y, (k & 2) == 2);
}`;
/**
 * Sine of an angle in radians.
 * @example sin(tensor([0, Math.PI / 2])) // [0, 1]
 */
export const sin = unary("sin", {
  wgsl: (x) => `sine(${x}, 0)`,
  reference: Math.sin,
  vjp: [(g, [x]) => mul(g, cos(x))],
  functions: SINE,
});
/**
 * Cosine of an angle in radians.
 * @example cos(tensor([0, Math.PI])) // [1, -1]
 */
export const cos = unary("cos", {
  wgsl: (x) => `sine(${x}, 1)`,
  reference: Math.cos,
  vjp: [(g, [x]) => neg(mul(g, sin(x)))],
  functions: SINE,
});
/** The driver's own cosine, off by up to 2⁻¹¹ between −π and π: what is random anyway keeps the numbers of its seeds. */
export const roughCos = unary("roughCos", { wgsl: (x) => `cos(${x})`, reference: Math.cos });
/**
 * Hyperbolic tangent.
 * @example tanh(tensor([0, 1])) // [0, 0.76159]
 */
export const tanh = unary("tanh", {
  wgsl: (x) => `tanh(clamp(${x}, -15.0, 15.0))`,
  reference: Math.tanh,
  vjp: [(g, _, y) => mul(g, sub(1, square(y)))],
});
/**
 * 1/(1 + e^−x).
 * @example sigmoid(tensor([0, 2])) // [0.5, 0.8808]
 */
export const sigmoid = unary("sigmoid", {
  wgsl: (x) => `1.0 / (1.0 + exp(-(${x})))`,
  reference: (x) => 1 / (1 + Math.exp(-x)),
  vjp: [(g, _, y) => mul(g, mul(y, sub(1, y)))],
});
/**
 * max(x, 0); the gradient at 0 is 0.
 * @example relu(tensor([-1, 2])) // [0, 2]
 */
export const relu = unary("relu", {
  wgsl: (x) => `max(${x}, 0.0)`,
  reference: (x) => Math.max(x, 0),
  vjp: [(g, [x]) => where(greater(x, 0), g, 0)],
});
/**
 * CLIP's activation x·σ(1.702 x) (Hendrycks & Gimpel, arXiv 1606.08415 §2).
 * @example quickGelu(tensor([0, 1])) // [0, 0.84579]
 */
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
/**
 * The error function 2/√π ∫₀ˣ e^−t² dt (outside [−1, 1] by Abramowitz & Stegun, formula 7.1.26).
 * @example erf(tensor([0, 1])) // [0, 0.8427]
 */
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

/**
 * Exact GELU, x·Φ(x) (Hendrycks & Gimpel, arXiv 1606.08415), Φ being the normal distribution.
 * @example gelu(tensor([0, 1])) // [0, 0.84134]
 */
export const gelu = (x: Tensor): Tensor => mul(half(x), add(1, erf(mul(x, Math.SQRT1_2))));

/* @__NO_SIDE_EFFECTS__ */
function comparison(
  name: string,
  operator: string,
  reference: (a: number, b: number) => boolean,
  takes: Row["takes"] = "number",
): Binary {
  return binary(name, {
    wgsl: (a, b) => `${a} ${operator} ${b}`,
    reference: (a, b) => Number(reference(a, b)),
    takes,
    gives: "bool",
  });
}

/**
 * a = b, as bool.
 * @example equal(tensor([1, 2]), 2) // [0, 1]
 */
export const equal = comparison("equal", "==", (a, b) => a === b, "any");
/**
 * a ≠ b, as bool.
 * @example notEqual(tensor([1, 2]), 2) // [1, 0]
 */
export const notEqual = comparison("notEqual", "!=", (a, b) => a !== b, "any");
/**
 * a < b, as bool.
 * @example less(tensor([1, 2, 3]), 2) // [1, 0, 0]
 */
export const less = comparison("less", "<", (a, b) => a < b);
/**
 * a ≤ b, as bool.
 * @example lessEqual(tensor([1, 2, 3]), 2) // [1, 1, 0]
 */
export const lessEqual = comparison("lessEqual", "<=", (a, b) => a <= b);
/**
 * a > b, as bool.
 * @example greater(tensor([1, 2, 3]), 2) // [0, 0, 1]
 */
export const greater = comparison("greater", ">", (a, b) => a > b);
/**
 * a ≥ b, as bool.
 * @example greaterEqual(tensor([1, 2, 3]), 2) // [0, 1, 1]
 */
export const greaterEqual = comparison("greaterEqual", ">=", (a, b) => a >= b);
/**
 * Both, for bool tensors.
 * @example logicalAnd(tensor([true, true]), tensor([true, false])) // [1, 0]
 */
export const logicalAnd = binary("logicalAnd", {
  wgsl: (a, b) => `${a} && ${b}`,
  reference: (a, b) => a & b,
  takes: "bool",
});
/**
 * Either, for bool tensors.
 * @example logicalOr(tensor([true, false]), tensor([false, false])) // [1, 0]
 */
export const logicalOr = binary("logicalOr", {
  wgsl: (a, b) => `${a} || ${b}`,
  reference: (a, b) => a | b,
  takes: "bool",
});
/**
 * The opposite, for bool tensors.
 * @example logicalNot(tensor([true, false])) // [0, 1]
 */
export const logicalNot = unary("logicalNot", { wgsl: (x) => `!${x}`, reference: (x) => 1 - x, takes: "bool" });

/**
 * Neither NaN nor an infinity, as bool; told by the bits, since compilers may take it for granted of every number.
 * @example finite(tensor([1, Number.POSITIVE_INFINITY])) // [1, 0]
 */
export const finite = unary("finite", {
  wgsl: (x) => `(bitcast<u32>(${x}) & 0x7f800000u) != 0x7f800000u`,
  reference: (x) => Number(Number.isFinite(x)),
  gives: "bool",
});

/**
 * Bits shifted right, zeros coming in; for u32.
 * @example shiftRight(tensor(Uint32Array.of(8, 3)), 1) // [4, 1]
 */
export const shiftRight = binary("shiftRight", {
  wgsl: (a, b) => `${a} >> ${b}`,
  reference: (a, b) => a >>> b,
  takes: "u32",
});

const WHERE = defineOp({
  name: "where",
  result: ([, { shape, dtype }]) => ({ shape, dtype }),
  reference: ([condition, a, b]) => a.data.map((v, i) => (condition.data[i] ? v : b.data[i])),
  vjp: ({ g, wrt, inputs: [condition] }) => (wrt === 1 ? where(condition, g, 0) : where(condition, 0, g)),
  run: { kind: "expression", wgsl: ([condition, a, b]) => `select(${b}, ${a}, ${condition})` },
});

/**
 * `a` where the condition holds, else `b`; all three broadcast.
 * @example where(tensor([true, false]), tensor([1, 2]), 0) // [1, 0]
 */
export function where(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  expectTensors("where", condition);
  if (condition.dtype !== "bool")
    throw new DTypeError(`where: the condition is ${condition.dtype}, not bool; compare it with something first`);
  const [x, y] = align("where", a, b, condition);
  return apply(WHERE, [align("where", condition, full(x.shape, 1, "bool"))[0], x, y]);
}

const CAST = defineOp({
  name: "cast",
  result: ([x], attrs) => {
    checkDType("cast", attrs.dtype as DType);
    return { shape: x.shape, dtype: attrs.dtype as DType };
  },
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
 *
 * @example cast(tensor([1.7, -1.7]), "i32") // [1, -1]
 */
export const cast = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? x : apply(CAST, [x], { dtype }));
