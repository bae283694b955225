// The shape of all methods: open one for a task's classes, fit some seeds at once, score test sets.
import type { Clip } from "../../src/clip/index.ts";
import type { Examples } from "../../src/coop/index.ts";
import type { Job } from "./records.ts";
import type { Draw } from "./task-data.ts";

/** CoOp's recipe, with a limit to the gradient's norm (docs/reproduction.md says why). */
export const MAX_GRADIENT_NORM = 10;

/** Inverse penalties that the linear probe chooses from: a part of CoOp's sweep, which with its bisection takes far longer. */
export const PROBE_C = [0.01, 1, 100, 10_000];

export type Context = {
  readonly clip: Clip;
  readonly job: Job;
  /** What is learned and told apart. */
  readonly classNames: readonly string[];
  /** At most so many epochs, for trials; the published number where not given. */
  readonly maxEpochs?: number;
};

/** The percentage of pictures of some classes that are named rightly. */
export type Score = (test: Examples, classNames: readonly string[]) => Promise<number>;

export type Opened = {
  /** One score for each seed, in order. */
  fit(runs: readonly (Draw & { readonly seed: number })[], shots: number): Promise<Score[]>;
  free(): void;
};

export const percentEqual = (a: ArrayLike<number>, b: Int32Array): number =>
  (100 * b.reduce((right, label, i) => right + Number(a[i] === label), 0)) / b.length;
