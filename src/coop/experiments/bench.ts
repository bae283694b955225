import type { Clip } from "../../clip/index.ts";
import { featureRows } from "../feature-rows.ts";
import type { Score } from "../score.ts";
import { type Dataset, type Draw, drawShots, type Part, withNoise } from "./dataset.ts";
import type { Fitted, Pictures } from "./method.ts";
import type { Run } from "./plan.ts";

/** What the runs of one dataset share. */
export interface Bench {
  readonly clip: Clip;
  readonly dataset: Dataset;
  /** Features of all pictures that are learned from, and where in them a row of train or val is. */
  readonly pool: Float32Array;
  rowOf(from: "train" | "val", row: number): number;
  readonly draws: ReadonlyMap<Run, Draw>;
  readonly tests: ReadonlyMap<Part, Pictures>;
}

const baseCount = (dataset: Dataset): number => Math.ceil(dataset.classNames.length / 2);

/** The classes that a run learns: all, or the first half, rounded up. */
export const namesOf = (dataset: Dataset, classes: Run["classes"]): readonly string[] =>
  classes === "all" ? dataset.classNames : dataset.classNames.slice(0, baseCount(dataset));

/** Encodes what the runs learn from and are tested on, each picture once. */
export async function prepare(clip: Clip, dataset: Dataset, runs: readonly Run[]): Promise<Bench> {
  const draws = new Map<Run, Draw>();
  for (const run of runs)
    if (run.method.learns)
      draws.set(run, drawShots(dataset, run.shots, run.seed, namesOf(dataset, run.classes).length));
  const rows = { train: new Set<number>(), val: new Set<number>() };
  for (const { train, validation } of draws.values()) {
    for (const row of train) rows.train.add(row);
    if (validation) for (const row of validation.rows) rows[validation.from].add(row);
  }
  const parts = { train: [...rows.train], val: [...rows.val] };
  const pools = [await dataset.train.encode(parts.train), await dataset.val.encode(parts.val)];
  const pool = new Float32Array(pools[0].length + pools[1].length);
  pool.set(pools[0]);
  pool.set(pools[1], pools[0].length);
  const at = {
    train: new Map(parts.train.map((row, i) => [row, i])),
    val: new Map(parts.val.map((row, i) => [row, parts.train.length + i])),
  };
  const tests = new Map<Part, Pictures>();
  const shifts = runs.some((run) => run.classes === "all" && run.labelNoise === 0) ? Object.values(dataset.shifts) : [];
  for (const part of [dataset.test, ...shifts]) {
    const count = part.labels.length;
    tests.set(part, { features: await part.encode(Array.from({ length: count }, (_, i) => i)), count });
  }
  return { clip, dataset, pool, draws, tests, rowOf: (from, row) => at[from].get(row)! };
}

/** What a run learns from. */
export function taskOf(run: Run, { draws, dataset, pool, rowOf, clip }: Bench) {
  const draw = draws.get(run);
  if (!draw) return { rows: new Int32Array(), labels: new Int32Array(), validation: null };
  const labels = Int32Array.from(draw.train, (row) => dataset.train.labels[row]);
  const width = clip.config.embedDim;
  const { validation } = draw;
  return {
    rows: Int32Array.from(draw.train, (row) => rowOf("train", row)),
    labels: run.labelNoise > 0 ? withNoise(labels, run.labelNoise, dataset.classNames.length, run.seed) : labels,
    validation: validation && {
      features: featureRows(
        pool,
        width,
        validation.rows.map((row) => rowOf(validation.from, row)),
      ),
      labels: Int32Array.from(validation.rows, (row) => dataset[validation.from].labels[row]),
    },
  };
}

/** The share of a part's pictures, of some of the classes, that are given their class among these. */
export async function scoreOf(
  { predict }: Fitted,
  part: Part,
  { dataset, tests, clip }: Bench,
  classes: { readonly from: number; readonly to: number } | "own",
): Promise<Score> {
  const present = new Set(part.labels);
  const asked = dataset.classNames.flatMap((_, k) =>
    (classes === "own" ? present.has(k) : k >= classes.from && k < classes.to) ? [k] : [],
  );
  const all = tests.get(part)!;
  const rows = Array.from(part.labels, (_, i) => i).filter((i) => asked.includes(part.labels[i]));
  const features = rows.length === all.count ? all.features : featureRows(all.features, clip.config.embedDim, rows);
  const names = asked.map((k) => dataset.classNames[k]);
  const answers = await predict({ features, count: rows.length }, names);
  const correct = rows.filter((row, i) => asked[answers[i]] === part.labels[row]).length;
  return { correct, total: rows.length };
}
