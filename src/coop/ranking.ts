import { type Clip, classify } from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";
import type { Score } from "./score.ts";

/** Answers to pictures whose class is known. */
export interface Ranking {
  /** the most probable class of each picture */
  readonly predicted: Int32Array;
  /** how many classes stand before the right one: 0 where the answer is right */
  readonly rank: Int32Array;
}

/**
 * Where the right class of each picture stands; of equally probable classes the first stands first.
 *
 * @param probabilities [N, K] row-major
 * @param labels the right class of each of the N pictures
 */
export function rankLabels(probabilities: Float32Array, labels: ArrayLike<number>, classes: number): Ranking {
  if (probabilities.length !== labels.length * classes)
    throw new InputError(
      `${probabilities.length} probabilities are not ${classes} for each of ${labels.length} pictures`,
    );
  const predicted = new Int32Array(labels.length);
  const rank = new Int32Array(labels.length);
  for (let i = 0; i < labels.length; i++) {
    const row = probabilities.subarray(i * classes, (i + 1) * classes);
    const right = row[labels[i]];
    for (let k = 0; k < classes; k++) {
      if (row[k] > row[predicted[i]]) predicted[i] = k;
      if (row[k] > right || (row[k] === right && k < labels[i])) rank[i]++;
    }
  }
  return { predicted, rank };
}

/** So many pictures are compared at once: their probabilities have to fit a buffer. */
const AT_ONCE = 4096;

/**
 * The answers of `classify`, ranked.
 *
 * @param images features [N, E] row-major, need not be normalised
 * @param labels the right class of each picture
 * @param classes normalised features [K, E] row-major
 */
export async function rankPictures(
  clip: Clip,
  images: Float32Array,
  labels: ArrayLike<number>,
  classes: Float32Array,
): Promise<Ranking> {
  const width = clip.config.embedDim;
  const result = { predicted: new Int32Array(labels.length), rank: new Int32Array(labels.length) };
  for (let at = 0; at < labels.length; at += AT_ONCE) {
    const end = Math.min(labels.length, at + AT_ONCE);
    const probabilities = await classify(clip, images.subarray(at * width, end * width), classes);
    const part = Array.from({ length: end - at }, (_, i) => labels[at + i]);
    const { predicted, rank } = rankLabels(probabilities, part, classes.length / width);
    result.predicted.set(predicted, at);
    result.rank.set(rank, at);
  }
  return result;
}

/** Pictures whose right class is among the `k` most probable. */
export const within = ({ rank }: Ranking, k: number): Score => ({
  correct: rank.reduce((n, place) => n + (place < k ? 1 : 0), 0),
  total: rank.length,
});

/** How the answers to the same pictures differ. */
export interface Change {
  readonly rightToWrong: number;
  readonly wrongToRight: number;
  /**
   * Probability of a difference at least this large if both were equally good (McNemar's test, exact and two-sided):
   * each picture that only one of them has right would be a throw of a coin.
   */
  readonly p: number;
}

/** Compares the answers of two rankings of the same pictures. */
export function compareRankings(before: Ranking, after: Ranking): Change {
  let rightToWrong = 0;
  let wrongToRight = 0;
  before.rank.forEach((place, i) => {
    if (place === 0 && after.rank[i] !== 0) rightToWrong++;
    if (place !== 0 && after.rank[i] === 0) wrongToRight++;
  });
  return { rightToWrong, wrongToRight, p: coinProbability(rightToWrong, wrongToRight) };
}

/** Two-sided probability that a fair coin falls at least as unevenly as `a` to `b`. */
function coinProbability(a: number, b: number): number {
  const throws = a + b;
  let logTerm = -throws * Math.LN2; // log of C(throws, i) / 2^throws
  let tail = 0;
  for (let i = 0; i <= Math.min(a, b); i++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((throws - i) / (i + 1));
  }
  return Math.min(1, 2 * tail);
}
