import { loadClip } from "../../../src/clip/index.ts";
import { free, tensor } from "../../../src/index.ts";
import { type EncodeSizes, modelFolder, pixels } from "../../models.ts";
import type { MakeWork } from "../../work-type.ts";

export const make: MakeWork<EncodeSizes> = async (sizes) => {
  const clip = await loadClip(modelFolder(sizes));
  const side = clip.config.vision.imageSize;
  const pictures = pixels(sizes, side);
  let features: Float32Array;
  return {
    call: async () => {
      const images = tensor(pictures, [sizes.batch, 3, side, side]);
      const output = clip.encodeImage(images);
      features = (await output.data()) as Float32Array;
      free([images, output]);
    },
    value: async () => features[0],
    output: () => features,
  };
};
