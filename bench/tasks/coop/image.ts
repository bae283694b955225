import { encodeImage, type VisionParams } from "../../../src/clip/index.ts";
import { compile, type Tensor } from "../../../src/index.ts";
import { type ImageSizes, imageSpecs, pictures } from "../../data.ts";
import type { MakeWork } from "../../work-type.ts";
import { blockParams, configOf, draw, norm } from "./model.ts";
import { planReport } from "./plan.ts";

export const make: MakeWork<ImageSizes> = async (sizes) => {
  const { layers, width, heads, image, patch } = sizes;
  const specs = imageSpecs(sizes);
  const params: VisionParams = {
    patchEmbedding: draw(specs.patches),
    classEmbedding: draw(specs.classToken),
    positionalEmbedding: draw(specs.positions),
    preNorm: norm(width),
    blocks: specs.blocks.map((block) => blockParams(block, width)),
    postNorm: norm(width),
    projection: draw(specs.projection),
  };
  const config = configOf(
    { layers: 1, width: 512, heads: 8 },
    { kind: "vit", layers, width, heads, imageSize: image, patchSize: patch },
  );
  const encode = compile((images: Tensor) => encodeImage(params, config, images), { name: "encodeImage" });
  const images = draw(pictures(sizes));
  let features: Tensor | undefined;
  return {
    call: () => {
      features?.free();
      features = encode(images);
    },
    value: async () => (await features!.data())[0],
    plan: () => planReport(encode),
  };
};
