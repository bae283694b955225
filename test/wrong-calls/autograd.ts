import * as coop from "../../src/index.ts";
import type { WrongCalls } from "./wrong-call.ts";

const { tensor, zeros, compile, square, sum, mul, add } = coop;
const ints = (...values: number[]) => tensor(Int32Array.from(values));
const freed = () => {
  const x = tensor([1, 2]);
  x.free();
  return x;
};
const step = (rate: number) => coop.sgd({ learningRate: rate });

/** Of `coop`: compilation, gradients, optimizers, schedules. */
export const AUTOGRAD: WrongCalls = {
  "compile: an asynchronous function": [
    "synchronous",
    "Promise",
    () => compile(async (x: coop.Tensor) => x)(tensor([1])),
  ],
  "compile: a Date": ["compiled function", "Date", () => compile((_: Date) => tensor([1]))(new Date(0))],
  "compile: a function as argument": [
    "compiled function",
    "function",
    () => compile((_: unknown) => tensor([1]))(() => 1),
  ],
  "compile: one tensor donated twice": [
    "argument 0",
    "argument 1",
    () => {
      const x = tensor([1]);
      compile((a: coop.Tensor, b: coop.Tensor) => add(a, b), { donate: [0, 1], name: "adding" })(x, x);
    },
  ],
  "compile: donated before": [
    "adding",
    "donated",
    async () => {
      const x = tensor([1]);
      const f = compile((a: coop.Tensor) => add(a, 1), { donate: [0], name: "adding" });
      await f(x).data();
      f(x);
    },
  ],
  "compile: reading a donated tensor": [
    "data",
    "donated",
    async () => {
      const x = tensor([1]);
      await compile((a: coop.Tensor) => add(a, 1), { donate: [0], name: "adding" })(x).data();
      await x.data();
    },
  ],
  "compile: a freed argument": [
    "doubled",
    "free()",
    () => compile((x: coop.Tensor) => mul(x, 2), { name: "doubled" })(freed()),
  ],
  "compile: closing over a freed tensor": [
    "mul",
    "free()",
    () => {
      const x = freed();
      return compile(() => mul(x, 2), { name: "doubled" })();
    },
  ],
  "compile: reading inside": ["value", "item", () => compile((x: coop.Tensor) => tensor(Number(x)))(tensor([1]))],
  "compile: no function": ["compile", "Tensor", () => compile(tensor([1]) as never)],
  "compile: donating what is not there": [
    "donate",
    "1",
    () => compile((x: coop.Tensor) => x, { donate: [1] })(tensor([1])),
  ],

  "valueAndGrad: no scalar": ["grad", "[2]", () => coop.valueAndGrad((x: coop.Tensor) => square(x))(tensor([1, 2]))],
  "grad: no tensor": ["grad", "number", () => coop.grad((_: coop.Tensor) => 1 as never)(tensor([1]))],
  "grad: of a number": ["grad", "not a tensor", () => coop.grad(((x: never) => sum(x)) as never)(3)],
  "grad: of integers": ["grad", "i32", () => coop.grad((x: coop.Tensor) => sum(x))(ints(1, 2))],
  "grad: a tree with a number": [
    "grad",
    "b",
    () => coop.grad((p: { a: coop.Tensor }) => sum(p.a))({ a: tensor([1]), b: 2 } as never),
  ],
  "grad: an asynchronous function": [
    "grad",
    "Promise",
    () => coop.grad((async (x: coop.Tensor) => sum(x)) as never)(tensor([1])),
  ],
  "valueAndGradWith: one value": [
    "valueAndGradWith",
    "Tensor",
    () => coop.valueAndGradWith(((x: coop.Tensor) => sum(x)) as never)(tensor([1])),
  ],
  "vjp: another shape": [
    "vjp",
    "[3]",
    () => coop.vjp((x: coop.Tensor) => square(x), tensor([1, 2]))[1](tensor([1, 2, 3])),
  ],
  "vjp: dtype of the cotangent": ["vjp", "i32", () => coop.vjp((x: coop.Tensor) => square(x), tensor([1]))[1](ints(1))],
  "jvp: another shape": [
    "jvp",
    "[3]",
    () => coop.jvp((x: coop.Tensor) => square(x), tensor([1, 2]), tensor([1, 2, 3])),
  ],
  "customVjp: count": [
    "customVjp",
    "0 gradients",
    () =>
      coop.grad(
        coop.customVjp(
          (x: coop.Tensor) => sum(x),
          () => [],
        ),
      )(tensor([1])),
  ],
  "customVjp: shape": [
    "customVjp",
    "[2]",
    () =>
      coop.grad(
        coop.customVjp(
          (x: coop.Tensor) => sum(x),
          () => [zeros([2])],
        ),
      )(tensor([1, 2, 3])),
  ],
  "minimize: integers": ["minimize", "i32", () => coop.minimize((x: coop.Tensor) => sum(x), ints(1))],
  "minimize: NaN at the start": [
    "minimize",
    "NaN",
    () => coop.minimize((x: coop.Tensor) => sum(coop.log(x)), tensor([-1])),
  ],
  "minimize: iterations": [
    "maxIterations",
    "-1",
    () => coop.minimize((x: coop.Tensor) => sum(square(x)), tensor([1]), { maxIterations: -1 }),
  ],
  "minimize: history": [
    "history",
    "NaN",
    () => coop.minimize((x: coop.Tensor) => sum(square(x)), tensor([1]), { history: Number.NaN }),
  ],
  "treeMap: other trees": ["treeMap", "b", () => coop.treeMap((x: unknown) => x, { a: 1 }, { b: 1 } as never)],

  "sgd: no rate": ["learningRate", "undefined", () => coop.sgd({} as never)],
  "sgd: negative rate": ["learningRate", "-1", () => step(-1)],
  "sgd: NaN": ["learningRate", "NaN", () => step(Number.NaN)],
  "sgd: momentum": ["momentum", "Infinity", () => coop.sgd({ learningRate: 1, momentum: Number.POSITIVE_INFINITY })],
  "sgd: decay": ["weightDecay", "-0.1", () => coop.sgd({ learningRate: 1, weightDecay: -0.1 })],
  "sgd: other trees": [
    "treeMap",
    "{b} against {a}",
    () => step(1).update({ a: tensor([1]) }, { velocity: null }, { b: tensor([1]) } as never),
  ],
  "sgd: state of another optimizer": [
    "velocity",
    "momentum",
    () =>
      coop.sgd({ learningRate: 1, momentum: 0.9 }).update([tensor([1])], step(1).init([tensor([1])]), [tensor([1])]),
  ],
  "adamw: rate": ["learningRate", "Infinity", () => coop.adamw({ learningRate: Number.POSITIVE_INFINITY })],
  "adamw: beta1": ["beta1", "1", () => coop.adamw({ learningRate: 1e-3, beta1: 1 })],
  "adamw: beta2": ["beta2", "NaN", () => coop.adamw({ learningRate: 1e-3, beta2: Number.NaN })],
  "adamw: epsilon": ["epsilon", "-1", () => coop.adamw({ learningRate: 1e-3, epsilon: -1 })],
  "globalNorm: nothing": ["globalNorm", "no tensor", () => coop.globalNorm({})],
  "clipByGlobalNorm: limit": ["clipByGlobalNorm", "-1", () => coop.clipByGlobalNorm([tensor([1])], -1)],
  "cosine: no steps": ["cosine", "0", () => coop.cosine(0.1, 0)],
  "cosine: rate": ["cosine", "NaN", () => coop.cosine(Number.NaN, 10)],
  "linearWarmup: steps": ["linearWarmup", "-5", () => coop.linearWarmup(-5, coop.constant(0.1))],
  "constantWarmup: steps": ["constantWarmup", "NaN", () => coop.constantWarmup(0.1, Number.NaN, coop.constant(0.1))],
  "constant: no rate": ["constant", "undefined", () => coop.constant(undefined as never)],
  "upload: shape": ["upload", "-1", () => coop.upload([-1], "f32", () => {})],
  "defineOp: a name that is taken": ["defineOp", "add", () => coop.defineOp({ ...tensor([1]).op, name: "add" })],
};
