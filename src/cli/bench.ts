import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { writeFileAtomic } from "../coop/atomic.ts";
import { templateFor } from "../coop/datasets/open.ts";
import {
  type ExperimentSpec,
  experimentReport,
  parseResults,
  parseSpec,
  plan,
  type Result,
  type Run,
  runExperiments,
} from "../coop/experiments/index.ts";
import { distinct, summaryTable } from "../coop/experiments/summary.ts";
import { lockFolder } from "../coop/lock.ts";
import { listNames, nearest } from "../coop/near.ts";
import { duration, formatTable, progress } from "../coop/progress.ts";
import { readTextFile } from "../coop/text-file.ts";
import { device, InputError } from "../tensor/index.ts";
import { folderDataset } from "./bench-dataset.ts";
import type { Command, Input } from "./command.ts";
import { onInterrupt, stoppedCode } from "./interrupt.ts";
import { modelSource, openModel } from "./model.ts";
import { print, printJson, say } from "./print.ts";
import { VERSION } from "./versions.ts";

export const RESULTS_FILE = "results.jsonl";

export const benchCommand: Command = {
  summary: "Runs experiments, datasets × shots × seeds × methods, from one file, and reports on them.",
  usage: "SPEC.json [flags]",
  details: `docs/experiments.md tells what stands in the file. Each finished run is a line of ${RESULTS_FILE}; the command given again
goes on where it was stopped, and runs nothing twice.`,
  flags: {
    out: { value: "DIR", help: "for the results and report.html (default: runs/ and the name of the file)" },
    only: { value: "A,B,C", help: "only these datasets, and only these methods, by their names" },
    "dry-run": { help: "prints what there is to do, and does nothing" },
  },
  run: runBench,
};

async function runBench(input: Input): Promise<number> {
  const file = input.only("SPEC.json");
  const spec = parseSpec(await readTextFile(file), file, { templateOf: templateFor });
  const out = input.text("out") ?? join("runs", basename(file).replace(/\.json$/i, ""));
  if (input.has("dry-run")) return runBenchIn(out, input, spec);
  const lock = await lockFolder(out);
  return runBenchIn(out, input, spec).finally(lock.release);
}

async function runBenchIn(out: string, input: Input, spec: ExperimentSpec): Promise<number> {
  const resultsFile = join(out, RESULTS_FILE);
  const only = input.text("only") === undefined ? () => true : chosen(spec, input.list("only"));
  const runs = (await plan(spec)).filter(only);
  const finished = parseResults(await readFile(resultsFile, "utf8").catch(() => ""), resultsFile);
  const left = runs.filter(({ id }) => !finished.has(id));
  say(planText(runs, finished));
  const eta = secondsLeft(left, [...finished.values()]);
  say(
    `${left.length} of ${runs.length} runs are left${eta === undefined ? "" : `, about ${duration(1000 * eta)} by those that are finished`}.`,
  );
  if (input.has("dry-run")) {
    if (input.has("json")) printJson({ out, runs: runs.map((run) => summary(run, finished)) });
    return 0;
  }

  const { description } = await device();
  const bar = progress("runs", left.length);
  const interrupted = onInterrupt("stopping; what is finished is kept");
  let fresh = 0;
  const { results, complete } = await runExperiments(spec, {
    resultsFile,
    openModel: (name) => openModel(modelSource(name)),
    openDataset: folderDataset,
    madeBy: { coop: VERSION, adapter: description },
    only,
    stopped: interrupted.now,
    onProgress: ({ result }) => bar.update(++fresh, label(result)),
  }).finally(interrupted.off);
  bar.finish(`${fresh} of ${left.length} runs`);

  const report = join(out, "report.html");
  if (results.length > 0)
    await writeFileAtomic(report, await experimentReport(results, { title: spec.name, source: RESULTS_FILE }));
  if (input.has("json")) printJson({ complete, out, results });
  else if (results.length > 0) print(`${formatTable(summaryTable(results))}\nreport: ${report}`);
  if (!complete) say(`${runs.length - results.length} runs are left; give the same command to go on.`);
  return complete ? 0 : stoppedCode();
}

/** Runs of the named datasets, if any are named, by the named methods, if any are. */
function chosen({ datasets, methods }: ExperimentSpec, names: readonly string[]): (run: Run) => boolean {
  const known = [...datasets, ...methods].map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const meant = nearest(unknown, known);
    throw new InputError(
      `--only names "${unknown}"; ${meant ? `did you mean "${meant}"?` : `there are ${listNames(known, 20)}`}`,
    );
  }
  const among = (all: readonly { readonly name: string }[]) => {
    const named = all.filter(({ name }) => names.includes(name)).map(({ name }) => name);
    return (name: string) => named.length === 0 || named.includes(name);
  };
  const [dataset, method] = [among(datasets), among(methods)];
  return (run) => dataset(run.dataset.name) && method(run.method.name);
}

function planText(runs: readonly Run[], finished: ReadonlyMap<string, Result>): string {
  const kindOf = (run: Run) => JSON.stringify([run.model, run.method.name, wayOf(run)]);
  const rows = distinct(runs.map(kindOf)).map((kind) => {
    const group = runs.filter((run) => kindOf(run) === kind);
    const [{ model, method }] = group;
    const numbers = (key: "shots" | "seed") => [...new Set(group.map((run) => run[key]))].join(" ");
    return [
      model,
      method.name,
      wayOf(group[0]),
      new Set(group.map(({ dataset }) => dataset.name)).size,
      method.learns ? numbers("shots") : "",
      method.learns ? numbers("seed") : "",
      group.length,
      group.filter(({ id }) => finished.has(id)).length,
    ];
  });
  return formatTable([["model", "method", "", "datasets", "shots", "seeds", "runs", "finished"], ...rows]);
}

const wayOf = ({ classes, labelNoise }: Pick<Run, "classes" | "labelNoise">): string =>
  classes === "base" ? "base to new" : labelNoise > 0 ? `${100 * labelNoise} % wrong labels` : "";

const label = ({ dataset, method, shots, seed, accuracy }: Result): string =>
  `${dataset.name}, ${method.name}${shots ? `, ${shots} shots, seed ${seed}` : ""}: ${(100 * accuracy).toFixed(1)} %`;

const summary = (
  { id, model, dataset, method, classes, shots, seed, labelNoise }: Run,
  finished: ReadonlyMap<string, Result>,
) => ({
  ...{ id, model, dataset: dataset.name, method: method.name, classes, shots, seed, labelNoise },
  finished: finished.has(id),
});

/** By the mean time of finished runs of the same method and shots, else of the same method; undefined where a method has none. */
function secondsLeft(left: readonly Run[], finished: readonly Result[]): number | undefined {
  const times = new Map<string, number[]>();
  const key = (...parts: readonly unknown[]) => JSON.stringify(parts);
  for (const { model, method, shots, seconds } of finished)
    for (const known of [key(model.name, method.name, shots), key(model.name, method.name)])
      times.set(known, [...(times.get(known) ?? []), seconds]);
  let sum = 0;
  for (const { model, method, shots } of left) {
    const known = times.get(key(model, method.name, shots)) ?? times.get(key(model, method.name));
    if (!known) return undefined;
    sum += known.reduce((a, b) => a + b, 0) / known.length;
  }
  return left.length > 0 ? sum : undefined;
}
