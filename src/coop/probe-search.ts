import { InputError } from "../tensor/errors.ts";
import { featureRows } from "./feature-rows.ts";
import type { Examples } from "./fit.ts";
import {
  classesOf,
  type FittedProbe,
  type LinearProbe,
  type ProbeOptions,
  predictProbe,
  probeFitter,
} from "./linear-probe.ts";

/**
 * The inverse penalties of CoOp's sweep.
 * @example C_SWEEP.length // 7
 */
export const C_SWEEP: readonly number[] = [1e6, 1e4, 1e2, 1, 1e-2, 1e-4, 1e-6];
/** Halvings of the interval around the sweep's best. */
const STEPS = 8;
/** How often `searchC` asks. */
export const C_TRIALS = C_SWEEP.length + 2 * STEPS;

/** One C and the accuracy that it gave on the validation pictures. */
export interface Trial {
  readonly C: number;
  readonly accuracy: number;
}

/** How C was chosen. */
export interface CSearch {
  /** What the last step chose. */
  readonly C: number;
  /** Its accuracy on the validation pictures. */
  readonly accuracy: number;
  readonly sweep: readonly Trial[];
  /** Both ends of the interval at each step. */
  readonly steps: readonly (readonly [left: Trial, right: Trial])[];
}

/**
 * The choice of C as in CoOp's linear probe (its `lpclip`, after Radford et al., arXiv 2103.00020, appendix A.3): the best of
 * `C_SWEEP`, the first among equals; then eight times the better end of an interval that begins a tenth to ten times
 * that C. Where the right end is better, the left one moves to the middle in log C, else, also among equals, the right
 * one. The answer is the end chosen at the last step.
 *
 * @param accuracyAt is asked for the sweep from the smallest C on, so that each fit can start where the last one ended;
 *   and again for an end that has not moved
 * @example const { C } = await searchC(async (C) => accuracyOf(await fitter.fit(C)));
 */
export async function searchC(accuracyAt: (C: number) => Promise<number>): Promise<CSearch> {
  const trial = async (C: number): Promise<Trial> => ({ C, accuracy: await accuracyAt(C) });
  const sweep: Trial[] = [];
  for (const C of C_SWEEP.toReversed()) sweep.unshift(await trial(C));
  const peak = sweep.reduce((best, next) => (next.accuracy > best.accuracy ? next : best));
  let [left, right] = [peak.C / 10, peak.C * 10];
  let chosen = peak;
  const steps: [Trial, Trial][] = [];
  for (let step = 0; step < STEPS; step++) {
    const ends: [Trial, Trial] = [await trial(left), await trial(right)];
    steps.push(ends);
    const middle = 10 ** ((Math.log10(left) + Math.log10(right)) / 2);
    if (ends[0].accuracy < ends[1].accuracy) [chosen, left] = [ends[1], middle];
    else [chosen, right] = [ends[0], middle];
  }
  return { ...chosen, sweep, steps };
}

/** A probe with the C that was best on validation pictures. */
export interface SearchedProbe {
  readonly probe: FittedProbe;
  readonly search: CSearch;
}

/**
 * Chooses C by `searchC` and fits the probe with it.
 *
 * @param validation pictures to compare C on, or a number of folds: then each fold of the examples is predicted by a
 *   probe of the others
 * @param onTrial is called after each of the `C_TRIALS` comparisons
 * @example const { probe, search } = await searchProbe(examples, validation);
 */
export async function searchProbe(
  examples: Examples,
  validation: Examples | number,
  options: ProbeOptions = {},
  onTrial: () => void = () => {},
): Promise<SearchedProbe> {
  if (typeof validation === "number" && !(Number.isInteger(validation) && validation > 1))
    throw new InputError(`${validation} folds cannot be made; give a whole number from 2.`);
  const sized = { ...options, classes: options.classes ?? classesOf(examples.labels) };
  const all = rememberingFitter(examples, sized);
  const parts =
    typeof validation === "number"
      ? foldsOf(examples, validation).map(([rest, held]) => ({ fitter: rememberingFitter(rest, sized), held }))
      : [{ fitter: all, held: validation }];
  try {
    const search = await searchC(async (C) => {
      let [correct, total] = [0, 0];
      for (const { fitter, held } of parts) {
        correct += await hits(await fitter.fit(C), held);
        total += held.labels.length;
      }
      onTrial();
      return correct / total;
    });
    return { probe: await all.fit(search.C), search };
  } finally {
    for (const { fitter } of [{ fitter: all }, ...parts]) fitter.free();
  }
}

async function hits(probe: LinearProbe, { features, labels }: Examples): Promise<number> {
  const predicted = await predictProbe(probe, features);
  return labels.reduce((count, label, i) => count + Number(predicted[i] === label), 0);
}

/** Fits each C once, starting from the nearest C that it knows. */
function rememberingFitter(examples: Examples, options: ProbeOptions) {
  const fitter = probeFitter(examples, options);
  const known = new Map<number, FittedProbe>();
  return {
    free: () => fitter.free(),
    async fit(C: number): Promise<FittedProbe> {
      const far = (other: FittedProbe) => Math.abs(Math.log(other.C / C));
      const nearest = [...known.values()].sort((a, b) => far(a) - far(b))[0];
      const probe = known.get(C) ?? (await fitter.fit(C, nearest));
      known.set(C, probe);
      return probe;
    },
  };
}

/** The examples without each fold, and that fold; the examples of a class take turns. */
function foldsOf({ features, labels }: Examples, folds: number): [rest: Examples, held: Examples][] {
  const width = features.length / labels.length;
  const seen = new Map<number, number>();
  const foldOf = Array.from(labels, (label) => {
    const turn = seen.get(label) ?? 0;
    seen.set(label, turn + 1);
    return turn % folds;
  });
  const pick = (wanted: (fold: number) => boolean): Examples => {
    const rows = foldOf.flatMap((fold, i) => (wanted(fold) ? [i] : []));
    return { features: featureRows(features, width, rows), labels: Int32Array.from(rows, (row) => labels[row]) };
  };
  return [...new Set(foldOf)].map((held) => [pick((fold) => fold !== held), pick((fold) => fold === held)]);
}
