import { html } from "../report-charts.ts";
import { reportPage, section } from "../report-page.ts";
import { type Ablation, initAblation, lengthAblation, placeAblation } from "./ablations.ts";
import { curves, gains, legend, lines, type Series, seriesOf } from "./figures.ts";
import { openPlotter, type Plotter } from "./plots.ts";
import type { Result } from "./results.ts";
import { average, type Cell, cellsOf, distinct, shotsOf, usual } from "./summary.ts";
import { accuracyTable, baseToNewTable, costTable, shiftTable } from "./tables.ts";

/** What stands at the top of the page. */
export interface ExperimentReportOptions {
  readonly title: string;
  /** The results file, to be named on the page. */
  readonly source: string;
}

/**
 * One page about results, with the figures and tables that they have data for. It needs no server and no network.
 *
 * @throws InputError where the packages that draw are not installed
 * @example
 * await writeFile("report.html", await experimentReport(results, { title: "Shots", source: "results.jsonl" }));
 */
export async function experimentReport(
  results: readonly Result[],
  { title, source }: ExperimentReportOptions,
): Promise<string> {
  const plotter = await openPlotter();
  const all = cellsOf(results);
  const cells = usual(all);
  const models = distinct(cells.map(({ model }) => model));
  const about = (key: (result: Result) => string) => distinct(results.map(key)).join(", ");
  const sections = models.flatMap((model) => {
    const own = cells.filter((cell) => cell.model === model);
    return [
      section(
        models.length > 1 ? `Accuracy against shots, ${model}` : "Accuracy against shots",
        shotFigures(plotter, own),
      ),
      section(models.length > 1 ? `Gains, ${model}` : "Gains", gainFigures(plotter, own)),
      section(models.length > 1 ? `Prompts, ${model}` : "Prompts", ablationFigures(plotter, own)),
    ];
  });
  const body = [
    ...sections,
    section("Image encoders", backboneFigure(plotter, cells, models)),
    section("Other pictures of the same classes", shiftTable(cells)),
    section("New classes", baseToNewTable(all)),
    section("Wrong labels", noiseFigures(plotter, all)),
    ...models.map((model) =>
      section(
        models.length > 1 ? `All accuracies, ${model}` : "All accuracies",
        accuracyTable(cells.filter((cell) => cell.model === model)),
      ),
    ),
    section("Cost", costTable(cells)),
  ];
  const intro = `${results.length} runs with ${about(({ model }) => `${model.name} (${model.sha256.slice(0, 12)})`)}; coop ${about(({ coop }) => coop)} on ${about(({ adapter }) => adapter)}. Every number comes from ${source}.`;
  return reportPage({ title, about: [intro], style: OWN_STYLE, body });
}

const figure = (title: string, drawn: string, note = ""): string =>
  `<figure class="card"><figcaption><h3>${html(title)}</h3>${note && `<p class="soft">${html(note)}</p>`}</figcaption>${drawn}</figure>`;

const grid = (figures: readonly string[], series?: readonly Series[]): string | undefined =>
  figures.length > 0 ? `${series ? legend(series) : ""}<div class="charts">${figures.join("\n")}</div>` : undefined;

/** The mean over the datasets, then each dataset; one legend for all. */
function shotFigures(plotter: Plotter, cells: readonly Cell[]): string | undefined {
  const shots = shotsOf(cells);
  if (shots.every((n) => n === 0)) return undefined;
  const datasets = distinct(cells.map(({ dataset }) => dataset));
  const all = distinct(cells.map(({ method }) => method.name)).map((name): Series => {
    const own = cells.filter((cell) => cell.method.name === name);
    return { name, kind: own[0].method.kind, learns: own.some((cell) => cell.shots > 0), points: [] };
  });
  const drawn = (title: string, names: readonly string[]) => {
    const found = seriesOf(cells, names);
    return found.length === 0 ? [] : [figure(title, curves(plotter, title, found, shots, all))];
  };
  return grid(
    [
      ...(datasets.length > 1 ? drawn(`Mean of ${datasets.length} datasets`, datasets) : []),
      ...datasets.flatMap((name) => drawn(name, [name])),
    ],
    all,
  );
}

/** What each learned prompt gains over the first hand-written one, at the largest number of shots. */
function gainFigures(plotter: Plotter, cells: readonly Cell[]): string | undefined {
  const [zeroShot] = cells.filter(({ method }) => method.kind === "zero-shot").map(({ method }) => method.name);
  const most = Math.max(...shotsOf(cells));
  if (zeroShot === undefined || most === 0) return undefined;
  const at = (name: string, dataset: string) =>
    average(
      cells.filter((cell) => cell.method.name === name && (cell.shots === most || cell.shots === 0)),
      [dataset],
    );
  const methods = distinct(cells.filter(({ shots }) => shots === most).map(({ method }) => method));
  const names = distinct(methods.filter(({ kind }) => kind !== "probe").map(({ name }) => name));
  return grid(
    names.flatMap((name) => {
      const rows = distinct(cells.map(({ dataset }) => dataset)).flatMap((dataset) => {
        const [before, after] = [at(zeroShot, dataset), at(name, dataset)];
        return before && after ? [{ name: dataset, gain: after.mean - before.mean }] : [];
      });
      if (rows.length === 0) return [];
      const title = `${name}, ${most} shots, over ${zeroShot}`;
      return [figure(title, gains(plotter, title, rows))];
    }),
  );
}

