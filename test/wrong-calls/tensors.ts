import * as coop from "../../src/index.ts";
import type { WrongCalls } from "./wrong-call.ts";

const { tensor, zeros, ones, mul, add } = coop;
const ints = (...values: number[]) => tensor(Int32Array.from(values));
const freed = () => {
  const x = tensor([1, 2]);
  x.free();
  return x;
};

/** Of `coop`: making tensors, elementwise ops and views. */
export const TENSORS: WrongCalls = {
  // what a tensor is made of
  "tensor: too few values": ["tensor", "3 values", () => tensor([1, 2, 3], [2, 2])],
  "tensor: too many values": ["tensor", "5 values", () => tensor(new Float32Array(5), [2])],
  "tensor: ragged": ["tensor", "1 where 2", () => tensor([[1, 2], [3]])],
  "tensor: a number beside a list": ["tensor", "a number", () => tensor([[1, 2], 3])],
  "tensor: a shape with a fraction": ["tensor", "1.5", () => tensor([1, 2, 3], [1.5, 2])],
  "tensor: a shape with -1": ["tensor", "[-1]", () => tensor([1, 2], [-1])],
  "tensor: a text": ["tensor", "cat", () => tensor(["cat"] as never)],
  "tensor: undefined": ["tensor", "undefined", () => tensor(undefined as never)],
  "tensor: a hole": ["tensor", "undefined", () => tensor([1, undefined] as never)],
  "tensor: a tensor": ["tensor", "Tensor", () => tensor(tensor([1]) as never)],
  "tensor: a dtype of another library": ["tensor", "float32", () => tensor([1], [1], "float32" as never)],
  "tensor: bytes of unknown meaning": ["tensor", "Int8Array", () => tensor(new Int8Array(2) as never)],
  "tensor: fractions as i32": ["tensor", "1.5", () => tensor([1.5], [1], "i32")],
  "tensor: negative u32": ["tensor", "-1", () => tensor([-1], [1], "u32")],
  "tensor: NaN as i32": ["tensor", "NaN", () => tensor([Number.NaN], [1], "i32")],
  "zeros: a dtype of another library": ["full", "float64", () => zeros([2], "float64" as never)],
  "zeros: a number for a shape": ["full", "3", () => zeros(3 as never)],
  "ones: Infinity": ["full", "Infinity", () => ones([Number.POSITIVE_INFINITY])],
  "full: a fraction as i32": ["full", "0.5", () => coop.full([2], 0.5, "i32")],
  "full: a text": ["full", "a string", () => coop.full([2], "x" as never)],
  "arange: NaN": ["arange", "NaN", () => coop.arange(Number.NaN)],
  "arange: negative": ["arange", "-1", () => coop.arange(-1)],
  "upload: outside": ["upload", "16 bytes", () => coop.upload([2], "f32", (put) => put(0, new Uint8Array(16)))],
  "item: of two": ["item", "[2]", () => tensor([1, 2]).item()],
  "a tensor as a number": ["Tensor", "where", () => 1 + (tensor(1) as never as number)],
  "data: after free": ["data", "free()", () => freed().data()],
  "an op: after free": ["exp", "free()", () => coop.exp(freed())],

  // element by element
  "add: shapes": ["add", "[2, 3] and [4]", () => add(zeros([2, 3]), zeros([4]))],
  "add: dtypes": ["add", "f32 and i32", () => add(tensor([1]), ints(1))],
  "add: a text": ["add", "string", () => add(tensor([1]), "1" as never)],
  "add: null": ["add", "null", () => add(null as never, 1)],
  "add: a fraction to i32": ["add", "0.5", () => add(ints(1), 0.5)],
  "add: -1 to u32": ["add", "-1", () => add(tensor(Uint32Array.of(1)), -1)],
  "mul: bool": ["mul", "bool", () => mul(tensor([true]), tensor([false]))],
  "exp: i32": ["exp", "i32", () => coop.exp(ints(1))],
  "exp: a number": ["exp", "number", () => coop.exp(1 as never)],
  "logicalAnd: f32": ["logicalAnd", "f32", () => coop.logicalAnd(tensor([1]), tensor([1]))],
  "shiftRight: i32": ["shiftRight", "i32", () => coop.shiftRight(ints(4), 1)],
  "where: a number as condition": ["where", "f32", () => coop.where(tensor([1]), 1, 2)],
  "where: shapes": ["where", "[3] and [] and [2]", () => coop.where(tensor([true, false]), zeros([3]), 0)],
  "where: dtypes": ["where", "f32 and i32", () => coop.where(tensor([true]), tensor([1]), ints(1))],
  "cast: a dtype of another library": ["cast", "int64", () => coop.cast(tensor([1]), "int64" as never)],

  // views
  "reshape: size": ["reshape", "[2, 3]", () => coop.reshape(zeros([2, 3]), [4])],
  "reshape: does not divide": ["reshape", "[4, -1]", () => coop.reshape(zeros([2, 3]), [4, -1])],
  "reshape: two free extents": ["reshape", "[-1, -1]", () => coop.reshape(zeros([2, 3]), [-1, -1])],
  "reshape: NaN": ["reshape", "NaN", () => coop.reshape(zeros([2, 3]), [Number.NaN])],
  "broadcastTo: shape": ["broadcastTo", "[2, 3]", () => coop.broadcastTo(zeros([2, 3]), [2, 4])],
  "broadcastTo: NaN": ["broadcastTo", "NaN", () => coop.broadcastTo(zeros([1]), [Number.NaN])],
  "transpose: an axis twice": ["transpose", "[0, 0]", () => coop.transpose(zeros([2, 3]), [0, 0])],
  "transpose: no such axis": ["transpose", "2", () => coop.transpose(zeros([2, 3]), [0, 2])],
  "swapAxes: no such axis": ["swapAxes", "-3", () => coop.swapAxes(zeros([2, 3]), 0, -3)],
  "slice: beyond the end": ["slice", "4", () => coop.slice(zeros([3]), [0], [4])],
  "slice: backwards": ["slice", "[2, 1)", () => coop.slice(zeros([3]), [2], [1])],
  "slice: more positions than axes": ["slice", "[3]", () => coop.slice(zeros([3]), [0, 0])],
  "slice: a fraction": ["slice", "0.5", () => coop.slice(zeros([3]), [0.5])],
  "row: no such row": ["slice", "[5, 6)", () => coop.row(zeros([3, 2]), 5)],
  "pad: negative": ["pad", "[[-1,0]]", () => coop.pad(zeros([3]), [[-1, 0]])],
  "pad: axes left out": ["pad", "[2, 3]", () => coop.pad(zeros([2, 3]), [[1, 1]])],
  "pad: one width": ["pad", "[[1]]", () => coop.pad(zeros([3]), [[1]])],
  "flip: no such axis": ["flip", "1", () => coop.flip(zeros([3]), [1])],
  "concat: nothing": ["concat", "at least one", () => coop.concat([])],
  "concat: other extents": ["concat", "[2, 3], [3, 2]", () => coop.concat([zeros([2, 3]), zeros([3, 2])])],
  "concat: other ranks": ["concat", "[2, 3], [2]", () => coop.concat([zeros([2, 3]), zeros([2])])],
  "concat: dtypes": ["concat", "f32 and i32", () => coop.concat([tensor([1]), ints(1)])],
  "concat: scalars": ["concat", "axis 0", () => coop.concat([tensor(1), tensor(2)])],
  "stack: shapes": ["stack", "[1, 2], [1, 3]", () => coop.stack([zeros([2]), zeros([3])])],
  "stack: nothing": ["stack", "at least one", () => coop.stack([])],
  "expandDims: no such axis": ["expandDims", "3", () => coop.expandDims(zeros([2]), 3)],
  "squeeze: not 1": ["squeeze", "[2, 3]", () => coop.squeeze(zeros([2, 3]), 0)],
  "split: does not divide": ["split", "2", () => coop.split(zeros([3]), 2)],
  "split: no parts": ["split", "0", () => coop.split(zeros([0]), 0)],
  "split: negative": ["split", "-2", () => coop.split(zeros([4]), -2)],
};
