import { residualBlock } from "../../../src/clip/block.ts";
import {
  add,
  compile,
  densePattern,
  free,
  mean,
  mul,
  realize,
  reshape,
  square,
  sum,
  type Tensor,
  valueAndGrad,
} from "../../../src/index.ts";
import { type BlockSizes, blockData } from "../../block.ts";
import { blockSpecs } from "../../data.ts";
import type { MakeWork } from "../../work-type.ts";
import { blockParams, draw } from "./model.ts";
import { planReport } from "./plan.ts";

export const make: MakeWork<BlockSizes> = async (sizes) => {
  const { heads, width, batch, length } = sizes;
  const specs = blockData(sizes);
  const [x, probe] = [specs.x, specs.probe].map((spec) => realize(reshape(draw(spec), [batch * length, width])));
  const pattern = densePattern(batch, length, length, { causal: true });
  const { norm1, norm2, ...weights } = blockParams(blockSpecs(0, sizes), width);
  const options = { heads, activation: "quickGelu", epsilon: 1e-5 } as const;
  const lossOf = (at: { weights: typeof weights; x: Tensor }, probe: Tensor): Tensor =>
    sum(mul(residualBlock({ norm1, norm2, ...at.weights }, at.x, pattern, options), probe));
  const both = compile(
    (at: { weights: typeof weights; x: Tensor }, probe: Tensor) => valueAndGrad(lossOf)(at, probe)[1],
    { name: "forward and backward" },
  );
  let grads: { weights: typeof weights; x: Tensor } | undefined;
  return {
    call: () => {
      free(grads);
      grads = both({ weights, x }, probe);
    },
    value: () => add(mean(square(grads!.weights.inProjection.weight)), mean(square(grads!.x))).item(),
    plan: () => planReport(both),
  };
};
