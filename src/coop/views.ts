import { COOP_VIEWS, type Picture, randomView, type View } from "../clip/index.ts";
import { MersenneTwister, seedWords } from "./mersenne.ts";

/**
 * How the pictures of a training are seen: "none" as they are tested, in every epoch; "views" a number of views that were
 * drawn and encoded once, in turn; "fresh" a new view in each epoch, as CoOp was published.
 */
export type Augment = "none" | "views" | "fresh";

/** How views are made. */
export interface Augmentation {
  readonly augment: Augment;
  /** Views of each picture where they are fixed. */
  readonly views: number;
  readonly seed: number;
}

/** Keeps the numbers apart from those that order an epoch's pictures. */
const STREAM = 0x76696577;

/**
 * View number `view` of picture number `index`, counted from 0: a function of nothing but what is given.
 * @example viewOf({ width: 500, height: 375 }, 1, 0, 0).box.length // 4
 */
export function viewOf(size: Pick<Picture, "width" | "height">, seed: number, view: number, index: number): View {
  const [low, high = 0] = seedWords(seed);
  const random = new MersenneTwister([low, high, view, index, STREAM]);
  return randomView(size, () => random.random());
}

/**
 * One line for a log or a run's card.
 * @example
 * viewsRecipeText({ augment: "none", views: 1, seed: 1 }) // "none: in every epoch each picture as it is tested"
 */
export function viewsRecipeText({ augment, views, seed }: Augmentation): string {
  if (augment === "none") return "none: in every epoch each picture as it is tested";
  const [least, most] = COOP_VIEWS.scale;
  const how = `random resized crop (area ${least} to ${most}, ratio 3/4 to 4/3, bicubic), mirrored with probability ${COOP_VIEWS.flip}, seed ${seed}`;
  return augment === "fresh"
    ? `a new view of each picture in each epoch, encoded in that epoch: ${how}`
    : `${views} fixed view${views === 1 ? "" : "s"} of each picture, encoded once, one an epoch in turn: ${how}`;
}
