import {
  add,
  arange,
  concat,
  free,
  gather,
  mul,
  type Resampling,
  realize,
  resample,
  reshape,
  shiftRight,
  sub,
  type Tensor,
  tensor,
  zeros,
} from "../tensor/index.ts";
import type { View } from "./augment.ts";
import { byteValues, type PreprocessOptions } from "./preprocess.ts";
import { crop, type Picture, resize, type Taps, tapsFor } from "./resize.ts";

/** A view of a picture in memory. */
export interface Crop extends View {
  readonly picture: Picture;
}

const MOST_PIXELS = 2 ** 24;

/**
 * Views as an image tower takes them, resized and normalised on the device. Equal, to the bit, to
 * `normalise(resizeBox(picture, box, side), options)`, mirrored where the view is.
 *
 * @param side pixels of the square that each box becomes
 * @param most pixels, of four bytes each, that are resized in one go; a larger box is resized on the CPU
 * @returns f32 [N, 3, side, side]
 * @throws InputError for a box that is not within its picture
 * @example
 * const views = pictures.map((picture) => ({ picture, ...randomView(picture, Math.random) }));
 * const images = await cropBatch(views, clip.config.vision.imageSize, clip.pixels);
 */
export async function cropBatch(
  crops: Iterable<Crop> | AsyncIterable<Crop>,
  side: number,
  options: PreprocessOptions,
  most = MOST_PIXELS,
): Promise<Tensor> {
  const resized: Tensor[] = [];
  let waiting: Part[] = [];
  let size = 0;
  const resizeWaiting = () => {
    if (waiting.length > 0) resized.push(resizeParts(waiting, side));
    waiting = [];
    size = 0;
  };
  for await (const { picture, box, flip } of crops) {
    const whole = { picture: crop(picture, box), flip };
    const part = pixelsOf(whole, side) <= most ? whole : { picture: resize(whole.picture, side, side), flip };
    if (size + pixelsOf(part, side) > most) resizeWaiting();
    waiting.push(part);
    size += pixelsOf(part, side);
  }
  resizeWaiting();
  if (resized.length === 0) return zeros([0, 3, side, side]);
  const table = tensor(byteValues(options));
  const images = realize(normalisePixels(concat(resized), table));
  free([resized, table]);
  return images;
}

/** What lies in a box, and whether it is mirrored. */
interface Part {
  readonly picture: Picture;
  readonly flip: boolean;
}

/** Pixels on the device, of the part or of what its first pass leaves. */
const pixelsOf = ({ picture: { width, height } }: Part, side: number): number => height * Math.max(side, width);

/** Parts [N] → u32 [N, side, side], pixels 0x00BBGGRR: across first, then down, as Pillow does. */
function resizeParts(parts: readonly Part[], side: number): Tensor {
  const rows = parts.reduce((sum, { picture }) => sum + picture.height, 0);
  const pixels = new Uint32Array(parts.reduce((sum, { picture }) => sum + picture.width * picture.height, 0));
  const [across, down] = [tapList(), tapList()];
  const [acrossLines, downLines] = [new Int32Array(2 * rows), new Int32Array(2 * parts.length * side)];
  let [pixel, row] = [0, 0];
  parts.forEach(({ picture: { width, height, data }, flip }, n) => {
    for (let y = 0; y < height; y++) acrossLines.set([pixel + y * width, n * side], 2 * (row + y));
    for (let y = n * side; y < (n + 1) * side; y++) downLines.set([row * side, y], 2 * y);
    across.add(tapsFor(width, side, 0, side), flip);
    down.add(tapsFor(height, side, 0, side));
    for (let at = 0; at < data.length; at += 3) pixels[pixel++] = data[at] | (data[at + 1] << 8) | (data[at + 2] << 16);
    row += height;
  });
  const first: Resampling = { pixels: tensor(pixels), lines: pairs(acrossLines), ...across.tensors() };
  const between = resample(first, "across", side);
  const second = { lines: pairs(downLines), ...down.tensors() };
  const result = realize(
    reshape(resample({ pixels: reshape(between, [rows * side]), ...second }, "down", side), [parts.length, side, side]),
  );
  free([first, second]);
  return result;
}

const pairs = (values: Int32Array): Tensor => tensor(values, [values.length / 2, 2]);

/** The taps of several pictures, one after another, each with its own number of weights. */
function tapList() {
  const taps: number[] = [];
  const weights: number[] = [];
  return {
    /** @param backwards the last output's first: a mirror */
    add({ first, count, weights: all, width, outputs }: Taps, backwards = false): void {
      for (let j = 0; j < outputs; j++) {
        const i = backwards ? outputs - 1 - j : j;
        taps.push(first[i], weights.length);
        for (let k = i * width; k < i * width + count[i]; k++) weights.push(all[k]);
      }
    },
    tensors: (): Pick<Resampling, "taps" | "weights"> => ({
      taps: pairs(Int32Array.from(taps.concat(0, weights.length))),
      weights: tensor(Int32Array.from(weights)),
    }),
  };
}

/** u32 [N, R, R] → f32 [N, 3, R, R] by a table of what each byte of each channel becomes. */
function normalisePixels(pixels: Tensor, table: Tensor): Tensor {
  const [count, rows, columns] = pixels.shape;
  const channel = reshape(arange(3, "u32"), [3, 1, 1]);
  const bytes = shiftRight(reshape(pixels, [count, 1, rows, columns]), mul(channel, 8));
  const byte = sub(bytes, mul(shiftRight(bytes, 8), 256));
  return gather(table, add(byte, mul(channel, 256)));
}
