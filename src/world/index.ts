/** A drawn world: small pictures of ten kinds of things, the captions people would write, and tasks to classify them. */
import { type Latent, sampleLatent } from "./latent.ts";
import { Random } from "./random.ts";
import { drawPicture } from "./render.ts";

export { PICTURE_SIZE } from "./canvas.ts";
export { caption, captionFor, MAX_CAPTION_WORDS, NAME_SHARE } from "./caption.ts";
export { DOMAIN_SHARES, type Domain, isHeldOut, type Latent, type LatentOf, sampleLatent } from "./latent.ts";
export { Random } from "./random.ts";
export { type Disturbance, drawPicture } from "./render.ts";
export {
  SHIFTS,
  type Shift,
  type ShiftName,
  TASKS,
  type Task,
  type TaskPictures,
  type TaskPicturesOptions,
  taskPictures,
} from "./tasks.ts";
export { ENSEMBLE_TEMPLATES, NAIVE_TEMPLATE } from "./templates.ts";
export { vocabulary, wordsOf } from "./words.ts";

/** uint8 RGB, [32, 32, 3], row-major from the upper left, and what it shows. */
export type Picture = { readonly pixels: Uint8Array; readonly latent: Latent };

const TRAINING_STREAM = 1;

/**
 * The `index`-th picture of the training set `seed`, whichever were asked for before. Held-out colour-shape pairs do
 * not occur. Its captions come from `captionFor(latent, …)`.
 * @throws RangeError if seed or index is not a whole number.
 */
export function trainingPair(seed: number, index: number): Picture {
  const random = new Random(seed, TRAINING_STREAM, index);
  const latent = sampleLatent(undefined, random);
  return { latent, pixels: drawPicture(latent, random) };
}
