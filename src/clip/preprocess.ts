import { FormatError, InputError } from "../tensor/errors.ts";
import { type Box, crop, type Picture, resize } from "./resize.ts";
import { shownJson } from "./shown-json.ts";

/** How a picture becomes what a CLIP image tower takes. */
export interface PreprocessOptions {
  /** the short side is resized to this many pixels; undefined: not resized */
  readonly size?: number;
  /** the centre square of this many pixels is kept; undefined: not cropped */
  readonly crop?: number;
  /** what a byte is multiplied by (1/255) */
  readonly scale: number;
  /** per channel, subtracted after scaling */
  readonly mean: readonly [number, number, number];
  /** per channel, divided by after that */
  readonly std: readonly [number, number, number];
}

/**
 * OpenAI's preprocessing at an image resolution in pixels.
 * @example preprocess(picture, clipPreprocess(224)).length // 3 · 224 · 224
 */
export function clipPreprocess(resolution: number): PreprocessOptions {
  return {
    size: resolution,
    crop: resolution,
    scale: 1 / 255,
    mean: [0.48145466, 0.4578275, 0.40821073],
    std: [0.26862954, 0.26130258, 0.27577711],
  };
}

/**
 * Reads a parsed `preprocessor_config.json`. `size` may be a number or `{shortest_edge}`, `crop_size` a number or
 * a square `{height, width}`; the `do_…` flags are obeyed, a missing one counts as true. FormatError for
 * anything that would be done differently here, above all another filter than bicubic.
 *
 * @example const pixels = readPreprocess(JSON.parse(text));
 */
export function readPreprocess(config: unknown, name = "preprocessor_config.json"): PreprocessOptions {
  const refuse = (why: string): never => {
    throw new FormatError(`${name}: ${why}`);
  };
  if (typeof config !== "object" || config === null || Array.isArray(config))
    refuse(`it must be a JSON object, not ${shownJson(config)}.`);
  const given = new Map(Object.entries(config as object));
  const does = (flag: string): boolean => {
    const value = given.get(flag) ?? true;
    return typeof value === "boolean" ? value : refuse(`${flag} must be true or false, not ${shownJson(value)}.`);
  };
  const pixels = (key: string, square: (value: Record<string, unknown>) => unknown): number => {
    const value = given.get(key);
    const n = typeof value === "object" && value !== null ? square(value as Record<string, unknown>) : value;
    if (Number.isInteger(n) && (n as number) > 0 && (n as number) <= 8192) return n as number;
    return refuse(`${key} ${shownJson(value)} is not supported: a whole number of pixels (for a square) is.`);
  };
  const triple = (key: string): readonly [number, number, number] => {
    const value = given.get(key);
    const good = Array.isArray(value) && value.length === 3 && value.every((x) => Number.isFinite(x));
    return good
      ? (value as [number, number, number])
      : refuse(`${key} must be three numbers, not ${shownJson(value)}.`);
  };

  const resample = given.get("resample") ?? 3;
  if (does("do_resize") && resample !== 3)
    refuse(`resample ${shownJson(resample)} is not supported: only 3 (bicubic) is.`);
  const size = does("do_resize") ? pixels("size", (s) => s.shortest_edge) : undefined;
  const square = (s: Record<string, unknown>) => (s.height === s.width ? s.height : undefined);
  const cropped = does("do_center_crop") ? pixels("crop_size", square) : undefined;
  if (size && cropped && cropped > size) refuse(`crop_size ${cropped} is larger than size ${size}.`);
  const factor = given.get("rescale_factor") ?? 1 / 255;
  if (typeof factor !== "number" || !(factor > 0)) refuse("rescale_factor must be a number above 0.");
  const std = does("do_normalize") ? triple("image_std") : ([1, 1, 1] as const);
  if (std.some((x) => x <= 0)) refuse("image_std must be above 0.");
  return {
    size,
    crop: cropped,
    scale: does("do_rescale") ? (factor as number) : 1,
    mean: does("do_normalize") ? triple("image_mean") : [0, 0, 0],
    std,
  };
}

/**
 * Test-time preprocessing: resize, centre crop, normalise → float32 [3, height, width].
 * @example const images = tensor(preprocess(picture, clip.pixels), [1, 3, 224, 224]);
 */
export function preprocess(picture: Picture, options: PreprocessOptions): Float32Array {
  const { width, height, data } = picture;
  if (!(width >= 1 && height >= 1 && data.length === 3 * width * height))
    throw new InputError(
      `preprocess: ${data.length} bytes are not a picture of ${width} × ${height} pixels of 3 bytes`,
    );
  return normalise(resizeAndCrop(picture, options), options);
}

