import { formatTable } from "../coop/progress.ts";
import type { RunConfig } from "../coop/run-config.ts";
import { accuracy, meanAndDeviation, percent, type Score } from "../coop/score.ts";
import { quotedTemplates } from "./asking.ts";
import type { Input } from "./command.ts";
import { print, printJson } from "./print.ts";
import type { Plan } from "./train-plan.ts";
import type { Run } from "./train-settings.ts";

type Metrics = NonNullable<RunConfig["metrics"]>;
type Method = "zeroShot" | "ensemble" | "probe" | "coop";

/** What each method scored with each seed, and where it is saved. */
export function printRuns(input: Input, plan: Plan, runs: readonly Run[]): void {
  const metrics = runs.map(({ config }) => config.metrics!);
  const methods = (["zeroShot", "ensemble", "probe", "coop"] as const).filter((method) => metrics[0][method]);
  if (input.has("json")) printJson(document(plan, runs, methods));
  else if (plan.several) print(overSeeds(plan, metrics, methods));
  else print(ofOne(plan, metrics[0], methods));
}

function document({ recipe, several, out }: Plan, runs: readonly Run[], methods: readonly Method[]): object {
  const one = ({ config, epochs }: Run) => ({
    ...Object.fromEntries(methods.map((method) => [method, { accuracy: accuracy(config.metrics![method]!) }])),
    epochs: epochs.length,
    ...(config.keptEpoch === undefined ? {} : { keptEpoch: config.keptEpoch }),
    finalLoss: epochs[epochs.length - 1].loss,
  });
  const about = { classes: runs[0].config.classes, shots: recipe.shots };
  if (!several) return { ...about, ...one(runs[0]), out };
  const means = methods.map((method) => {
    const { mean, deviation } = over(runs.map(({ config }) => config.metrics![method]!));
    return [method, { accuracy: mean, deviation }];
  });
  const seeds = runs.map((run) => ({ seed: run.config.recipe.seed, ...one(run) }));
  return { ...about, ...Object.fromEntries(means), seeds, out };
}

function ofOne(plan: Plan, metrics: Metrics, methods: readonly Method[]): string {
  const rows = methods.map((method) => {
    const score = metrics[method]!;
    return [nameOf(method, plan), percent(accuracy(score)), score.correct, score.total];
  });
  const saved = `saved ${plan.out}   report: ${plan.out}/report.html\nuse   coop predict PICTURE --prompt ${plan.out}`;
  return `${formatTable([["", "accuracy", "right", "of"], ...rows])}\n\n${saved}`;
}

function overSeeds(plan: Plan, metrics: readonly Metrics[], methods: readonly Method[]): string {
  const rows = methods.map((method) => {
    const { mean, deviation } = over(metrics.map((one) => one[method]!));
    return [nameOf(method, plan), percent(mean), `±${percent(deviation)}`];
  });
  const each = plan.runs.map(({ seed }, i) => [
    seed,
    ...methods.map((method) => percent(accuracy(metrics[i][method]!))),
    metrics[i].coop.total,
  ]);
  const short = { zeroShot: "zero-shot", ensemble: "ensemble", probe: "probe", coop: "CoOp" };
  const saved = `saved ${plan.out}, a folder for each seed\nuse   coop predict PICTURE --prompt ${plan.runs[0].out}`;
  return [
    formatTable([["", "accuracy", "deviation"], ...rows]),
    formatTable([["seed", ...methods.map((method) => short[method]), "pictures"], ...each]),
    saved,
  ].join("\n");
}

function nameOf(method: Method, { recipe, templates, ensemble }: Plan): string {
  const shots = `${recipe.shots} ${recipe.shots === 1 ? "shot" : "shots"}`;
  return {
    zeroShot: `zero-shot ${quotedTemplates(templates)}`,
    ensemble: `zero-shot, ensemble of ${ensemble?.length}`,
    probe: `linear probe, ${shots}`,
    coop: `CoOp, ${shots}`,
  }[method];
}

const over = (scores: readonly Score[]) => meanAndDeviation(scores.map(accuracy));
