import { type BlockSizes, blockData } from "../../block.ts";
import { blockSpecs } from "../../data.ts";
import type { MakeWork } from "../../work-type.ts";
import { type Arr, draw, first, jax, np, submit } from "./library.ts";
import { type Block, block, kept, residualBlock } from "./tower.ts";

export const make: MakeWork<BlockSizes> = async (sizes) => {
  const specs = blockData(sizes);
  const [x, probe] = [draw(specs.x), draw(specs.probe)];
  const weights = block(blockSpecs(0, sizes));
  type At = { weights: Block; x: Arr };
  const lossOf = (at: At, probe: Arr): Arr => residualBlock(at.weights, at.x, sizes, true).mul(probe).sum();
  const both = jax.jit((at: At, probe: Arr) => jax.grad(lossOf)(at, probe));
  let grads: At | undefined;
  return {
    call: async () => {
      if (grads) jax.tree.dispose(grads);
      grads = both({ weights: kept(weights), x: x.ref }, probe.ref) as At;
      await submit(grads.x);
    },
    value: () => {
      const { weights, x } = grads!;
      const projections = [weights.query, weights.key, weights.value].map(({ weight }) => weight.ref);
      return first(np.square(np.concatenate(projections, 1)).mean().add(np.square(x.ref).mean()));
    },
  };
};
