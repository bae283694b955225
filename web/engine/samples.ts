import { InputError } from "../../src/tensor/errors.ts";

/** Drawn sets, by their name in `TASKS`. */
export const SAMPLES = [
  { name: "above", title: "Land seen from above: 10 classes" },
  { name: "flowers", title: "Drawn flowers: 14 kinds" },
  { name: "counts", title: "Balls to count: 1 to 8" },
] as const;

export interface Sample {
  readonly classNames: readonly string[];
  /** By class. */
  readonly files: readonly (readonly File[])[];
}

const PER_CLASS = 20;
const SEED = 1;

/** Draws a set; its pictures are PNG files as anyone's. InputError where there is none of that name. */
export async function drawSample(name: string): Promise<Sample> {
  if (!SAMPLES.some((sample) => sample.name === name))
    throw new InputError(`There is no sample set "${name}"; there are ${SAMPLES.map((s) => s.name).join(", ")}.`);
  const { PICTURE_SIZE, taskPictures } = await import("../../src/world/index.ts");
  const { pixels, labels, classNames } = taskPictures(name, { perClass: PER_CLASS, seed: SEED, split: "train" });
  const files: File[][] = classNames.map(() => []);
  for (const [i, label] of labels.entries()) {
    const png = await encodePng(pixels[i], PICTURE_SIZE);
    files[label].push(new File([png], `${classNames[label]}-${files[label].length + 1}.png`, { type: "image/png" }));
  }
  return { classNames, files };
}

function encodePng(rgb: Uint8Array, side: number): Promise<Blob> {
  const rgba = new Uint8ClampedArray(4 * side * side).fill(255);
  for (let i = 0; i < side * side; i++) rgba.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
  const canvas = new OffscreenCanvas(side, side);
  canvas.getContext("2d")!.putImageData(new ImageData(rgba, side, side), 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}
