import { isFloat } from "../dtype.ts";
import { DTypeError, ShapeError } from "../errors.ts";
import { defineOp, type Op } from "../op.ts";
import * as shaders from "../shaders.ts";
import { sameShape, showShape, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { attentionKernels, scaleOf, widthOf } from "./attention-kernels.ts";
import { type AttentionPattern, densePattern } from "./attention-pattern.ts";
import { arange } from "./basic.ts";
import { cast, greaterEqual, less, logicalAnd, logicalOr, mul, sub, where } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { sum } from "./reduce.ts";
import { logSumExp, softmax } from "./rows.ts";
import { reshape, slice, transpose } from "./view.ts";

/** Stands for −∞ in masked scores: finite, so that no kernel has to handle infinities. */
const MASKED = -1e30;

// ---- what they compute ----------------------------------------------------------------------------------------------

const headsFirst = (x: Tensor): Tensor => transpose(x, [1, 0, 2]);

/** Scores of every pair, those that are not seen far below the rest: [H, queries, keys]. */
function maskedScores(q: Tensor, k: Tensor, spans: Tensor, scale: number): Tensor {
  const key = arange(k.shape[0]);
  const bound = (i: number) => slice(spans, [0, i], [spans.shape[0], i + 1]); // [queries, 1]
  const within = (i: number) => logicalAnd(greaterEqual(key, bound(i)), less(key, bound(i + 1)));
  const scores = mul(matmul(headsFirst(q), headsFirst(k), { transposeB: true }), scale);
  return where(logicalOr(within(0), within(2)), scores, MASKED);
}

/** The same with the roles of queries and keys as the readers of each key say. */
function maskedByReaders(q: Tensor, k: Tensor, readers: Tensor, scale: number): Tensor {
  return transpose(maskedScores(k, q, readers, scale), [0, 2, 1]);
}

/** (q [Q, H, d], k [N, H, d], v [N, H, e], spans, readers) → [Q, H, e]. */
const ATTENTION: Op = defineOp({
  name: "attention",
  result: ([q, , v]) => ({ shape: [q.shape[0], q.shape[1], v.shape[2]], dtype: q.dtype }),
  vjp: ({ g, wrt, inputs: [q, k, v, spans, readers], output, attrs }) => {
    const lse = apply(LOG_SUM, [q, k, spans], attrs); // [Q, H]
    const delta = sum(mul(g, output), -1); // [Q, H]
    if (wrt === 0) return apply(GRAD_QUERY, [q, k, v, g, lse, delta, spans], attrs);
    if (wrt === 1) return apply(GRAD_KEY, [q, k, v, g, lse, delta, readers], attrs);
    return apply(GRAD_VALUE, [q, k, g, lse, readers], attrs);
  },
  run: {
    kind: "kernel",
    kernels: attentionKernels("attention", shaders.attention, { unit: 0, value: 2, binds: 4 }),
    composed: ([q, k, v, spans], attrs) =>
      headsFirst(matmul(softmax(maskedScores(q, k, spans, scaleOf(attrs))), headsFirst(v))),
  },
});

/** log Σ exp of the scores that each query sees: [Q, H]. */
const LOG_SUM = defineOp({
  name: "attentionLogSum",
  result: ([q]) => ({ shape: q.shape.slice(0, 2), dtype: "f32" }),
  run: {
    kind: "kernel",
    kernels: attentionKernels("attention-log-sum", shaders.attentionLogSum, { unit: 0, value: 1, strided: 2 }),
    composed: ([q, k, spans], attrs) =>
      transpose(logSumExp(cast(maskedScores(q, k, spans, scaleOf(attrs)), "f32"), -1)),
  },
});

/** Softmax weights and the gradient of the scores, from all but what was kept: [H, Q, N]. */
function scoreGradients(scores: Tensor, v: Tensor, g: Tensor) {
  const weights = softmax(scores);
  const dWeights = matmul(headsFirst(g), headsFirst(v), { transposeB: true });
  return mul(weights, sub(dWeights, sum(mul(weights, dWeights), -1, { keepDims: true })));
}

const GRAD_QUERY = defineOp({
  name: "attentionGradQuery",
  result: ([q]) => q,
  run: {
    kind: "kernel",
    kernels: attentionKernels("attention-grad-query", shaders.attentionGradQuery, { unit: 0, value: 2 }),
    composed: ([q, k, v, g, , , spans], attrs) => {
      const slopes = scoreGradients(maskedScores(q, k, spans, scaleOf(attrs)), v, g);
      return mul(headsFirst(matmul(slopes, headsFirst(k))), scaleOf(attrs));
    },
  },
});

const GRAD_KEY = defineOp({
  name: "attentionGradKey",
  result: ([, k]) => k,
  run: {
    kind: "kernel",
    kernels: attentionKernels("attention-grad-key", shaders.attentionGradKey, { unit: 1, value: 2 }),
    composed: ([q, k, v, g, , , readers], attrs) => {
      const slopes = scoreGradients(maskedByReaders(q, k, readers, scaleOf(attrs)), v, g);
      return mul(headsFirst(matmul(slopes, headsFirst(q), { transposeA: true })), scaleOf(attrs));
    },
  },
});

const GRAD_VALUE = defineOp({
  name: "attentionGradValue",
  result: ([, k, g]) => ({ shape: [k.shape[0], k.shape[1], g.shape[2]], dtype: g.dtype }),
  run: {
    kind: "kernel",
    kernels: attentionKernels("attention-grad-value", shaders.attentionGradValue, { unit: 1, value: 2, strided: 2 }),
    composed: ([q, k, g, , readers], attrs) =>
      headsFirst(matmul(softmax(maskedByReaders(q, k, readers, scaleOf(attrs))), headsFirst(g), { transposeA: true })),
  },
});

// ---- for callers ----------------------------------------------------------------------------------------------------

/**
 * Attention over rows of any sequences (Vaswani et al., arXiv 1706.03762 §3.2.1): row i of the queries mixes the values
 * of the keys that the pattern lets it see. Scores are never stored, forward or backward (after Dao et al., arXiv
 * 2205.14135).
 *
 * @param q [queries, H, d]
 * @param k [keys, H, d]
 * @param v [keys, H, e]
 * @param scale factor of the scores, 1/√d where not given
 * @returns [queries, H, e]
 * @throws ShapeError where the shapes are not those of the pattern, DTypeError where the dtypes differ or are no floats
 * @example
 * const causal = densePattern(1, 2, 2, { causal: true }); // two rows, the first sees only itself
 * attend(zeros([2, 1, 1]), zeros([2, 1, 1]), tensor([[[1]], [[3]]]), causal); // [1, 2]
 */
export function attend(q: Tensor, k: Tensor, v: Tensor, pattern: AttentionPattern, scale = widthOf(q) ** -0.5): Tensor {
  const [queries, keys] = [pattern.spans.shape[0], pattern.readers.shape[0]];
  const fits =
    [q, k, v].every((x) => x.rank === 3) &&
    sameShape(q.shape, [queries, k.shape[1], k.shape[2]]) &&
    sameShape(v.shape.slice(0, 2), [keys, k.shape[1]]) &&
    k.shape[0] === keys;
  if (!fits) {
    throw new ShapeError(
      `attend: q ${showShape(q.shape)}, k ${showShape(k.shape)}, v ${showShape(v.shape)} are not [${queries}, H, d], [${keys}, H, d], [${keys}, H, e] as the pattern says`,
    );
  }
  if (![q, k, v].every(({ dtype }) => isFloat(dtype) && dtype === q.dtype))
    throw new DTypeError(
      `attend: q, k and v are ${q.dtype}, ${k.dtype} and ${v.dtype}; they must be of one float type`,
    );
  return apply(ATTENTION, [q, k, v, pattern.spans, pattern.readers], { scale });
}

/** Options of `attention`. */
export interface AttentionOptions {
  /** Position i of the queries sees keys 0 … i + (keys − queries) only. */
  readonly causal?: boolean;
  /** Factor of the scores, 1/√d where not given. */
  readonly scale?: number;
}

/**
 * softmax(q kᵀ · scale) v (Vaswani et al., arXiv 1706.03762 §3.2.1) of sequences of one length.
 *
 * @param q [..., T, d]
 * @param k [..., S, d]
 * @param v [..., S, e]
 * @returns [..., T, e]
 * @throws ShapeError for other shapes
 * @example attention(zeros([2, 1]), zeros([2, 1]), tensor([[1], [3]])) // [2, 2]
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const lead = q.shape.slice(0, -2);
  const [t, d] = q.shape.slice(-2);
  const [s, e] = v.shape.slice(-2);
  if (q.rank < 2 || !sameShape(k.shape, [...lead, s, d]) || !sameShape(v.shape, [...lead, s, e])) {
    throw new ShapeError(
      `attention: q ${showShape(q.shape)}, k ${showShape(k.shape)}, v ${showShape(v.shape)} are not [..., T, d], [..., S, d], [..., S, e]`,
    );
  }
  if (options.causal && s < t)
    throw new ShapeError(`attention: ${t} causal queries of ${s} keys: the first would see none`);
  const sequences = sizeOf(lead);
  const flat = (x: Tensor, rows: number) => reshape(x, [sequences * rows, 1, x.shape[x.rank - 1]]);
  const pattern = densePattern(sequences, t, s, options);
  return reshape(attend(flat(q, t), flat(k, s), flat(v, s), pattern, options.scale), [...lead, t, e]);
}
