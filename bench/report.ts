import type { CaseResult, RunResult } from "./measure.ts";
import { disagreement, hasSamples, median, ratio } from "./statistics.ts";
import { judge } from "./targets.ts";

export interface Results {
  readonly about: {
    readonly adapter: string;
    readonly cpu: string;
    readonly cores: number;
    readonly node: string;
    readonly versions: Readonly<Record<string, string>>;
    /** Arithmetic peak of the hardware in float32, where it was given. */
    readonly peakTflops?: number;
  };
  cases: Readonly<Record<string, CaseResult>>;
}

const row = (...cells: string[]): string => `| ${cells.join(" | ")} |`;
const table = (head: string[], rows: string[][]): string =>
  [row(...head), row(...head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map((cells) => row(...cells))].join(
    "\n",
  );

/** A duration with its unit, three digits. */
const duration = (ms: number): string =>
  ms >= 10_000
    ? `${(ms / 1000).toPrecision(3)} s`
    : ms >= 1
      ? `${Number(ms.toPrecision(3))} ms`
      : `${(1000 * ms).toFixed(0)} µs`;
const megabytes = (bytes: number | null | undefined): string => (bytes ? `${(bytes / 1e6).toPrecision(3)} MB` : "–");

/** RESULTS.md out of the results. */
export function markdown(results: Results): string {
  const { about, cases } = results;
  const { adapter, cpu, cores, node, versions } = about;
  const dates = Object.values(cases)
    .map(({ date }) => date.slice(0, 10))
    .toSorted();
  const commits = [...new Set(Object.values(cases).map(({ commit }) => commit))];
  const targets = judge(cases).map(({ target, wanted, got, met }) => [
    target,
    wanted,
    got ?? "–",
    met === undefined ? "not measured" : met ? "met" : "**not met**",
  ]);
  const cuda = cases["matmul-4096"] || cases["coop-cuda"];
  return `# Results

Written by \`npm run bench\`; [README.md](README.md) says what is measured and how to repeat it.

* adapter: ${adapter}
* CPU: ${cpu}, ${cores} cores
* ${Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ")}, Node ${node}
* date: ${[...new Set([dates[0], dates.at(-1)])].join(" to ")}; commit: ${commits.join(", ")}

## Targets

${table(["target", "wanted", "measured", ""], targets)}

A ratio is one of medians; in brackets the least and the most that single samples give.

## Measurements

${measurements(results)}
${cuda ? "" : "\nThe measurements for hardware GPUs (matrix products of 4096³ in float32 and float16, K = 1000 against PyTorch on CUDA) were not run: this adapter is none.\n"}`;
}

/** The tables of all cases. */
export const measurements = ({ about, cases }: Results): string =>
  Object.entries(cases)
    .map(([id, one]) => section(id, one, about))
    .join("\n\n");

function section(id: string, { title, runs, flops }: CaseResult, { adapter, peakTflops }: Results["about"]): string {
  const ours = runs.find(({ name }) => name === "coop");
  const rows = runs.map((run) => {
    const { name, samples, error, firstMs, peakBytes } = run;
    if (!hasSamples(run)) return [name, error ?? "–", "", "", "", ""];
    const relation = ours && run !== ours && hasSamples(ours) ? `${ratio(run, ours).median.toFixed(2)} ×` : "";
    return [
      name,
      `${duration(median(samples))} (${duration(Math.min(...samples))}–${duration(Math.max(...samples))})`,
      relation,
      flops ? rate(flops / median(samples) / 1e6, peakTflops) : "",
      firstMs === undefined ? "" : duration(firstMs),
      megabytes(peakBytes),
    ];
  });
  const head = ["", "median (least–most)", "÷ coop", flops ? "GFLOP/s" : "", "first call", "peak memory"];
  return [`### ${title}`, `\`--only ${id}\``, table(head, rows), notes(runs, adapter)].filter(Boolean).join("\n\n");
}

const rate = (gflops: number, peakTflops?: number): string =>
  `${gflops.toPrecision(3)}${peakTflops ? ` (${((gflops / peakTflops) * 0.1).toFixed(1)} % of the float32 peak)` : ""}`;

/** Whether the libraries computed the same, and how coop's plan stands. */
function notes(runs: readonly RunResult[], usual: string): string {
  const lines = runs
    .filter(({ adapter }) => adapter && adapter !== usual)
    .map(({ name, adapter }) => `* ${name} ran on ${adapter}`);
  [0, 1].forEach((call) => {
    const difference = disagreement(runs, call);
    if (difference === undefined) return;
    const which = call === 0 ? "first" : "second";
    const values = runs
      .filter(({ values }) => values)
      .map(({ name, values }) => `${name} ${values![call]?.toPrecision(6)}`);
    const verdict = difference <= 1e-3 ? "agree" : "**do not agree**";
    lines.push(`* values after the ${which} call ${verdict} within 10⁻³: ${values.join(", ")}`);
  });
  const differences = runs.filter(({ outputError }) => outputError);
  if (differences.length > 0) {
    const each = differences.map(({ name, outputError }) => `${name} ${outputError!.toExponential(1)}`);
    lines.push(`* all features, relative to the norm of coop's: ${each.join(", ")} away`);
  }
  for (const { name, plan } of runs) {
    if (!plan) continue;
    const share = (plan.planBytes / plan.liveBytes).toFixed(2);
    lines.push(
      `* ${name}: ${plan.dispatches} dispatches; ${megabytes(plan.planBytes)} planned, ${share} times the ${megabytes(plan.liveBytes)} alive at once`,
    );
  }
  return lines.join("\n");
}
