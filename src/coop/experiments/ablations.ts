import type { Series } from "./figures.ts";
import type { Json } from "./method.ts";
import { average, type Cell, distinct, shotsOf } from "./summary.ts";

/** A comparison of prompts that differ in one or two options only, on the datasets that all of them have. */
export interface Ablation {
  readonly title: string;
  readonly label: string;
  readonly note: string;
  readonly series: readonly Series[];
  /** Whether there is something between two values. */
  readonly joined: boolean;
}

const option = (cell: Cell, key: string): Json => cell.method.options[key] ?? null;
const placeOf = (cell: Cell): string =>
  `${option(cell, "position")}, ${option(cell, "classSpecific") ? "class-specific" : "unified"}`;
/** Without what differs, and the epochs, which go with the shots. */
const restOf = (cell: Cell, ...without: readonly string[]): string => {
  const kept = Object.entries(cell.method.options).filter(([key]) => ![...without, "epochs"].includes(key));
  return JSON.stringify([cell.method.kind, kept.sort(([a], [b]) => (a < b ? -1 : 1))]);
};

/** Position and unified or class-specific context, against shots. */
export function placeAblation(cells: readonly Cell[]): Ablation | undefined {
  const found = largest(cells, (cell) => restOf(cell, "position", "classSpecific"), placeOf);
  if (!found) return undefined;
  return {
    title: "Place of the class name, unified and class-specific context",
    label: "shots",
    joined: true,
    note: `${contextText(found.cells)}; ${meanText(found.datasets)}`,
    series: found.values.map((name) => {
      const own = found.cells.filter((cell) => placeOf(cell) === name);
      return series(name, shotsOf(own), (x) =>
        average(
          own.filter(({ shots }) => shots === x),
          found.datasets,
        ),
      );
    }),
  };
}

/** Length of the context, at the largest number of shots. */
export function lengthAblation(cells: readonly Cell[]): Ablation | undefined {
  const learned = atMost(cells.filter((cell) => option(cell, "init") === null));
  const length = (cell: Cell) => option(cell, "contextTokens") as number;
  const found = largest(learned, (cell) => restOf(cell, "position", "classSpecific", "contextTokens"), length);
  if (!found) return undefined;
  const lengths = found.values.toSorted((a, b) => a - b);
  const places = distinct(found.cells.map(placeOf));
  return {
    title: "Length of the context",
    label: "context vectors",
    joined: true,
    note: `${found.cells[0].shots} shots; ${meanText(found.datasets)}`,
    series: places.map((name) => {
      const own = found.cells.filter((cell) => placeOf(cell) === name);
      return series(name, lengths, (x) =>
        average(
          own.filter((cell) => length(cell) === x),
          found.datasets,
        ),
      );
    }),
  };
}

/** A context that begins as words, and a random one, of one length, at the largest number of shots. */
export function initAblation(cells: readonly Cell[]): Ablation | undefined {
  const began = (cell: Cell) => {
    const words = option(cell, "init");
    return words === null ? "random" : `“${words}”`;
  };
  const found = largest(atMost(cells), (cell) => restOf(cell, "init"), began);
  if (!found) return undefined;
  return {
    title: "What the context begins as",
    label: "initialisation",
    joined: false,
    note: `${found.cells[0].shots} shots; ${contextText(found.cells)}; ${meanText(found.datasets)}`,
    series: [
      series("CoOp", found.values, (x) =>
        average(
          found.cells.filter((cell) => began(cell) === x),
          found.datasets,
        ),
      ),
    ],
  };
}

const atMost = (cells: readonly Cell[]): Cell[] => {
  const most = Math.max(...cells.map(({ shots }) => shots));
  return cells.filter(({ shots }) => shots === most);
};

const series = <X extends number | string>(
  name: string,
  xs: readonly X[],
  at: (x: X) => ReturnType<typeof average>,
): Series => ({
  name,
  kind: "coop",
  learns: true,
  points: xs.flatMap((x) => {
    const found = at(x);
    return found ? [{ ...found, x }] : [];
  }),
});

/** Of the groups of cells that are alike in `rest`, the one with the most values; undefined where none has two. */
function largest<V>(cells: readonly Cell[], rest: (cell: Cell) => string, value: (cell: Cell) => V) {
  const learned = cells.filter(({ method }) => method.kind === "coop");
  const candidates = distinct(learned.map(rest)).map((key) => {
    const alike = learned.filter((cell) => rest(cell) === key);
    const values = distinct(alike.map(value));
    const datasets = distinct(alike.map(({ dataset }) => dataset)).filter((dataset) =>
      values.every((one) => alike.some((cell) => cell.dataset === dataset && value(cell) === one)),
    );
    return { cells: alike, values, datasets };
  });
  const [best] = candidates
    .filter(({ values, datasets }) => values.length > 1 && datasets.length > 0)
    .sort((a, b) => b.values.length - a.values.length || b.cells.length - a.cells.length);
  return best;
}

const contextText = ([cell]: readonly Cell[]): string => `${option(cell, "contextTokens")} context vectors`;
const meanText = (datasets: readonly string[]): string =>
  datasets.length === 1 ? datasets[0] : `mean of ${datasets.length} datasets`;
