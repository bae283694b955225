import { InputError } from "../tensor/errors.ts";
import type { Box, Picture } from "./resize.ts";

/** A part of a picture, perhaps seen in a mirror. */
export interface View {
  readonly box: Box;
  /** left and right are exchanged */
  readonly flip: boolean;
}

/** How views are drawn. */
export interface ViewOptions {
  /** area of the box, as a part of the picture's */
  readonly scale: readonly [least: number, most: number];
  /** width / height of the box */
  readonly ratio: readonly [least: number, most: number];
  /** boxes that are drawn until one lies within the picture */
  readonly tries: number;
  /** probability of the mirror */
  readonly flip: number;
}

/** As CoOp trains (Zhou et al., IJCV 2022, and the released configurations). */
export const COOP_VIEWS: ViewOptions = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3], tries: 10, flip: 0.5 };

/**
 * Draws a view of a picture: a random resized crop, then perhaps a mirror. Areas are uniform, ratios uniform in their
 * logarithm, places uniform over all whole pixels. Where no drawn box lies within the picture, it is the largest one in the
 * middle whose ratio is allowed.
 *
 * @param random uniform in [0, 1)
 * @throws InputError for a picture without pixels
 * @example randomView({ width: 500, height: 375 }, Math.random) // { box: [31, 12, 402, 350], flip: true }
 */
export function randomView(
  picture: Pick<Picture, "width" | "height">,
  random: () => number,
  options: ViewOptions = COOP_VIEWS,
): View {
  if (!(picture.width > 0 && picture.height > 0))
    throw new InputError(`A ${picture.width} × ${picture.height} picture has no part to look at.`);
  const box = drawnBox(picture, random, options) ?? middleBox(picture, options.ratio);
  return { box, flip: random() < options.flip };
}

function drawnBox(
  { width, height }: Pick<Picture, "width" | "height">,
  random: () => number,
  { scale, ratio, tries }: ViewOptions,
): Box | undefined {
  const between = (low: number, high: number) => low + (high - low) * random();
  for (let i = 0; i < tries; i++) {
    const area = width * height * between(...scale);
    const proportion = Math.exp(between(Math.log(ratio[0]), Math.log(ratio[1])));
    const w = Math.round(Math.sqrt(area * proportion));
    const h = Math.round(Math.sqrt(area / proportion));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const top = Math.floor(random() * (height - h + 1));
    const left = Math.floor(random() * (width - w + 1));
    return [left, top, left + w, top + h];
  }
  return undefined;
}

function middleBox({ width, height }: Pick<Picture, "width" | "height">, [least, most]: ViewOptions["ratio"]): Box {
  const w = Math.min(width, Math.max(1, Math.round(height * most)));
  const h = Math.min(height, Math.max(1, Math.round(width / least)));
  const [left, top] = [(width - w) >> 1, (height - h) >> 1];
  return [left, top, left + w, top + h];
}
