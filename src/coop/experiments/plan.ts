import { sha256Hex } from "../feature-cache.ts";
import type { Json, JsonRecord } from "./method.ts";
import type { DatasetSpec, ExperimentSpec, MethodSpec } from "./spec.ts";

/** One training and its tests. */
export interface Run {
  /** 16 hexadecimal digits: a hash of `work` and of the names of dataset and method. */
  readonly id: string;
  /** A hash of everything in the experiment file that decides the result. */
  readonly work: string;
  readonly model: string;
  readonly dataset: DatasetSpec;
  readonly method: MethodSpec;
  readonly options: JsonRecord;
  /** "base": learned on the first half of the classes, tested on these and on the others. */
  readonly classes: "all" | "base";
  /** 0 for a method that does not learn, as is the seed. */
  readonly shots: number;
  readonly seed: number;
  /** Share of the shots that get a wrong label. */
  readonly labelNoise: number;
}

/** Changes whenever the same options come to mean another computation: older results are not taken for new ones. */
const RECIPE = 1;

/**
 * All runs of an experiment, those that share work one after another: by model, dataset, classes, method, noise, shots.
 * @example const runs = await plan(parseSpec(text)); // each with its id
 */
export async function plan(spec: ExperimentSpec): Promise<Run[]> {
  const runs: Promise<Run>[] = [];
  const add = (run: Omit<Run, "id" | "work" | "options">) => {
    const options = run.method.resolve({ template: run.dataset.template, shots: run.shots });
    const named = async (work: string): Promise<Run> => {
      const id = await hash([work, run.dataset.name, run.method.name]);
      return { ...run, id, work, options };
    };
    runs.push(workOf({ ...run, options }).then(named));
  };
  for (const model of spec.models)
    for (const dataset of spec.datasets)
      for (const classes of ["all", "base"] as const)
        for (const method of spec.methods) {
          if (method.datasets && !method.datasets.includes(dataset.name)) continue;
          const common = { model, dataset, classes, method };
          if (classes === "base" && !(method.namesNewClasses && spec.baseToNew?.methods.includes(method.name)))
            continue;
          if (!method.learns) {
            add({ ...common, shots: 0, seed: 0, labelNoise: 0 });
            continue;
          }
          const noisy = classes === "all" && spec.labelNoise?.methods.includes(method.name) ? spec.labelNoise : null;
          for (const labelNoise of [0, ...(noisy?.fractions ?? [])])
            for (const shots of method.shots ?? spec.shots) {
              if (classes === "base" && !spec.baseToNew!.shots.includes(shots)) continue;
              if (labelNoise > 0 && !noisy!.shots.includes(shots)) continue;
              for (const seed of spec.seeds) add({ ...common, shots, seed, labelNoise });
            }
        }
  return Promise.all(runs);
}

/** Runs that can be done at the same time: alike but for their seeds. */
export function groups(runs: readonly Run[]): Run[][] {
  const found: Run[][] = [];
  for (const run of runs) {
    const last = found.at(-1);
    const alike = (["model", "dataset", "method", "classes", "shots", "labelNoise"] as const).every(
      (key) => last?.[0][key] === run[key],
    );
    if (last && alike) last.push(run);
    else found.push([run]);
  }
  return found;
}

function workOf({ model, dataset, method, options, ...run }: Omit<Run, "id" | "work">): Promise<string> {
  const { classes, shots, seed, labelNoise } = run;
  const shifts = classes === "all" && labelNoise === 0 ? dataset.shifts.map(({ name, source }) => [name, source]) : [];
  return hash({
    recipe: RECIPE,
    ...{ model, dataset: dataset.source, shifts, kind: method.kind, options },
    ...{ classes, shots, seed, labelNoise },
  });
}

const hash = async (value: Json): Promise<string> =>
  (await sha256Hex(new TextEncoder().encode(canonical(value)))).slice(0, 16);

/** JSON with the keys of every object in order. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value as JsonRecord).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(",")}}`;
}
