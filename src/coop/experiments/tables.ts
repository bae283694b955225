import { html } from "../report-charts.ts";
import type { Score } from "../score.ts";
import { average, type Cell, distinct, type Measured, measured, plusMinus, shotsOf } from "./summary.ts";

const number = (text: string): string => `<td class="number">${text}</td>`;
const shown = (found: Measured | undefined): string => (found ? plusMinus(found) : "–");

/** Rows of cells that are HTML already; the first `names` columns are names. */
function table(caption: string, header: readonly string[], rows: readonly string[], names: number): string {
  const head = header.map((text, i) => `<th scope="col"${i < names ? "" : ' class="number"'}>${html(text)}</th>`);
  return `<div class="card"><table><caption>${html(caption)}</caption><thead><tr>${head.join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

/** Accuracy of every method on every dataset, and their mean. */
export function accuracyTable(cells: readonly Cell[]): string {
  const datasets = distinct(cells.map(({ dataset }) => dataset));
  const methods = distinct(cells.map(({ method }) => method.name));
  const shots = shotsOf(cells);
  const rows = (names: readonly string[], title: string) =>
    methods.flatMap((method) => {
      const values = shots.map((n) =>
        average(
          cells.filter((cell) => cell.method.name === method && cell.shots === n),
          names,
        ),
      );
      if (values.every((value) => value === undefined)) return [];
      const numbers = values.map((value) => number(value ? plusMinus(value) : "")).join("");
      return [`<tr><th scope="row">${html(title)}</th><td>${html(method)}</td>${numbers}</tr>`];
    });
  return table(
    "Accuracy in percent, mean ± population standard deviation over the seeds.",
    ["dataset", "method", ...shots.map((n) => (n === 0 ? "no shots" : n === 1 ? "1 shot" : `${n} shots`))],
    [
      ...datasets.flatMap((name) => rows([name], name)),
      ...(datasets.length > 1 ? rows(datasets, `mean of ${datasets.length}`) : []),
    ],
    2,
  );
}

const share = ({ correct, total }: Score): number => correct / total;

/** Learned on one dataset, tested on it and on other pictures of its classes; undefined where there are none. */
export function shiftTable(cells: readonly Cell[]): string | undefined {
  const shifted = cells.filter(({ results }) => Object.keys(results[0].shifts).length > 0);
  if (shifted.length === 0) return undefined;
  const most = Math.max(...shifted.map(({ shots }) => shots));
  const tables = distinct(shifted.map(({ dataset }) => dataset)).map((dataset) => {
    const own = shifted.filter((cell) => cell.dataset === dataset && (cell.shots === 0 || cell.shots === most));
    const names = distinct(own.flatMap(({ results }) => Object.keys(results[0].shifts)));
    const rows = own.map(({ model, method, results }) => {
      const others = names.map((name) => {
        const scores = results.flatMap(({ shifts }) => shifts[name] ?? []);
        return scores.length > 0 ? measured(scores.map(share)) : undefined;
      });
      const known = others.filter((value) => value !== undefined);
      const mean =
        known.length === names.length ? known.reduce((sum, value) => sum + value.mean, 0) / known.length : undefined;
      const values = [measured(results.map(({ accuracy }) => accuracy)), ...others].map((value) =>
        number(shown(value)),
      );
      const last = mean === undefined ? "–" : (100 * mean).toFixed(1);
      return `<tr><th scope="row">${html(model)}</th><td>${html(method.name)}</td>${values.join("")}${number(last)}</tr>`;
    });
    const learned = most > 0 ? `learned from ${most} shots of ${dataset}` : `measured on ${dataset}`;
    return table(
      `Accuracy in percent, ${learned}; the last column is the mean of the shifted sets.`,
      ["model", "method", dataset, ...names, "mean of shifts"],
      rows,
      2,
    );
  });
  return tables.join("");
}

/** Base classes, new classes and their harmonic mean; undefined where this was not asked. */
export function baseToNewTable(cells: readonly Cell[]): string | undefined {
  const split = cells.filter(({ classes, results }) => classes === "base" && results.every((r) => r.newClasses));
  if (split.length === 0) return undefined;
  const datasets = distinct(split.map(({ dataset }) => dataset));
  const kinds = distinct(split.map(({ model, method, shots }) => JSON.stringify([model, method.name, shots])));
  const rows = (names: readonly string[], title: string) =>
    kinds.flatMap((kind) => {
      const [model, method, shots] = JSON.parse(kind) as [string, string, number];
      const own = split.filter((cell) => cell.model === model && cell.method.name === method && cell.shots === shots);
      const base = average(own, names);
      const others = average(own, names, ({ newClasses }) => share(newClasses!));
      if (!base || !others) return [];
      const sum = base.mean + others.mean;
      const harmonic = sum > 0 ? (2 * base.mean * others.mean) / sum : 0;
      return [
        `<tr><th scope="row">${html(title)}</th><td>${html(model)}</td><td>${html(method)}${shots ? `, ${shots} shots` : ""}</td>` +
          `${number(plusMinus(base))}${number(plusMinus(others))}${number((100 * harmonic).toFixed(1))}</tr>`,
      ];
    });
  return table(
    "Accuracy in percent on the classes that were learned, on the others, and the harmonic mean of the two means.",
    ["dataset", "model", "method", "base", "new", "H"],
    [
      ...datasets.flatMap((name) => rows([name], name)),
      ...(datasets.length > 1 ? rows(datasets, `mean of ${datasets.length}`) : []),
    ],
    3,
  );
}

/** What a run of each method costs at each number of shots, the mean over datasets and seeds. */
export function costTable(cells: readonly Cell[]): string {
  const kinds = distinct(cells.map(({ model, method, shots }) => JSON.stringify([model, method.name, shots])));
  const rows = kinds.map((kind) => {
    const [model, method, shots] = JSON.parse(kind) as [string, string, number];
    const results = cells
      .filter((cell) => cell.model === model && cell.method.name === method && cell.shots === shots)
      .flatMap((cell) => cell.results);
    const mean = (of: (result: (typeof results)[number]) => number | undefined | null) => {
      const values = results.map(of);
      if (values.some((value) => value === undefined || value === null)) return undefined;
      return values.reduce<number>((sum, value) => sum + value!, 0) / values.length;
    };
    const text = (value: number | undefined, digits: number) =>
      number(value === undefined ? "–" : value.toFixed(digits));
    return (
      `<tr><th scope="row">${html(model)}</th><td>${html(method)}</td>${number(shots ? String(shots) : "")}` +
      text(
        mean(({ seconds }) => seconds),
        2,
      ) +
      text(
        mean(({ steps }) => steps),
        0,
      ) +
      text(
        mean(({ step }) => step && step.flops / 1e6),
        1,
      ) +
      text(
        mean(({ step }) => step && step.bytes / 1e6),
        1,
      ) +
      text(
        mean(({ step }) => step && step.memory / 1e6),
        1,
      ) +
      text(
        mean(({ step, steps }) => (step && steps !== null ? (step.flops * steps) / 1e9 : null)),
        2,
      ) +
      "</tr>"
    );
  });
  return table(
    "One run: seconds of training and testing with features at hand, and the work of its steps, counted in the compiled program. Runs done at the same time share their seconds evenly.",
    ["model", "method", "shots", "seconds", "steps", "MFLOP a step", "MB a step", "MB of memory", "GFLOP a run"],
    rows,
    2,
  );
}
