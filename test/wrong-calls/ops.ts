import * as coop from "../../src/index.ts";
import type { WrongCalls } from "./wrong-call.ts";

const { tensor, zeros, ones, sum, mean } = coop;
const ints = (...values: number[]) => tensor(Int32Array.from(values));
const key = () => coop.key(1);

/** Of `coop`: folds, products, windows, rows by index, layers, random numbers. */
export const OPS: WrongCalls = {
  // folds, products, windows
  "sum: no such axis": ["sum", "2", () => sum(zeros([2, 3]), 2)],
  "sum: an axis twice": ["sum", "[0, 0]", () => sum(zeros([2, 3]), [0, -2])],
  "sum: a fraction": ["sum", "0.5", () => sum(zeros([2, 3]), 0.5)],
  "sum: bool": ["sum", "bool", () => sum(tensor([true]))],
  "max: of nothing": ["max", "[0]", () => coop.max(zeros([0]))],
  "mean: i32": ["mean", "i32", () => mean(ints(1, 2))],
  "matmul: inner extents": ["matmul", "[2, 3] and [4, 5]", () => coop.matmul(zeros([2, 3]), zeros([4, 5]))],
  "matmul: vectors": ["matmul", "3 and 4", () => coop.matmul(zeros([3]), zeros([4]))],
  "matmul: a scalar": ["matmul", "[]", () => coop.matmul(tensor(1), zeros([2]))],
  "matmul: i32": ["matmul", "i32", () => coop.matmul(ints(1), ints(1))],
  "matmul: batches": ["matmul", "[2] and [3]", () => coop.matmul(zeros([2, 3, 4]), zeros([3, 4, 5]))],
  "matmul: a number": ["matmul", "number", () => coop.matmul(zeros([2, 2]), 2 as never)],
  "linear: width": ["linear", "[1, 2]", () => coop.linear(zeros([1, 2]), zeros([4, 3]))],
  "conv2d: channels": ["conv2d", "3 channels", () => coop.conv2d(zeros([1, 3, 8, 8]), zeros([4, 1, 3, 3]))],
  "conv2d: a picture without a batch": [
    "conv2d",
    "[3, 8, 8]",
    () => coop.conv2d(zeros([3, 8, 8]), zeros([4, 3, 3, 3])),
  ],
  "conv2d: stride 0": [
    "conv2d",
    "stride 0",
    () => coop.conv2d(zeros([1, 1, 8, 8]), zeros([1, 1, 3, 3]), { stride: 0 }),
  ],
  "conv2d: padding NaN": [
    "conv2d",
    "NaN",
    () => coop.conv2d(zeros([1, 1, 8, 8]), zeros([1, 1, 3, 3]), { padding: Number.NaN }),
  ],
  "conv2d: too large": ["conv2d", "9×9", () => coop.conv2d(zeros([1, 1, 8, 8]), zeros([1, 1, 9, 9]))],
  "unfold: size 0": ["unfold", "0×2", () => coop.unfold(zeros([1, 1, 4, 4]), [0, 2])],
  "avgPool2d: rank": ["avgPool2d", "[4, 4]", () => coop.avgPool2d(zeros([4, 4]), 2)],
  "avgPool2d: size 0": ["avgPool2d", "0×0", () => coop.avgPool2d(zeros([1, 1, 4, 4]), 0)],
  "avgPool2d: size -2": ["avgPool2d", "-2×-2", () => coop.avgPool2d(zeros([1, 1, 4, 4]), -2)],
  "avgPool2d: bool": ["avgPool2d", "i32", () => coop.avgPool2d(zeros([1, 1, 4, 4], "i32"), 2)],

  // rows by index
  "gather: fractions": ["gather", "f32", () => coop.gather(zeros([3, 2]), tensor([1]))],
  "gather: a scalar": ["gather", "scalar", () => coop.gather(tensor(1), ints(0))],
  "gather: a list": ["gather", "a list", () => coop.gather(zeros([3, 2]), [0, 1] as never)],
  "gatherElements: rows": ["gatherElements", "[3, 1]", () => coop.gatherElements(zeros([2, 2]), zeros([3, 1], "i32"))],
  "gatherElements: fractions": ["gatherElements", "f32", () => coop.gatherElements(zeros([1, 2]), zeros([1, 1]))],
  "gatherRows: another table": [
    "gatherRows",
    "[3, 2]",
    () => coop.gatherRows(zeros([3, 2]), coop.rowIndex(Int32Array.of(0), 2)),
  ],
  "rowIndex: NaN rows": ["rowIndex", "NaN", () => coop.rowIndex(Int32Array.of(0), Number.NaN)],
  "rowIndex: negative rows": ["rowIndex", "-1", () => coop.rowIndex(Int32Array.of(0), -1)],
  "scatterAdd: shapes": ["scatterAdd", "[3]", () => coop.scatterAdd(zeros([3]), ints(0, 1), 2)],
  "scatterAdd: i32": ["scatterAdd", "i32", () => coop.scatterAdd(ints(1), ints(0), 2)],
  "scatterAdd: rows": ["scatterAdd", "-2", () => coop.scatterAdd(zeros([1]), ints(0), -2)],
  "oneHot: fractions": ["oneHot", "f32", () => coop.oneHot(tensor([0]), 3)],
  "oneHot: count": ["oneHot", "-1", () => coop.oneHot(ints(0), -1)],
  "topK: too many": ["topK", "4 of [3]", () => coop.topK(zeros([3]), 4)],
  "topK: 0": ["topK", "0", () => coop.topK(zeros([3]), 0)],
  "topK: bool": ["topK", "bool", () => coop.topK(tensor([true]), 1)],
  "argmax: no such axis": ["argmax", "1", () => coop.argmax(zeros([3]), 1)],
  "argmax: of nothing": ["argmax", "[0]", () => coop.argmax(zeros([0]))],
  "argmax: bool": ["argmax", "bool", () => coop.argmax(tensor([true]))],

  // layers
  "softmax: no such axis": ["softmax", "2", () => coop.softmax(zeros([2, 3]), 2)],
  "softmax: i32": ["softmax", "i32", () => coop.softmax(ints(1, 2))],
  "logSoftmax: i32": ["logSumExp", "i32", () => coop.logSoftmax(ints(1, 2))],
  "l2Normalize: i32": ["l2Normalize", "i32", () => coop.l2Normalize(ints(3, 4))],
  "standardize: a scalar": ["standardize", "[]", () => coop.standardize(tensor(1))],
  "layerNorm: width": ["layerNorm", "[3]", () => coop.layerNorm(zeros([2, 4]), ones([3]), zeros([4]))],
  "attention: width": ["attention", "[4, 9]", () => coop.attention(zeros([4, 8]), zeros([4, 9]), zeros([4, 8]))],
  "attention: keys": ["attention", "[5, 8]", () => coop.attention(zeros([4, 8]), zeros([4, 8]), zeros([5, 8]))],
  "attention: causal": [
    "attention",
    "4 causal",
    () => coop.attention(zeros([4, 8]), zeros([3, 8]), zeros([3, 8]), { causal: true }),
  ],
  "attention: i32": [
    "attend",
    "i32",
    () => coop.attention(zeros([2, 8], "i32"), zeros([2, 8], "i32"), zeros([2, 8], "i32")),
  ],
  "attend: another pattern": [
    "attend",
    "[3, 1, 2]",
    () => coop.attend(zeros([3, 1, 2]), zeros([3, 1, 2]), zeros([3, 1, 2]), coop.densePattern(1, 2, 2)),
  ],
  "attentionPattern: no such key": ["attentionPattern", "[0, 3) of 2", () => coop.attentionPattern([[0, 3, 0, 0]], 2)],
  "attentionPattern: sees nothing": ["attentionPattern", "query 0", () => coop.attentionPattern([[0, 0, 0, 0]], 2)],
  "crossEntropy: shapes": ["crossEntropy", "[3]", () => coop.crossEntropy(zeros([2, 4]), ints(0, 1, 2))],
  "crossEntropy: labels as floats": ["crossEntropy", "f32", () => coop.crossEntropy(zeros([2, 4]), tensor([0, 1]))],
  "crossEntropy: smoothing": [
    "crossEntropy",
    "1.5",
    () => coop.crossEntropy(zeros([1, 4]), ints(0), { labelSmoothing: 1.5 }),
  ],
  "crossEntropy: smoothing NaN": [
    "crossEntropy",
    "NaN",
    () => coop.crossEntropy(zeros([1, 4]), ints(0), { labelSmoothing: Number.NaN }),
  ],

  // random numbers
  "key: negative": ["key", "-1", () => coop.key(-1)],
  "key: a fraction": ["key", "0.5", () => coop.key(0.5)],
  "normal: a number for a key": ["random numbers", "number", () => coop.normal(1 as never, [2])],
  "normal: shape": ["random numbers", "-2", () => coop.normal(key(), [-2])],
  "uniform: shape": ["random numbers", "NaN", () => coop.uniform(key(), [Number.NaN])],
  "splitKey: none": ["random numbers", "-1", () => coop.splitKey(key(), -1)],
  "foldIn: a fraction": ["foldIn", "0.5", () => coop.foldIn(key(), 0.5)],
};
