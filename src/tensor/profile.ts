import { useTimer } from "./active-timer.ts";
import { type Device, device } from "./device.ts";
import { type Peaks, peaksOf } from "./peaks.ts";
import type { Program } from "./program.ts";
import { captureSites } from "./site.ts";
import { type Sample, Timer } from "./timer.ts";
import type { Work } from "./work.ts";

/** One kernel launch of a program. */
export interface DispatchProfile extends Work {
  /** The kernel. */
  readonly label: string;
  readonly workgroups: readonly [number, number, number];
  /** Median over the runs, the first one left out where there are others. */
  readonly ms: number;
  /** How near the launch comes to the time that the measured peaks allow for its work: above 1 for data in a cache. */
  readonly roofline: number;
}

/** One traced function, or one value that was read. */
export interface ProgramProfile {
  readonly name: string;
  readonly runs: number;
  readonly dispatches: readonly DispatchProfile[];
  /** From the beginning of a run's first launch to the end of its last, waiting in between included: the median. */
  readonly spanMs: number;
  /** Sums over the dispatches of one run. */
  readonly ms: number;
  readonly flops: number;
  readonly bytes: number;
  /** Buffers for what lies in between, and their bytes. */
  readonly slots: number;
  readonly plannedBytes: number;
}

/** One launch as it ran. */
export interface TimelineEntry {
  readonly program: string;
  readonly dispatch: DispatchProfile;
  /** Since the first launch. */
  readonly startMs: number;
  readonly ms: number;
}

/** What `profile` measured. */
export interface ProfileReport {
  readonly adapter: string;
  /**
   * "timestamps": the device's clock before and after each launch. "submissions": this device has none, so each launch was
   * submitted alone, and its time includes the way there and back.
   */
  readonly method: "timestamps" | "submissions";
  /** Smallest difference that the clock showed, in microseconds. */
  readonly resolutionUs: number;
  readonly peaks: Peaks;
  /** The most expensive first. */
  readonly programs: readonly ProgramProfile[];
  /** Every launch in the order of time. */
  readonly timeline: readonly TimelineEntry[];
}

/** Options of `profile`. */
export interface ProfileOptions {
  /** Time by submitting each launch alone, as where the device has no timestamps. */
  readonly method?: "submissions";
}

/**
 * Runs `f` and times every kernel launch in it. Functions that are traced inside also tell where in the caller's code each
 * kernel comes from. Values are the same as without; the run is slower, since each launch gets a pass of its own.
 *
 * Dawn rounds timestamps to 65 µs unless its device was started for profiling, as it is where this is the first use of
 * it, or by `startProfilingDevice()`.
 *
 * @param f runs what is to be profiled, several times for medians; what it starts and does not wait for is waited for
 * @example
 * const report = await profile(async () => {
 *   for (let i = 0; i < 5; i++) await step(x).data();
 * });
 * console.log(printProfile(report));
 */
export async function profile(f: () => unknown, options: ProfileOptions = {}): Promise<ProfileReport> {
  const on = await startProfilingDevice();
  const timer = new Timer(on, options.method);
  const timerBefore = useTimer(timer);
  const sitesBefore = captureSites(true);
  try {
    await f();
    await on.idle();
  } finally {
    useTimer(timerBefore);
    captureSites(sitesBefore);
  }
  await timer.settle();
  return reportOf(on, timer, await peaksOf(on));
}

/**
 * The device as it is, or, where there is none yet, one whose timestamps are exact.
 * @example await startProfilingDevice(); // before anything else uses the device
 */
export const startProfilingDevice = (): Promise<Device> => device(undefined, { toggles: ["-timestamp_quantization"] });

function reportOf(on: Device, { samples, method }: Timer, peaks: Peaks): ProfileReport {
  const programs = new Set(samples.map(({ program }) => program));
  const own = (program: Program) => samples.filter((sample) => sample.program === program);
  const profiles = new Map([...programs].map((program) => [program, programProfile(program, own(program), peaks)]));
  const first = samples.reduce((least, { begin }) => Math.min(least, begin), Number.POSITIVE_INFINITY);
  return {
    adapter: on.description,
    method,
    resolutionUs: resolutionOf(samples) / 1e3,
    peaks,
    programs: [...profiles.values()].sort((a, b) => b.ms * b.runs - a.ms * a.runs),
    timeline: samples
      .toSorted((a, b) => a.begin - b.begin)
      .map(({ program, index, begin, end }) => ({
        program: program.name,
        dispatch: profiles.get(program)!.dispatches[index],
        startMs: (begin - first) / 1e6,
        ms: (end - begin) / 1e6,
      })),
  };
}

function programProfile(program: Program, samples: readonly Sample[], peaks: Peaks): ProgramProfile {
  const runs = 1 + Math.max(...samples.map(({ run }) => run));
  // some drivers compile a kernel when it first runs
  const counted = runs > 1 ? samples.filter(({ run }) => run > 0) : samples;
  const times: number[][] = program.lowered.dispatches.map(() => []);
  for (const { index, begin, end } of counted) times[index].push((end - begin) / 1e6);
  const dispatches = program.lowered.dispatches.map(({ label, workgroups, work }, i): DispatchProfile => {
    const ms = median(times[i]);
    return { ...work, label, workgroups, ms, roofline: ms > 0 ? leastMs(work, peaks) / ms : 0 };
  });
  const spans = Array.from({ length: runs }, () => ({ begin: Number.POSITIVE_INFINITY, end: 0 }));
  for (const { run, begin, end } of samples) {
    spans[run].begin = Math.min(spans[run].begin, begin);
    spans[run].end = Math.max(spans[run].end, end);
  }
  return {
    name: program.name,
    runs,
    dispatches,
    spanMs: median(spans.slice(runs > 1 ? 1 : 0).map(({ begin, end }) => (end - begin) / 1e6)),
    ms: total(dispatches, "ms"),
    flops: total(dispatches, "flops"),
    bytes: total(dispatches, "bytes"),
    slots: program.plan.slots.length,
    plannedBytes: program.plan.peakBytes,
  };
}

/** Time that a device at its peaks would take: for the arithmetic or for the bytes, whichever is longer. */
export const leastMs = ({ flops, bytes }: Pick<Work, "flops" | "bytes">, { gflops, gbps }: Peaks): number =>
  Math.max(flops / gflops, bytes / gbps) / 1e6;

export const total = <K extends "ms" | "flops" | "bytes">(rows: readonly Readonly<Record<K, number>>[], key: K) =>
  rows.reduce((sum, row) => sum + row[key], 0);

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Smallest difference between two readings of the clock, in nanoseconds: its step, or less than what lies between two launches. */
function resolutionOf(samples: readonly Sample[]): number {
  const readings = Float64Array.from(samples.flatMap(({ begin, end }) => [begin, end])).sort();
  let least = Number.POSITIVE_INFINITY;
  for (let i = 1; i < readings.length; i++) {
    if (readings[i] > readings[i - 1]) least = Math.min(least, readings[i] - readings[i - 1]);
  }
  return Number.isFinite(least) ? least : 0;
}
