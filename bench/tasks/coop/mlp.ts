import {
  add,
  compile,
  free,
  matmul,
  mean,
  mul,
  relu,
  square,
  sub,
  type Tensor,
  tensor,
  treeMap,
  valueAndGrad,
} from "../../../src/index.ts";
import { valuesOf } from "../../data.ts";
import { type MlpSizes, mlpSpecs } from "../../mlp.ts";
import type { MakeWork } from "../../work-type.ts";
import { planReport } from "./plan.ts";

export const make: MakeWork<MlpSizes> = async (sizes) => {
  const { weights, input, target } = mlpSpecs(sizes);
  const draw = (spec: typeof input) => tensor(valuesOf(spec), spec.shape);
  const [x, y] = [draw(input), draw(target)];
  const lossOf = (layers: Layers): Tensor => {
    const last = layers.length - 1;
    const out = layers.reduce((at, p, i) => {
      const z = add(matmul(at, p.weight), p.bias);
      return i < last ? relu(z) : z;
    }, x);
    return mean(square(sub(out, y)));
  };
  const step = compile(
    (layers: Layers) => {
      const [loss, grads] = valueAndGrad(lossOf)(layers);
      return { layers: treeMap((p: Tensor, g) => sub(p, mul(g as Tensor, sizes.rate)), layers, grads) as Layers, loss };
    },
    { donate: [0], name: "the step" },
  );
  let layers: Layers = weights.map(({ weight, bias }) => ({ weight: draw(weight), bias: draw(bias) }));
  let loss: Tensor | undefined;
  return {
    call: () => {
      free(loss);
      ({ layers, loss } = step(layers));
    },
    value: () => loss!.item(),
    plan: () => planReport(step),
  };
};

type Layers = { weight: Tensor; bias: Tensor }[];
