import { meanAndDeviation } from "../score.ts";
import type { Result } from "./results.ts";

/** What several seeds of one setting gave. */
export interface Cell {
  readonly model: string;
  readonly dataset: string;
  readonly method: Result["method"];
  readonly classes: Result["classes"];
  readonly shots: number;
  readonly labelNoise: number;
  /** One for each seed. */
  readonly results: readonly Result[];
}

/** Mean and population standard deviation, of `count` seeds. */
export interface Measured {
  readonly mean: number;
  readonly deviation: number;
  readonly count: number;
}

/** Results by setting, in the order in which settings first come. Of several with the same names and seed the last counts. */
export function cellsOf(results: readonly Result[]): Cell[] {
  const cells = new Map<string, Cell & { results: Result[] }>();
  for (const result of results) {
    const { model, dataset, method, classes, shots, labelNoise } = result;
    const key = JSON.stringify([model.name, dataset.name, method.name, classes, shots, labelNoise]);
    const cell = cells.get(key) ?? {
      ...{ model: model.name, dataset: dataset.name, method, classes, shots, labelNoise },
      results: [],
    };
    const before = cell.results.findIndex(({ seed }) => seed === result.seed);
    if (before < 0) cell.results.push(result);
    else cell.results[before] = result;
    cells.set(key, cell);
  }
  return [...cells.values()];
}

/** The cells of the usual setting: all classes, right labels. */
export const usual = (cells: readonly Cell[]): Cell[] =>
  cells.filter(({ classes, labelNoise }) => classes === "all" && labelNoise === 0);

export function measured(values: readonly number[]): Measured {
  return { ...meanAndDeviation(values), count: values.length };
}

export const accuracyOf = (cell: Cell): Measured => measured(cell.results.map(({ accuracy }) => accuracy));

/** Each once, in the order in which they first come. */
export const distinct = <T>(items: readonly T[]): T[] => [...new Set(items)];

/** Numbers of shots, from the least. */
export const shotsOf = (cells: readonly Cell[]): number[] =>
  distinct(cells.map(({ shots }) => shots)).sort((a, b) => a - b);

/**
 * The mean over datasets of one method at one number of shots: for each seed that all of them have, and mean and deviation
 * over these; undefined where a dataset is missing or no seed is everywhere.
 */
export function average(
  cells: readonly Cell[],
  datasets: readonly string[],
  value: (result: Result) => number = ({ accuracy }) => accuracy,
): Measured | undefined {
  const each = datasets.map((dataset) => cells.find((cell) => cell.dataset === dataset));
  if (each.length === 0 || each.some((cell) => cell === undefined)) return undefined;
  const seeds = each[0]!.results.map(({ seed }) => seed);
  const values = seeds.flatMap((seed) => {
    const found = each.flatMap((cell) => cell!.results.find((result) => result.seed === seed) ?? []);
    return found.length === each.length ? [found.reduce((sum, result) => sum + value(result), 0) / found.length] : [];
  });
  return values.length > 0 ? measured(values) : undefined;
}

/** "71.2 ± 0.4", in percent; without a deviation for a single value. */
export function plusMinus({ mean, deviation, count }: Measured): string {
  const value = (100 * mean).toFixed(1);
  return count > 1 ? `${value} ± ${(100 * deviation).toFixed(1)}` : value;
}

/** Rows for a terminal: dataset and method, then a column for each number of shots. */
export function summaryTable(results: readonly Result[]): string[][] {
  const cells = usual(cellsOf(results));
  const shots = shotsOf(cells);
  const models = distinct(cells.map(({ model }) => model));
  const rows = models.flatMap((model) => {
    const own = cells.filter((cell) => cell.model === model);
    const datasets = distinct(own.map(({ dataset }) => dataset));
    const methods = distinct(own.map(({ method }) => method.name));
    const name = (dataset: string) => (models.length > 1 ? [model, dataset] : [dataset]);
    const by = (method: string, n: number) => own.filter((cell) => cell.method.name === method && cell.shots === n);
    const text = (found: Measured | undefined) => (found ? plusMinus(found) : "");
    const lines = (dataset: string, of: (cells: Cell[]) => Measured | undefined) =>
      methods
        .map((method) => [...name(dataset), method, ...shots.map((n) => text(of(by(method, n))))])
        .filter((row) => row.slice(name(dataset).length + 1).some((cell) => cell !== ""));
    return [
      ...datasets.flatMap((dataset) => lines(dataset, (found) => average(found, [dataset]))),
      ...(datasets.length > 1 ? lines(`mean of ${datasets.length}`, (found) => average(found, datasets)) : []),
    ];
  });
  const first = models.length > 1 ? ["model", "dataset"] : ["dataset"];
  return [
    [...first, "method", ...shots.map((n) => (n === 0 ? "no shots" : `${n} shot${n === 1 ? "" : "s"}`))],
    ...rows,
  ];
}
