import { type ImageSizes, imageSpecs, pictures } from "../../data.ts";
import type { MakeWork } from "../../work-type.ts";
import { type Arr, draw, first, jax, np, submit } from "./library.ts";
import { block, kept, layerNorm, residualBlock } from "./tower.ts";

export const make: MakeWork<ImageSizes> = async (sizes) => {
  const { batch, width, patch } = sizes;
  const specs = imageSpecs(sizes);
  const params = {
    patches: draw(specs.patches),
    classToken: np.broadcastTo(draw(specs.classToken).reshape([1, 1, width]), [batch, 1, width]),
    positions: draw(specs.positions),
    blocks: specs.blocks.map(block),
    projection: np.transpose(draw(specs.projection)),
  };
  type Params = typeof params;
  const images = draw(pictures(sizes));
  const places = specs.positions.shape[0];
  const encode = jax.jit((p: Params, pixels: Arr): Arr => {
    const grid = jax.lax
      .convGeneralDilated(pixels, p.patches, [patch, patch], "VALID")
      .reshape([batch, width, places - 1]);
    const tokens = np.concatenate([p.classToken, np.transpose(grid, [0, 2, 1])], 1);
    let x = layerNorm(tokens.add(p.positions));
    for (const weights of p.blocks) x = residualBlock(weights, x, sizes, false);
    const summary = x.slice([], [0, 1]).reshape([batch, width]);
    return np.matmul(layerNorm(summary), p.projection);
  });
  let features: Arr | undefined;
  return {
    call: async () => {
      features?.dispose();
      features = encode(kept(params), images.ref) as Arr;
      await submit(features);
    },
    value: () => first(features!),
  };
};
