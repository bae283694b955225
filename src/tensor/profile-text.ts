import { bytesText, columns } from "./debug.ts";
import { type DispatchProfile, leastMs, type ProfileReport, type ProgramProfile, total } from "./profile.ts";

/** Options of `printProfile`. */
export interface PrintOptions {
  /** Only the programs of this name. */
  readonly program?: string;
  /** Rows of a table; the rest is summed up in one. 12 where not given. */
  readonly rows?: number;
}

/** Programs that take less than this part of the time are summed up in a line. */
const WORTH_A_TABLE = 0.05;

/**
 * A report as text for people: for each program a table of its kernels, one of its call sites, and a line of sums.
 * @example console.log(printProfile(report, { rows: 5 }));
 */
export function printProfile(report: ProfileReport, { program, rows = 12 }: PrintOptions = {}): string {
  const all = report.programs.reduce((sum, { ms, runs }) => sum + ms * runs, 0);
  const shown = report.programs.filter(({ name, ms, runs }) =>
    program === undefined ? ms * runs >= WORTH_A_TABLE * all : name === program,
  );
  const rest = report.programs.filter((other) => !shown.includes(other));
  const tables = shown.map((one) => programText(one, report, rows));
  const others =
    rest.length > 0
      ? [
          `Besides: ${rest.length} ${rest.length === 1 ? "program" : "programs"} of ${milliseconds(rest.reduce((sum, { ms, runs }) => sum + ms * runs, 0))} in all.`,
        ]
      : [];
  return [...tables, ...others, footer(report)].join("\n\n");
}

function programText(program: ProgramProfile, report: ProfileReport, rows: number): string {
  const { name, runs, dispatches, ms, spanMs, flops, bytes, slots, plannedBytes } = program;
  const counted = runs > 1 ? `medians of ${runs - 1} ${runs === 2 ? "run" : "runs"} after the first` : "1 run";
  const kernels = table("kernel", groups(dispatches, ({ label }) => label).slice(0, rows), program, report);
  const sites = dispatches.some(({ site }) => site)
    ? table("call site", groups(dispatches, ({ site }) => site ?? "unknown").slice(0, rows), program, report)
    : "Call sites are not known: the function was traced before the profile began.";
  const sums = [
    `${dispatches.length} dispatches`,
    `${(flops / 1e6).toFixed(1)} MFLOP`,
    `${bytesText(bytes)} moved`,
    `${slots} slots of ${bytesText(plannedBytes)}`,
  ];
  return `${name}: ${milliseconds(ms)} in kernels, ${milliseconds(spanMs)} a run, ${counted}\n${sums.join(", ")}\n\n${kernels}\n\n${sites}`;
}

/** Dispatches under one heading, the most expensive first. */
function groups(
  dispatches: readonly DispatchProfile[],
  key: (dispatch: DispatchProfile) => string,
): [string, DispatchProfile[]][] {
  const found = new Map<string, DispatchProfile[]>();
  for (const dispatch of dispatches) found.set(key(dispatch), [...(found.get(key(dispatch)) ?? []), dispatch]);
  return [...found].sort(([, a], [, b]) => total(b, "ms") - total(a, "ms"));
}

const LONGEST_NAME = 72;

function table(
  what: string,
  kept: readonly [string, DispatchProfile[]][],
  { dispatches, ms: all }: ProgramProfile,
  { peaks }: ProfileReport,
): string {
  const listed = new Set(kept.flatMap(([, members]) => members));
  const rest = dispatches.filter((dispatch) => !listed.has(dispatch));
  const line = ([name, members]: readonly [string, readonly DispatchProfile[]]): string[] => {
    const ms = total(members, "ms");
    const least = members.reduce((sum, member) => sum + leastMs(member, peaks), 0);
    const rate = (amount: number) => (ms > 0 ? (amount / ms / 1e6).toFixed(1) : "–");
    return [
      all > 0 ? `${((100 * ms) / all).toFixed(1)} %` : "–",
      String(members.length),
      ms.toFixed(3),
      rate(total(members, "flops")),
      rate(total(members, "bytes")),
      ms > 0 ? `${((100 * least) / ms).toFixed(0)} %` : "–",
      name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name,
    ];
  };
  const rows: (readonly [string, readonly DispatchProfile[]])[] = [...kept];
  if (rest.length > 0) rows.push(["the rest", rest]);
  const head = ["time", "calls", "ms", "GFLOP/s", "GB/s", "of roofline", what];
  return columns([head, ...rows.map(line)], [0, 1, 2, 3, 4, 5]);
}

function footer({ adapter, method, resolutionUs, peaks }: ProfileReport): string {
  const clock =
    method === "timestamps"
      ? `Times are timestamps of the device around each dispatch, which differ by as little as ${microseconds(resolutionUs)}.`
      : "This device was timed without timestamps: each dispatch was submitted alone, and its time includes the way there and back.";
  const coarse =
    method === "timestamps" && resolutionUs >= 30
      ? "\nThat is coarse: start the device with startProfilingDevice() or let the profile start it."
      : "";
  return `${adapter}\n${clock}${coarse}
The roofline was measured here, not looked up: ${peaks.gflops.toFixed(1)} GFLOP/s of multiply-adds in registers, ${peaks.gbps.toFixed(1)} GB/s copying 64 MiB.
More than 100 % of it means that the data came from a cache.`;
}

const milliseconds = (ms: number): string => `${ms.toFixed(ms < 10 ? 3 : 1)} ms`;
const microseconds = (us: number): string => `${us < 10 ? us.toFixed(2) : us.toFixed(0)} µs`;
