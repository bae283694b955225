import { countRows } from "../clip/feature-table.ts";
import type { Clip } from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";
import { compile, free, l2Normalize, matmul, type Tensor, tensor } from "../tensor/index.ts";
import { type Change, compareRankings, type Ranking, rankLabels } from "./ranking.ts";

/** What a prompt answers to pictures whose class is known, and how sure it is. */
export interface Answers extends Ranking {
  /** probability of the answer */
  readonly score: Float64Array;
  /** cosine with the right class less the largest with another: above 0 where the answer is right */
  readonly margin: Float64Array;
}

/** So many pictures are compared at once: their cosines have to fit a buffer. */
const AT_ONCE = 4096;

/**
 * The answers of a prompt.
 *
 * @param images features [N, E] row-major, need not be normalised
 * @param labels the right class of each picture
 * @param classes normalised features [K, E] row-major
 * @example const { predicted, margin } = await answersTo(clip, features, labels, classes);
 */
export async function answersTo(
  clip: Clip,
  images: Float32Array,
  labels: ArrayLike<number>,
  classes: Float32Array,
): Promise<Answers> {
  const width = clip.config.embedDim;
  const [total, count] = [labels.length, countRows(classes, width)];
  if (countRows(images, width) !== total)
    throw new InputError(`answersTo: there are ${total} labels for ${images.length / width} pictures`);
  const wrong = Array.from(labels).find((label) => !(label >= 0 && label < count));
  if (wrong !== undefined) throw new InputError(`answersTo: label ${wrong} is not one of ${count} classes`);
  const texts = tensor(classes, [count, width]);
  const compare = compile((x: Tensor, y: Tensor) => matmul(l2Normalize(x), y, { transposeB: true }));
  const cosines = new Float32Array(total * count);
  for (let from = 0; from < total; from += AT_ONCE) {
    const part = images.subarray(from * width, Math.min(total, from + AT_ONCE) * width);
    const batch = tensor(part, [part.length / width, width]);
    const result = compare(batch, texts);
    cosines.set((await result.data()) as Float32Array, from * count);
    free([batch, result]);
  }
  free(texts);
  compare.free();

  const ranking = rankLabels(cosines, labels, count);
  const score = new Float64Array(total);
  const margin = new Float64Array(total);
  for (let i = 0; i < total; i++) {
    const row = cosines.subarray(i * count, (i + 1) * count);
    const most = row[ranking.predicted[i]];
    score[i] = 1 / row.reduce((sum, cosine) => sum + Math.exp(clip.logitScale * (cosine - most)), 0);
    margin[i] =
      row[labels[i]] - row.reduce((a, b, k) => (k === labels[i] ? a : Math.max(a, b)), Number.NEGATIVE_INFINITY);
  }
  return { ...ranking, score, margin };
}

/** How a class fares with the one prompt and with the other. */
export interface ClassChange {
  /** pictures of the class */
  readonly total: number;
  readonly correct: { readonly before: number; readonly after: number };
  /** means over its pictures; NaN without any */
  readonly margin: { readonly before: number; readonly after: number };
  /** between its text features with the one prompt and with the other */
  readonly cosine: number;
}

/** What another prompt changes. */
export interface PromptChange extends Change {
  readonly classes: readonly ClassChange[];
  /** rows of the pictures whose answer became wrong, those whose margin fell most first */
  readonly lost: readonly number[];
  /** rows of the pictures whose answer became right, those whose margin rose most first */
  readonly gained: readonly number[];
}

/**
 * Compares the answers of two prompts to the same pictures.
 *
 * @param labels the right class of each picture
 * @param features of each prompt, normalised, [K, E] row-major
 * @example
 * const { lost, gained } = comparePrompts(before, after, labels, { before: zeroShot, after: learned, width });
 */
export function comparePrompts(
  before: Answers,
  after: Answers,
  labels: ArrayLike<number>,
  features: { readonly before: Float32Array; readonly after: Float32Array; readonly width: number },
): PromptChange {
  const { width } = features;
  const rows = Array.from(labels, (label, i) => ({ label, i, change: after.margin[i] - before.margin[i] }));
  const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;
  const classes = Array.from({ length: features.before.length / width }, (_, label): ClassChange => {
    const own = rows.filter((row) => row.label === label).map(({ i }) => i);
    const of = ({ rank, margin }: Answers) => ({
      correct: own.filter((i) => rank[i] === 0).length,
      margin: mean(own.map((i) => margin[i])),
    });
    const [one, other] = [of(before), of(after)];
    return {
      total: own.length,
      correct: { before: one.correct, after: other.correct },
      margin: { before: one.margin, after: other.margin },
      cosine: dot(features.before, features.after, label * width, width),
    };
  });
  const right = ({ rank }: Answers, i: number) => rank[i] === 0;
  const flipped = (to: Answers, from: Answers) => rows.filter(({ i }) => right(to, i) && !right(from, i));
  return {
    ...compareRankings(before, after),
    classes,
    lost: flipped(before, after).sort((a, b) => a.change - b.change).map(({ i }) => i), // biome-ignore format: one row
    gained: flipped(after, before).sort((a, b) => b.change - a.change).map(({ i }) => i), // biome-ignore format: one row
  };
}

function dot(a: Float32Array, b: Float32Array, start: number, length: number): number {
  let sum = 0;
  for (let i = start; i < start + length; i++) sum += a[i] * b[i];
  return sum;
}
