import type { RunResult } from "./measure.ts";

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

export const hasSamples = ({ samples }: RunResult): boolean => samples.length > 0;

/** How many times longer `slow` takes than `quick`, and the least and most that its samples allow. */
export function ratio(slow: RunResult, quick: RunResult) {
  return {
    median: median(slow.samples) / median(quick.samples),
    least: Math.min(...slow.samples) / Math.max(...quick.samples),
    most: Math.max(...slow.samples) / Math.min(...quick.samples),
  };
}

/** The norm of the difference of two lists over the norm of the second; NaN where their lengths differ. */
export function relativeError(values: readonly number[], expected: readonly number[]): number {
  if (values.length !== expected.length) return Number.NaN;
  return Math.hypot(...values.map((value, i) => value - expected[i])) / Math.hypot(...expected);
}

/** The fastest of these that was measured. */
export const fastest = (runs: readonly RunResult[]): RunResult | undefined =>
  runs.filter(hasSamples).toSorted((a, b) => median(a.samples) - median(b.samples))[0];

/** Largest relative difference of a value from the first run's, or undefined where fewer than two have it. */
export function disagreement(runs: readonly RunResult[], call: number): number | undefined {
  const [first, ...others] = runs.map(({ values }) => values?.[call]).filter((value) => value !== undefined);
  if (others.length === 0) return undefined;
  return Math.max(...others.map((value) => Math.abs(value - first) / Math.max(1e-6, Math.abs(first))));
}
