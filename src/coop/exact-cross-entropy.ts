import {
  add,
  div,
  exp,
  greater,
  log,
  max,
  mul,
  neg,
  oneHot,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  where,
} from "../tensor/index.ts";

/**
 * −log softmax(logits)[label] of each row, to a relative error of a few roundings even where it is nearly 0; the usual
 * logSumExp − logit loses that to cancellation, and with it the optimum for large C.
 *
 * @param logits [N, K]
 * @returns [N]
 */
export function exactCrossEntropy(logits: Tensor, labels: Tensor): Tensor {
  const own = oneHot(labels, logits.shape[1]);
  const behind = sub(logits, sum(mul(logits, own), -1, { keepDims: true })); // 0 for the label itself
  const most = stopGradient(max(behind, -1, { keepDims: true }));
  const others = sum(mul(exp(sub(behind, most)), sub(1, own)), -1);
  const top = max(most, -1);
  return where(greater(top, 0), add(top, log(add(exp(neg(top)), others))), log1p(others));
}

/** log(1 + x) for x ≥ 0: 2 artanh(x / (2 + x)) as a series where x is small. */
function log1p(x: Tensor): Tensor {
  const small = where(greater(x, 0.5), 0, x);
  const t = div(small, add(2, small));
  const t2 = square(t);
  const series = [1 / 9, 1 / 7, 1 / 5, 1 / 3].reduce<Tensor | number>((rest, c) => add(c, mul(t2, rest)), 1 / 11);
  return where(greater(x, 0.5), log(add(1, x)), mul(2, mul(t, add(1, mul(t2, series)))));
}