/**
 * Training-time preprocessing, as CLIP was trained: the same, but the square is cut out at a random place of the resized
 * picture (Radford et al., arXiv 2103.00020, §2.4).
 *
 * @param place where, from 0 (left, top) up to 1, not included
 * @returns float32 [3, side, side], row-major
 * @example preprocessAt(picture, clip.pixels, [Math.random(), Math.random()]);
 */
export function preprocessAt(
  picture: Picture,
  options: PreprocessOptions,
  place: readonly [x: number, y: number],
): Float32Array {
  const { width, height } = options.size ? shortSideTo(options.size, picture) : picture;
  const side = options.crop ?? Math.min(width, height);
  const left = Math.floor(place[0] * (width - side + 1));
  const top = Math.floor(place[1] * (height - side + 1));
  const box: Box = [left, top, left + side, top + side];
  return normalise(options.size ? resize(picture, width, height, box) : crop(picture, box), options);
}

/**
 * Writes what `readPreprocess` reads.
 * @example writeFileSync("preprocessor_config.json", JSON.stringify(preprocessJson(clip.pixels)));
 */
export const preprocessJson = ({ size, crop: side, scale, mean, std }: PreprocessOptions): object => ({
  feature_extractor_type: "CLIPFeatureExtractor",
  do_convert_rgb: true,
  do_resize: size !== undefined,
  ...(size === undefined ? {} : { size: { shortest_edge: size } }),
  resample: 3,
  do_center_crop: side !== undefined,
  ...(side === undefined ? {} : { crop_size: { height: side, width: side } }),
  do_rescale: true,
  rescale_factor: scale,
  do_normalize: true,
  image_mean: mean,
  image_std: std,
});

function resizeAndCrop(picture: Picture, options: PreprocessOptions): Picture {
  if (!options.size) return options.crop ? centreCrop(picture, options.crop) : picture;
  const { width, height } = shortSideTo(options.size, picture);
  // only what the crop keeps is computed: the long side of a 1 × 20,000 picture becomes millions of pixels
  return resize(picture, width, height, options.crop ? centreBox(width, height, options.crop) : undefined);
}

/** The short side becomes `size` pixels, the long side keeps the proportion, rounded down. */
export function resizeShortSide(picture: Picture, size: number): Picture {
  const { width, height } = shortSideTo(size, picture);
  return resize(picture, width, height);
}

/** The centre `size` × `size` pixels; an odd remainder is halved to the nearest even offset. */
export function centreCrop(picture: Picture, size: number): Picture {
  return crop(picture, centreBox(picture.width, picture.height, size));
}

/**
 * What lies in `box`, resized to `size` × `size`: the geometry of a random resized crop (nothing outside is seen).
 * @example const crop = resizeBox(picture, [10, 10, 110, 110], 224); // 224 × 224 pixels
 */
export function resizeBox(picture: Picture, box: Box, size: number): Picture {
  return resize(crop(picture, box), size, size);
}

/** Bytes [height, width, 3] → float32 [3, height, width], (byte * scale - mean) / std per channel. */
export function normalise(picture: Picture, options: PreprocessOptions): Float32Array {
  const pixels = picture.width * picture.height;
  const out = new Float32Array(3 * pixels);
  const values = byteValues(options);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < pixels; i++) out[channel * pixels + i] = values[256 * channel + picture.data[3 * i + channel]];
  }
  return out;
}

/** What each byte of each channel becomes, float32 [3, 256]: (byte * scale - mean) / std. */
export function byteValues({ scale, mean, std }: PreprocessOptions): Float32Array {
  return Float32Array.from({ length: 3 * 256 }, (_, i) => {
    const [channel, byte] = [i >> 8, i & 255];
    // in float32 at every step, as the reference computes it
    return Math.fround(Math.fround(byte * scale) - Math.fround(mean[channel])) / Math.fround(std[channel]);
  });
}

function shortSideTo(size: number, { width, height }: Picture): { width: number; height: number } {
  return width <= height
    ? { width: size, height: Math.trunc((size * height) / width) }
    : { width: Math.trunc((size * width) / height), height: size };
}

function centreBox(width: number, height: number, size: number): Box {
  if (width < size || height < size)
    throw new InputError(`A ${width} × ${height} picture is too small to cut ${size} × ${size} pixels out of it.`);
  const left = halfToEven(width - size);
  const top = halfToEven(height - size);
  return [left, top, left + size, top + size];
}

/** n / 2 for a whole n ≥ 0, a half going to the even neighbour. */
function halfToEven(n: number): number {
  const down = Math.floor(n / 2);
  return n % 2 === 1 && down % 2 === 1 ? down + 1 : down;
}
