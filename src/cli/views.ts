import { type Clip, COOP_VIEWS, type Crop, cropBatch, decodePicture, readPictureFile } from "../clip/index.ts";
import { sha256Hex } from "../coop/feature-cache.ts";
import { progress } from "../coop/progress.ts";
import { type Augmentation, viewOf, viewsRecipeText } from "../coop/views.ts";
import { free, pad, realize } from "../tensor/index.ts";
import { type Flag, type Input, UsageError } from "./command.ts";
import { batchFor, encodePictures, KEPT_AT_ONCE, openCache, upTo, versionOf } from "./features.ts";

const DEFAULT_VIEWS = 8;

/** The flags of a training that say how its pictures are seen. */
export const AUGMENT_FLAGS: Readonly<Record<string, Flag>> = {
  augment: {
    value: "HOW",
    help: "none, views (crops that are encoded once) or fresh (new crops in each epoch; default none)",
  },
  views: { value: "N", help: `crops of each picture for --augment views, used in turn (default ${DEFAULT_VIEWS})` },
};

/** What those flags say; `--views N` alone means `--augment views`. */
export function augmentationOf(input: Input): Pick<Augmentation, "augment" | "views"> {
  const counted = input.text("views") !== undefined;
  const augment = input.text("augment") ?? (counted ? "views" : "none");
  if (augment !== "none" && augment !== "views" && augment !== "fresh")
    throw new UsageError(`--augment is ${augment}; it is none, views or fresh`);
  if (counted && augment !== "views")
    throw new UsageError(`--views says how many views are fixed; --augment ${augment} has none`);
  return { augment, views: input.whole("views", augment === "views" ? DEFAULT_VIEWS : 1) };
}

export interface EncodeViewsOptions {
  /** V: how many of each picture */
  readonly views: number;
  readonly seed: number;
  /** number of the first (default 0) */
  readonly first?: number;
  /** taken from the user's cache and kept there (default true) */
  readonly keep?: boolean;
  /** what the progress is called; none is shown where not given */
  readonly label?: string;
}

/**
 * Features [V, N, E] of random views of picture files, not normalised, bit for bit the same whether they were computed
 * before or not. View v of picture i is `viewOf(picture, seed, first + v, i)`.
 *
 * @throws InputError for the first file that is not a picture, naming it
 */
export async function encodeViews(
  clip: Clip,
  paths: readonly string[],
  { views, seed, first = 0, keep = true, label }: EncodeViewsOptions,
): Promise<Float32Array> {
  const { embedDim: width, vision } = clip.config;
  const side = vision.imageSize;
  const total = views * paths.length;
  const batch = batchFor(total);
  const cache = keep ? await openCache(clip, wayOf(clip, batch)) : undefined;
  const bar = progress(label ?? "views", total, label === undefined || total < 16 ? { mode: "silent" } : {});
  const features = new Float32Array(total * width);
  let missing: { row: number; key: string }[] = [];
  let known = 0;

  async function* crops(): AsyncGenerator<Crop> {
    for (const [i, path] of paths.entries()) {
      const bytes = await readPictureFile(path);
      const content = cache && (await sha256Hex(bytes));
      let picture: Crop["picture"] | undefined;
      for (let v = 0; v < views; v++) {
        bar.update(i * views + v);
        const row = v * paths.length + i;
        const key = await sha256Hex(new TextEncoder().encode(`${content} ${seed} ${first + v} ${i}`));
        const kept = cache?.get(key);
        if (kept) {
          features.set(kept, row * width);
          known++;
        } else {
          picture ??= await decodePicture(bytes, path);
          missing.push({ row, key });
          yield { picture, ...viewOf(picture, seed, first + v, i) };
        }
      }
    }
  }

  const all = crops();
  for (let unsaved = 0; ; ) {
    const images = await cropBatch(upTo(batch, all), side, clip.pixels);
    const count = images.shape[0];
    if (count === 0) break;
    const filled = [
      [0, batch - count],
      [0, 0],
      [0, 0],
      [0, 0],
    ];
    const input = count < batch ? realize(pad(images, filled)) : images;
    const output = clip.encodeImage(input);
    const values = (await output.data()) as Float32Array;
    free([images, input, output]);
    missing.forEach(({ row, key }, i) => {
      const feature = values.slice(i * width, (i + 1) * width);
      features.set(feature, row * width);
      cache?.put(key, feature);
    });
    missing = [];
    unsaved += count;
    if (unsaved >= KEPT_AT_ONCE) {
      await cache?.save();
      unsaved = 0;
    }
  }
  await cache?.save();
  bar.finish(`${total} views of ${paths.length} pictures${known > 0 ? `, ${known} of them from the cache` : ""}`);
  return features;
}

/** What the features of a view depend on besides the model, the picture and the numbers that were drawn. */
const wayOf = ({ pixels: { scale, mean, std } }: Clip, batch: number): object => ({
  views: COOP_VIEWS,
  drawn: viewOf({ width: 500, height: 375 }, 1, 2, 3), // other numbers, other views
  pixels: { scale, mean, std },
  decoder: versionOf("sharp"),
  batch,
});

/** Features of the pictures of a training. */
export interface TrainingFeatures {
  /** [V, N, E] row-major, epoch e using view e mod V; absent where every epoch has views of its own. */
  readonly fixed?: Float32Array;
  /** V; the number of epochs where every epoch has views of its own. */
  readonly views: number;
  /** What an epoch, counted from 0, learns from: [N, E] row-major. */
  epoch(epoch: number): Promise<Float32Array>;
  /** One line for the log. */
  readonly text: string;
}

/**
 * Features of pictures as a training sees them. "none" and "views" are computed here and kept for the next time; "fresh"
 * computes an epoch's when it is asked for, reading and decoding every picture again, and keeps none.
 *
 * @param how.epochs of the training; more views than that are not made
 * @throws InputError for the first file that is not a picture, naming it
 * @example
 * const shots = await trainingFeatures(clip, paths, { augment: "views", views: 8, seed: 1, epochs: 50 });
 * await shots.epoch(9); // [N, E], the second view
 */
export async function trainingFeatures(
  clip: Clip,
  paths: readonly string[],
  how: Augmentation & { readonly epochs: number },
  label = "shots",
): Promise<TrainingFeatures> {
  const { augment, seed, epochs } = how;
  if (augment === "fresh")
    return {
      views: epochs,
      epoch: (epoch) => encodeViews(clip, paths, { views: 1, first: epoch, seed, keep: false }),
      text: viewsRecipeText(how),
    };
  const views = augment === "none" ? 1 : Math.min(how.views, epochs);
  const fixed =
    augment === "none"
      ? await encodePictures(clip, paths, label)
      : await encodeViews(clip, paths, { views, seed, label });
  const size = fixed.length / views;
  return {
    fixed,
    views,
    epoch: async (epoch) => fixed.subarray((epoch % views) * size, ((epoch % views) + 1) * size),
    text: viewsRecipeText({ ...how, views }),
  };
}