function ablationFigures(plotter: Plotter, cells: readonly Cell[]): string | undefined {
  const drawn = ({ title, label, note, series, joined }: Ablation) =>
    figure(
      title,
      `${series.length > 1 ? legend(series) : ""}${lines(plotter, title, label, series, { joined })}`,
      note,
    );
  return grid([placeAblation, lengthAblation, initAblation].flatMap((of) => of(cells) ?? []).map(drawn));
}

/** Methods against models, at the largest number of shots, on the datasets that all have. */
function backboneFigure(plotter: Plotter, cells: readonly Cell[], models: readonly string[]): string | undefined {
  if (models.length < 2) return undefined;
  const most = Math.max(...shotsOf(cells));
  const shown = cells.filter(({ shots }) => shots === 0 || shots === most);
  const datasets = distinct(shown.map(({ dataset }) => dataset)).filter((dataset) =>
    models.every((model) => shown.some((cell) => cell.model === model && cell.dataset === dataset)),
  );
  const series = distinct(shown.map(({ method }) => method.name)).flatMap((name): Series[] => {
    const own = shown.filter((cell) => cell.method.name === name);
    const points = models.flatMap((x) => {
      const found = average(
        own.filter(({ model }) => model === x),
        datasets,
      );
      return found ? [{ ...found, x }] : [];
    });
    return points.length > 0 ? [{ name, kind: "model", learns: true, points }] : [];
  });
  const title = "Accuracy by model";
  const note = `${most > 0 ? `${most} shots; ` : ""}${datasets.length === 1 ? datasets[0] : `mean of ${datasets.length} datasets`}`;
  if (series.length === 0) return undefined;
  return grid([figure(title, `${legend(series)}${lines(plotter, title, "model", series, { joined: false })}`, note)]);
}

/** Accuracy against the share of wrong labels, a figure for each dataset. */
function noiseFigures(plotter: Plotter, cells: readonly Cell[]): string | undefined {
  const noisy = cells.filter(({ labelNoise }) => labelNoise > 0);
  const figures = distinct(noisy.map(({ model, dataset, shots }) => JSON.stringify([model, dataset, shots]))).map(
    (key) => {
      const [model, dataset, shots] = JSON.parse(key) as [string, string, number];
      const own = cells.filter(
        (cell) => cell.model === model && cell.dataset === dataset && cell.shots === shots && cell.classes === "all",
      );
      const names = distinct(own.filter(({ labelNoise }) => labelNoise > 0).map(({ method }) => method.name));
      const series = names.map((name): Series => {
        const mine = own.filter((cell) => cell.method.name === name).sort((a, b) => a.labelNoise - b.labelNoise);
        const points = mine.map((cell) => ({
          ...average([cell], [dataset])!,
          x: `${Math.round(100 * cell.labelNoise)} %`,
        }));
        return { name, kind: mine[0].method.kind, learns: true, points };
      });
      const title = `${dataset}, ${shots} shots`;
      return figure(title, `${legend(series)}${lines(plotter, title, "wrong labels among the shots", series)}`, model);
    },
  );
  return grid(figures);
}

const OWN_STYLE = `
:root { --c0: #3451c6; --c1: #868d99; --c2: #c2410c; --c3: #237a3b; --c4: #a21caf; --c5: #0e7490; --c6: #b45309; --c7: #be123c; }
@media (prefers-color-scheme: dark) { :root { --c0: #8fa4ff; --c1: #9aa1ad; --c2: #ff9d66; --c3: #6cc98a; --c4: #e58cf0;
  --c5: #67cfe0; --c6: #f0b860; --c7: #ff8aa3; } }
figure { margin: 0; } figcaption p { margin: 0 0 6px; font-size: 13px; }
.plot { display: block; max-width: 100%; height: auto; } .plot text { white-space: pre; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 12px; padding: 0; font-size: 13px; }
.legend .line { display: inline-block; width: 20px; border-top: 2px solid; margin-right: 6px; vertical-align: 4px; }
.legend .dashed { border-top-style: dashed; } .legend .star { font-style: normal; margin-right: 5px; }
caption { text-align: left; color: var(--soft); font-size: 13px; padding-bottom: 6px; }
section .card + .card { margin-top: 16px; } .charts .card + .card { margin-top: 0; }
`;
