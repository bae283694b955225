import { InputError } from "../tensor/errors.ts";

/** Pictures answered rightly, of all that were asked. */
export interface Score {
  readonly correct: number;
  readonly total: number;
}

/** How often a picture of class `row` was taken for class `column`: [K][K] counts. */
export type Confusion = readonly (readonly number[])[];

/**
 * Top-1 accuracy over all pictures as a fraction, not the mean of the classes; NaN without pictures.
 * @example accuracy({ correct: 9, total: 10 }) // 0.9
 */
export const accuracy = ({ correct, total }: Score): number => correct / total;

/**
 * The 95 % interval of an accuracy, as fractions, by Wilson's formula (1927): honest for few pictures and near 0 and 1.
 * It speaks of new pictures of the same kind, not of other seeds.
 *
 * @example interval({ correct: 9, total: 10 }) // [0.5958, 0.9821]
 */
export function interval({ correct, total }: Score): [low: number, high: number] {
  if (total === 0) return [0, 1];
  const z2 = 1.959963984540054 ** 2;
  const p = correct / total;
  const middle = (p + z2 / (2 * total)) / (1 + z2 / total);
  const reach = Math.sqrt(z2 * ((p * (1 - p)) / total + z2 / (4 * total * total))) / (1 + z2 / total);
  return [correct === 0 ? 0 : middle - reach, correct === total ? 1 : middle + reach];
}

/** The index of the largest value of each row of [N, `width`]; the first of equals. */
export const largestOfRows = (values: Float32Array, width: number): Int32Array =>
  Int32Array.from({ length: values.length / width }, (_, i) => {
    const row = values.subarray(i * width, (i + 1) * width);
    return row.indexOf(row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY));
  });

/**
 * Counts [K][K] from the true and the predicted label of each picture.
 * @example confusionMatrix([0, 0, 1], [0, 1, 1], 2) // [1, 1, 0, 1]
 */
export function confusionMatrix(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classes: number,
): number[][] {
  if (labels.length !== predictions.length)
    throw new InputError(`${labels.length} labels but ${predictions.length} predictions: there must be one for each.`);
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < labels.length; i++) {
    for (const label of [labels[i], predictions[i]])
      if (!(Number.isInteger(label) && label >= 0 && label < classes))
        throw new InputError(`Picture ${i}: label ${label} is not one of the ${classes} classes.`);
    counts[labels[i]][predictions[i]]++;
  }
  return counts;
}

/**
 * The score over all classes.
 * @example overall([[3, 1], [0, 4]]).correct // 7
 */
export function overall(confusion: Confusion): Score {
  return confusion
    .map((_, label) => ofClass(confusion, label))
    .reduce((sum, { correct, total }) => ({ correct: sum.correct + correct, total: sum.total + total }), {
      correct: 0,
      total: 0,
    });
}

/**
 * The score on the pictures of one class.
 * @example ofClass([[3, 1], [0, 4]], 0).total // 4
 */
export function ofClass(confusion: Confusion, label: number): Score {
  return { correct: confusion[label][label], total: confusion[label].reduce((sum, n) => sum + n, 0) };
}

/** The `most` kinds of mistakes that were made most often: pictures of class `row` taken for class `column`. */
export function worstPairs(
  confusion: Confusion,
  most: number,
): { row: number; column: number; count: number; total: number }[] {
  return confusion
    .flatMap((counts, row) => {
      const { total } = ofClass(confusion, row);
      return counts.map((count, column) => ({ row, column, count, total }));
    })
    .filter(({ row, column, count }) => count > 0 && row !== column)
    .sort((a, b) => b.count - a.count || a.row - b.row || a.column - b.column)
    .slice(0, most);
}

/**
 * A fraction as "71.2 %"; "–" where there is none.
 * @example percent(0.7123) // "71.2 %"
 */
export const percent = (fraction: number, digits = 1): string =>
  Number.isFinite(fraction) ? `${(100 * fraction).toFixed(digits)} %` : "–";

/**
 * Mean and standard deviation over all of several numbers (not an estimate from a sample), as over CoOp's seeds.
 * @example meanAndDeviation([1, 3]).deviation // 1
 */
export function meanAndDeviation(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return { mean, deviation: Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length) };
}
