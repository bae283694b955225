import { featureRows } from "../feature-rows.ts";
import { shotsAndValidation } from "../few-shot.ts";
import { MersenneTwister, seedWords } from "../mersenne.ts";

/** Labelled pictures whose features are computed when they are asked for. */
export interface Part {
  /** Index into the dataset's class names. */
  readonly labels: Int32Array;
  /** Features [rows, E] of some of them, row-major. */
  encode(rows: readonly number[]): Promise<Float32Array>;
}

/** What a method is measured on. */
export interface Dataset {
  readonly classNames: readonly string[];
  readonly train: Part;
  /** Pictures to choose settings by; where there are none, train pictures that are no shots are taken. */
  readonly val: Part;
  readonly test: Part;
  /** The same classes or some of them in other pictures; then only these compete. By the names of the experiment file. */
  readonly shifts: Readonly<Record<string, Part>>;
  /** Two datasets with the same one have the same pictures and labels in the same order. */
  readonly fingerprint: string;
}

/**
 * A part of features that are there already: [N, E], row-major.
 * @example const test = partOf(features, labels);
 */
export function partOf(features: Float32Array, labels: ArrayLike<number>): Part {
  const width = features.length / Math.max(1, labels.length);
  return {
    labels: Int32Array.from(labels),
    encode: async (rows) => featureRows(features, width, rows),
  };
}

/** What one run learns from: rows of `train`, and rows of `val` or `train` to choose settings by. */
export interface Draw {
  readonly train: readonly number[];
  readonly validation: { readonly from: "train" | "val"; readonly rows: readonly number[] } | null;
}

/**
 * The shots of a seed, the very ones of `coop train` and `coop probe`; of those of all classes only the first `classes`.
 */
export function drawShots(dataset: Dataset, shots: number, seed: number, classes: number): Draw {
  const items = (part: Part) => Array.from(part.labels, (label, row) => ({ label, row }));
  const splits = { train: items(dataset.train), val: items(dataset.val) };
  const { train, val } = shotsAndValidation(splits, shots, Math.min(shots, 4), seed);
  const kept = (drawn: typeof train) => drawn.filter(({ label }) => label < classes);
  const rows = (drawn: typeof train) => kept(drawn).map(({ row }) => row);
  const complete = new Set(kept(val).map(({ label }) => label)).size === classes;
  const from = dataset.val.labels.length > 0 ? "val" : "train";
  return { train: rows(train), validation: complete || from === "val" ? { from, rows: rows(val) } : null };
}

/** Labels of which a share, drawn by the seed, are replaced by one of the other classes each. */
export function withNoise(labels: Int32Array, share: number, classes: number, seed: number): Int32Array {
  const random = new MersenneTwister([...seedWords(seed), 0x6e6f6973]);
  const noisy = labels.slice();
  const at = Array.from(labels, (_, i) => i);
  for (const i of random.sample(at, Math.round(share * labels.length)))
    noisy[i] = (labels[i] + 1 + random.randbelow(classes - 1)) % classes;
  return noisy;
}
