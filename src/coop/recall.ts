import { countRows } from "../clip/feature-table.ts";
import { InputError } from "../tensor/errors.ts";
import { featureSearch } from "./feature-search.ts";

/** How well retrieval did in one direction. */
export interface Recall {
  readonly queries: number;
  /** For each asked-for k, the share of queries with a right answer among the first k, as a fraction. */
  readonly at: ReadonlyMap<number, number>;
  /** Of the first right answers' places; the mean of the middle two where there is an even number. */
  readonly medianRank: number;
}

/** The k that captioned sets are usually measured at. */
export const RECALL_AT: readonly number[] = [1, 5, 10];

/**
 * Recall from the place (from 1) of the first right answer to each query.
 *
 * @example recallOf([1, 3, 12], [1, 10]).at.get(10) // 2/3
 */
export function recallOf(ranks: ArrayLike<number>, at: readonly number[] = RECALL_AT): Recall {
  if (ranks.length === 0) throw new InputError("there is no query to measure recall with");
  const sorted = Array.from(ranks).sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return {
    queries: sorted.length,
    at: new Map(at.map((k) => [k, sorted.filter((rank) => rank <= k).length / sorted.length])),
    medianRank: (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2,
  };
}

/** Recall in both directions. */
export interface CaptionRecall {
  /** A picture asks for captions: any of its own is right. */
  readonly imageToText: Recall;
  /** A caption asks for its picture. */
  readonly textToImage: Recall;
}

/**
 * Recall between pictures and captions as it is reported for Flickr30k and COCO (Karpathy & Fei-Fei, arXiv 1412.2306,
 * §4.1): every picture is compared with all captions, every caption with all pictures.
 *
 * @param images features [N, E] row-major, of any length
 * @param captions features [M, E] row-major
 * @param imageOf the picture of each caption; every picture has one caption or several
 * @example const { imageToText, textToImage } = await captionRecall(images, captions, imageOf, { dim: embedDim });
 */
export async function captionRecall(
  images: Float32Array,
  captions: Float32Array,
  imageOf: ArrayLike<number>,
  { dim, at = RECALL_AT }: { readonly dim: number; readonly at?: readonly number[] },
): Promise<CaptionRecall> {
  if (countRows(captions, dim) !== imageOf.length)
    throw new InputError(`there are ${captions.length / dim} captions, but imageOf is of ${imageOf.length}`);
  const captionsOf = Array.from({ length: countRows(images, dim) }, (): number[] => []);
  for (let caption = 0; caption < imageOf.length; caption++) {
    const own = captionsOf[imageOf[caption]];
    if (!own) throw new InputError(`caption ${caption} is of picture ${imageOf[caption]}, of ${captionsOf.length}`);
    own.push(caption);
  }
  const amongCaptions = await featureSearch(captions, dim);
  const imageToText = recallOf(await amongCaptions.ranks(images, captionsOf), at);
  amongCaptions.free();
  const amongImages = await featureSearch(images, dim);
  const own = Array.from(imageOf, (image) => [image]);
  const textToImage = recallOf(await amongImages.ranks(captions, own), at);
  amongImages.free();
  return { imageToText, textToImage };
}
