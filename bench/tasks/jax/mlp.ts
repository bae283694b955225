import { type MlpSizes, mlpSpecs } from "../../mlp.ts";
import type { MakeWork } from "../../work-type.ts";
import { type Arr, draw, first, jax, np, submit } from "./library.ts";

type Layers = { weight: Arr; bias: Arr }[];

export const make: MakeWork<MlpSizes> = async (sizes) => {
  const { weights, input, target } = mlpSpecs(sizes);
  const [x, y] = [draw(input), draw(target)];
  const lossOf = (layers: Layers, x: Arr, y: Arr): Arr => {
    const last = layers.length - 1;
    const out = layers.reduce((at, p, i) => {
      const z = np.matmul(at, p.weight).add(p.bias);
      return i < last ? jax.nn.relu(z) : z;
    }, x);
    return np.square(out.sub(y)).mean();
  };
  const step = jax.jit((layers: Layers, x: Arr, y: Arr) => {
    const kept = layers.map(({ weight, bias }) => ({ weight: weight.ref, bias: bias.ref }));
    const [loss, grads] = jax.valueAndGrad(lossOf)(kept, x, y);
    const down = (p: Arr, g: Arr) => p.sub(g.mul(sizes.rate));
    const updated = layers.map((p, i) => ({
      weight: down(p.weight, grads[i].weight),
      bias: down(p.bias, grads[i].bias),
    }));
    return [updated, loss] as [Layers, Arr];
  });
  let layers: Layers = weights.map(({ weight, bias }) => ({ weight: draw(weight), bias: draw(bias) }));
  let loss: Arr | undefined;
  return {
    call: async () => {
      loss?.dispose();
      [layers, loss] = step(layers, x.ref, y.ref) as [Layers, Arr];
      await submit(loss);
    },
    value: () => first(loss!),
  };
};
