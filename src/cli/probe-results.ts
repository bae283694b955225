import type { FittedProbe } from "../coop/linear-probe.ts";
import type { ProbeConfig } from "../coop/probe-files.ts";
import type { CSearch } from "../coop/probe-search.ts";
import { formatTable } from "../coop/progress.ts";
import { accuracy, meanAndDeviation, percent, type Score } from "../coop/score.ts";
import type { Input } from "./command.ts";
import { print, printJson } from "./print.ts";

/** What is measured with one seed. */
export interface Result {
  readonly seed: number;
  readonly probe: FittedProbe;
  readonly search: CSearch | null;
  readonly validation: ProbeConfig["validation"];
  readonly scores: { readonly zeroShot: Score; readonly probe: Score };
}

/** Zero-shot and probe over all seeds, then each seed. */
export function printResults(
  input: Input,
  {
    classes,
    shots,
    template,
    results,
    out,
  }: {
    readonly classes: readonly string[];
    readonly shots: number;
    readonly template: string;
    readonly results: readonly Result[];
    readonly out: string | undefined;
  },
): void {
  const over = (which: "zeroShot" | "probe") => meanAndDeviation(results.map(({ scores }) => accuracy(scores[which])));
  if (input.has("json")) {
    const summary = (which: "zeroShot" | "probe") => ({ accuracy: over(which).mean, deviation: over(which).deviation });
    const seeds = results.map(({ seed, probe, search, validation, scores }) => ({
      seed,
      ...{ C: probe.C, loss: probe.loss, iterations: probe.iterations, converged: probe.converged },
      validation: { ...validation, accuracy: search?.accuracy ?? null },
      zeroShot: { accuracy: accuracy(scores.zeroShot), ...scores.zeroShot },
      probe: { accuracy: accuracy(scores.probe), ...scores.probe },
    }));
    const both = { zeroShot: summary("zeroShot"), probe: summary("probe") };
    printJson({ classes, shots, template, ...both, seeds, ...(out === undefined ? {} : { out }) });
    return;
  }
  const names = {
    zeroShot: `zero-shot "${template}"`,
    probe: `linear probe, ${shots} ${shots === 1 ? "shot" : "shots"}`,
  };
  const rows = (["zeroShot", "probe"] as const).map((which) => {
    const { mean, deviation } = over(which);
    const [{ correct, total }] = results.map(({ scores }) => scores[which]);
    return [names[which], percent(mean), ...(results.length > 1 ? [`±${percent(deviation)}`] : [correct, total])];
  });
  const head = ["", "accuracy", ...(results.length > 1 ? ["deviation"] : ["right", "of"])];
  print(formatTable([head, ...rows]));
  const each = results.map(({ seed, probe, search, scores }) => [
    seed,
    percent(accuracy(scores.zeroShot)),
    percent(accuracy(scores.probe)),
    Number(probe.C.toPrecision(3)).toExponential().replace("+", ""),
    search ? percent(search.accuracy) : "–",
    scores.probe.total,
  ]);
  print(formatTable([["seed", "zero-shot", "probe", "C", "validation", "pictures"], ...each]).trimEnd());
  if (out !== undefined) print(`\nsaved ${out}`);
}
