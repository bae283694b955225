import type { Clip } from "../../clip/index.ts";
import type { Examples } from "../fit.ts";
import type { JsonFields } from "../json-fields.ts";
import type { StepCost } from "./step-cost.ts";

/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
/** An object of JSON. */
export type JsonRecord = Readonly<Record<string, Json>>;

/**
 * A way to classify pictures: one record. `parseSpec` takes others beside `METHODS`.
 *
 * @example
 * const chance: Method = {
 *   kind: "chance",
 *   keys: [],
 *   read: () => ({
 *     learns: false,
 *     namesNewClasses: true,
 *     resolve: () => ({}),
 *     open: async () => ({
 *       fit: async (tasks) => tasks.map(() => ({ predict: async ({ count }) => new Int32Array(count) })),
 *       free() {},
 *     }),
 *   }),
 * };
 */
export interface Method {
  readonly kind: string;
  /** The names of its options in the file. */
  readonly keys: readonly string[];
  /** Reads its options; FormatError for one that makes no sense. */
  read(fields: JsonFields): ConfiguredMethod;
}

/** A method with its options. */
export interface ConfiguredMethod {
  /** Whether it learns from shots; else it runs once, whatever shots and seeds there are. */
  readonly learns: boolean;
  /** Whether it can answer with classes that it did not learn. */
  readonly namesNewClasses: boolean;
  /** All that decides its result beside the pictures, written out: part of a run's id, and of its result. */
  resolve(run: { readonly template: string; readonly shots: number }): JsonRecord;
  /** Makes ready to learn a dataset. */
  open(context: MethodContext): Promise<Trainer>;
}

/** What a method works on. */
export interface MethodContext {
  readonly clip: Clip;
  readonly classNames: readonly string[];
  /** The dataset's own hand-written prompt. */
  readonly template: string;
  /** Features of every picture that any of the runs learns from: [R, E], row-major. */
  readonly pool: Float32Array;
}

/** A method on a dataset: what it compiles serves all shots and seeds. */
export interface Trainer {
  /** Learns each of some tasks, that differ in their seeds and pictures only, all at the same time if it likes. */
  fit(tasks: readonly FitTask[]): Promise<Fitted[]>;
  /** Gives back the device's memory. */
  free(): void;
}

/** What to learn from. */
export interface FitTask {
  readonly shots: number;
  readonly seed: number;
  /** Rows of the pool, none for a method that does not learn. */
  readonly rows: Int32Array;
  /** The class number of each row. */
  readonly labels: Int32Array;
  /** Pictures to choose a setting by; null where there are none beside the shots. */
  readonly validation: Examples | null;
  /** Asked from time to time: throw `stopped` where it says so. */
  stopped(): boolean;
}

/** What was learned. */
export interface Fitted {
  /** For each picture its index in `classNames`, which are those of the context, some of them, or, for a method that `namesNewClasses`, any. */
  predict(pictures: Pictures, classNames: readonly string[]): Promise<Int32Array>;
  /** The mean over the last epoch. */
  readonly loss?: number;
  readonly steps?: number;
  readonly step?: StepCost;
  /** Whatever else is worth a place in the result: the C of a probe, say. */
  readonly found?: JsonRecord;
}

/** Features [N, E] of pictures, row-major. */
export interface Pictures {
  readonly features: Float32Array;
  readonly count: number;
}

/** Thrown by `fit` where `stopped` said so. */
export class Stopped extends Error {}

/**
 * Does all at the same time; fails as the first that failed, when none is under way any more.
 * @example const features = await together(pictures.map(encode));
 */
export async function together<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}
