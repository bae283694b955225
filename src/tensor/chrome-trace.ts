import type { ProfileReport } from "./profile.ts";

/** A file for chrome://tracing, ui.perfetto.dev or speedscope.app. */
export interface ChromeTrace {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: "ms";
  readonly otherData: Readonly<Record<string, string>>;
}

/** Times are microseconds. "X" is a span, "M" gives a process or a thread its name. */
export type TraceEvent =
  | {
      readonly ph: "X";
      readonly name: string;
      readonly cat: "kernel";
      readonly pid: number;
      readonly tid: number;
      readonly ts: number;
      readonly dur: number;
      readonly args: Readonly<Record<string, unknown>>;
    }
  | {
      readonly ph: "M";
      readonly name: "process_name" | "thread_name";
      readonly pid: number;
      readonly tid: number;
      readonly args: { readonly name: string };
    };

/**
 * Every launch of a report as a span, a row for each program.
 * @example await writeFile("trace.json", JSON.stringify(chromeTrace(await profile(() => step(x).data()))));
 */
export function chromeTrace({ adapter, method, programs, timeline }: ProfileReport): ChromeTrace {
  const names = [...new Set(programs.map(({ name }) => name))];
  const row = (program: string) => ({ pid: 1, tid: 1 + names.indexOf(program) });
  return {
    displayTimeUnit: "ms",
    otherData: { adapter, method },
    traceEvents: [
      { ph: "M", name: "process_name", pid: 1, tid: 0, args: { name: adapter } },
      ...names.map((name) => ({ ph: "M", name: "thread_name", ...row(name), args: { name } }) as const),
      ...timeline.map(({ program, dispatch, startMs, ms }) => {
        const { label, op, site, flops, bytes, workgroups } = dispatch;
        return {
          ph: "X",
          name: label,
          cat: "kernel",
          ...row(program),
          ts: startMs * 1000,
          dur: ms * 1000,
          args: { op, site: site ?? "unknown", flops, bytes, workgroups },
        } as const;
      }),
    ],
  };
}
