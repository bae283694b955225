import { InputError } from "../tensor/errors.ts";

/** A picture in memory: `data` holds `height * width` pixels of three bytes, red green blue, row by row from the top. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** [left, top, right, bottom) in whole pixels. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

// The weights are whole numbers, 2^22 standing for 1, so that every machine and Pillow round alike.
const PRECISION = 22;
const MAX_PIXELS = 2 ** 28;

/**
 * Antialiased bicubic resize to `width` × `height`, to the bit as Pillow does it: the kernel (a = -0.5) is
 * widened by the shrink factor, rows are shortened before columns, and each of the two passes rounds and clips to 0…255.
 * Of the result only `window` is computed and returned (default: all of it).
 */
export function resize(picture: Picture, width: number, height: number, window: Box = [0, 0, width, height]): Picture {
  const [left, top, right, bottom] = window;
  if (![width, height].every((n) => Number.isInteger(n) && n >= 1))
    throw new InputError(`A picture cannot be resized to a size of ${width} × ${height}.`);
  if ((right - left) * (bottom - top) > MAX_PIXELS)
    throw new InputError(
      `A ${picture.width} × ${picture.height} picture would be resized to ${width} × ${height}: too large.`,
    );
  const across = tapsFor(picture.width, width, left, right);
  const down = tapsFor(picture.height, height, top, bottom);
  return resizeDown(resizeAcross(picture, across, down), down);
}

/** The pixels within `box`, which must lie within the picture. */
export function crop(picture: Picture, [left, top, right, bottom]: Box): Picture {
  const inside =
    0 <= left && left < right && right <= picture.width && 0 <= top && top < bottom && bottom <= picture.height;
  if (!inside || ![left, top, right, bottom].every(Number.isInteger))
    throw new InputError(
      `Box [${left}, ${top}, ${right}, ${bottom}] is not within a ${picture.width} × ${picture.height} picture.`,
    );
  const width = right - left;
  const data = new Uint8Array(3 * width * (bottom - top));
  for (let y = top; y < bottom; y++) {
    const row = 3 * (y * picture.width + left);
    data.set(picture.data.subarray(row, row + 3 * width), 3 * width * (y - top));
  }
  return { width, height: bottom - top, data };
}

/** For each output position: the first input position it sees, and how much each input from there on weighs. */
export interface Taps {
  readonly first: Int32Array; // [outputs]
  readonly count: Int32Array; // [outputs]
  readonly weights: Int32Array; // [outputs, width], 2^22 standing for 1
  readonly width: number;
  readonly outputs: number;
  /** the input positions that any output sees, [begin, end) */
  readonly begin: number;
  readonly end: number;
}

/** Taps of the outputs [from, to) when `input` positions become `output`. */
export function tapsFor(input: number, output: number, from: number, to: number): Taps {
  const scale = input / output;
  const stretch = Math.max(scale, 1);
  const support = 2 * stretch;
  const width = Math.ceil(support) * 2 + 1;
  const outputs = to - from;
  const first = new Int32Array(outputs);
  const count = new Int32Array(outputs);
  const weights = new Int32Array(outputs * width);
  const exact = new Float64Array(width);
  for (let i = 0; i < outputs; i++) {
    const centre = (i + from + 0.5) * scale;
    first[i] = Math.max(0, Math.trunc(centre - support + 0.5));
    count[i] = Math.min(input, Math.trunc(centre + support + 0.5)) - first[i];
    let total = 0;
    for (let k = 0; k < count[i]; k++) total += exact[k] = bicubic((k + first[i] - centre + 0.5) * (1 / stretch));
    for (let k = 0; k < count[i]; k++) {
      const weight = (exact[k] / total) * 2 ** PRECISION;
      weights[i * width + k] = Math.trunc(weight + (weight < 0 ? -0.5 : 0.5));
    }
  }
  return { first, count, weights, width, outputs, begin: first[0], end: first[outputs - 1] + count[outputs - 1] };
}

function bicubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

const HALF = 1 << (PRECISION - 1);
const clip = (sum: number): number => Math.min(255, Math.max(0, sum >> PRECISION));

/** Every row that `down` will see, resized across. */
function resizeAcross({ width, data }: Picture, across: Taps, down: Taps): Picture {
  const height = down.end - down.begin;
  const out = new Uint8Array(3 * across.outputs * height);
  let to = 0;
  for (let y = down.begin; y < down.end; y++) {
    for (let i = 0; i < across.outputs; i++) {
      let [red, green, blue] = [HALF, HALF, HALF];
      let at = 3 * (y * width + across.first[i]);
      const start = i * across.width;
      for (let k = start; k < start + across.count[i]; k++, at += 3) {
        const weight = across.weights[k];
        red += data[at] * weight;
        green += data[at + 1] * weight;
        blue += data[at + 2] * weight;
      }
      out[to++] = clip(red);
      out[to++] = clip(green);
      out[to++] = clip(blue);
    }
  }
  return { width: across.outputs, height, data: out };
}

function resizeDown({ width, data }: Picture, down: Taps): Picture {
  const stride = 3 * width;
  const out = new Uint8Array(stride * down.outputs);
  const sums = new Int32Array(stride);
  for (let i = 0; i < down.outputs; i++) {
    sums.fill(HALF);
    for (let k = 0; k < down.count[i]; k++) {
      const weight = down.weights[i * down.width + k];
      const row = (down.first[i] - down.begin + k) * stride;
      for (let x = 0; x < stride; x++) sums[x] += data[row + x] * weight;
    }
    for (let x = 0; x < stride; x++) out[i * stride + x] = clip(sums[x]);
  }
  return { width, height: down.outputs, data: out };
}
