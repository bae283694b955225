import { percent } from "../score.ts";
import type { Result } from "./results.ts";
import { accuracyOf, type Cell, cellsOf, type Measured, measured, plusMinus } from "./summary.ts";

/** One setting in two results files. */
export interface Comparison {
  readonly dataset: string;
  readonly method: string;
  readonly shots: number;
  readonly classes: Result["classes"];
  readonly labelNoise: number;
  /** Null where a file has no such runs. */
  readonly a: Measured | null;
  readonly b: Measured | null;
  /** Mean and deviation of B − A over the seeds that both have; null where there are none. */
  readonly difference: Measured | null;
  /** Null where a file has no such runs. */
  readonly models: readonly [a: string | null, b: string | null];
}

/**
 * The settings of two files side by side, by the names of datasets and methods: those of A in its order, then what only B
 * has. Models are told apart within a file; where each has one, these two are compared.
 *
 * @example const rows = compareResults([...parseResults(a).values()], [...parseResults(b).values()]);
 */
export function compareResults(a: readonly Result[], b: readonly Result[]): Comparison[] {
  const [cellsA, cellsB] = [cellsOf(a), cellsOf(b)];
  const models = (cells: readonly Cell[]) => new Set(cells.map(({ model }) => model));
  const one = models(cellsA).size <= 1 && models(cellsB).size <= 1;
  const keyOf = ({ model, dataset, method, classes, shots, labelNoise }: Cell) =>
    JSON.stringify([one ? "" : model, dataset, method.name, classes, shots, labelNoise]);
  const [byA, byB] = [cellsA, cellsB].map((cells) => new Map(cells.map((cell) => [keyOf(cell), cell])));
  return [...new Set([...byA.keys(), ...byB.keys()])].map((key): Comparison => {
    const [left, right] = [byA.get(key), byB.get(key)];
    const { dataset, method, classes, shots, labelNoise } = (left ?? right)!;
    return {
      ...{ dataset, method: method.name, shots, classes, labelNoise },
      a: left ? accuracyOf(left) : null,
      b: right ? accuracyOf(right) : null,
      difference: left && right ? difference(left, right) : null,
      models: [left?.model ?? null, right?.model ?? null],
    };
  });
}

/** Seed by seed, since the same seed draws the same shots. */
function difference(a: Cell, b: Cell): Measured | null {
  const values = a.results.flatMap(({ seed, accuracy }) => {
    const other = b.results.find((result) => result.seed === seed);
    return other ? [other.accuracy - accuracy] : [];
  });
  return values.length > 0 ? measured(values) : null;
}

/**
 * A table in Markdown, in percent and points.
 * @example console.log(comparisonMarkdown(rows, ["before", "after"]));
 */
export function comparisonMarkdown(rows: readonly Comparison[], names: readonly [a: string, b: string]): string {
  const several = [0, 1].some((side) => new Set(rows.flatMap(({ models }) => models[side] ?? [])).size > 1);
  const text = (value: Measured | null) => (value ? plusMinus(value) : "–");
  const points = (value: Measured | null) => {
    if (!value) return "–";
    const sign = value.mean < 0 ? "−" : "+";
    return `${sign}${plusMinus({ ...value, mean: Math.abs(value.mean) })}`;
  };
  const cells = rows.map(({ dataset, method, shots, classes, labelNoise, a, b, difference: gained, models }) => [
    ...(several ? [models[0] ?? models[1]!] : []),
    dataset,
    [method, classes === "base" ? "base classes" : "", labelNoise > 0 ? `${percent(labelNoise, 0)} wrong labels` : ""]
      .filter((part) => part !== "")
      .join(", "),
    shots ? String(shots) : "",
    text(a),
    text(b),
    points(gained),
    seeds(a, b, gained),
  ]);
  const header = [...(several ? ["model"] : []), "dataset", "method", "shots", ...names, "B − A", "seeds"];
  const line = (row: readonly string[]) =>
    `| ${row.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  const rule = header.map((_, i) => (i < header.length - 5 ? "---" : "---:"));
  return [line(header), line(rule), ...cells.map(line)].join("\n");
}

/** How many seeds each has, and how many both. */
function seeds(a: Measured | null, b: Measured | null, both: Measured | null): string {
  const [left, right, shared] = [a?.count ?? 0, b?.count ?? 0, both?.count ?? 0];
  return left === right && left === shared ? String(left) : `${left}, ${right}, both ${shared}`;
}
