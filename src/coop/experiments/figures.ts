import { html } from "../report-charts.ts";
import type { Plotter } from "./plots.ts";
import { accuracyOf, average, type Cell, distinct, type Measured, plusMinus, shotsOf } from "./summary.ts";

/** One line or row of marks: a method, or what distinguishes methods. */
export interface Series {
  readonly name: string;
  readonly kind: string;
  readonly learns: boolean;
  /** By shots. */
  readonly points: readonly (Measured & { readonly x: number | string })[];
}

const COLOURS = 8;
const colour = (i: number): string => `var(--c${i % COLOURS})`;

/**
 * Accuracy against shots: a star for what learns nothing, dashes for the probe, a line for each other method.
 *
 * @param coloured the series of all figures that share a legend
 */
export function curves(
  { Plot, svg }: Plotter,
  title: string,
  series: readonly Series[],
  shots: readonly number[],
  coloured: readonly Series[],
): string {
  const domain = coloured.map(({ name }) => name);
  const rows = series.flatMap(({ name, kind, learns, points }) =>
    points.map(({ x, mean, deviation, count }) => ({
      name,
      kind,
      learns,
      shots: x as number,
      y: 100 * mean,
      low: 100 * (mean - deviation),
      high: 100 * (mean + deviation),
      tip: `${name}${learns ? `, ${x} shots` : ""}: ${plusMinus({ mean, deviation, count })} %`,
    })),
  );
  const [learned, written] = [rows.filter(({ learns }) => learns), rows.filter(({ learns }) => !learns)];
  const line = { x: "shots", y: "y", z: "name", stroke: "name", strokeWidth: 2 };
  return svg(`${title}: ${spoken(series)}`, {
    ...FRAME,
    x: { type: "point", domain: [...shots], label: "shots", padding: 0.3 },
    y: { ...Y, label: "accuracy (%)" },
    color: { domain, range: domain.map((_, i) => colour(i)) },
    marks: [
      Plot.ruleY(written, { y: "y", stroke: "name", strokeOpacity: 0.35, strokeWidth: 1 }),
      Plot.ruleX(learned, { x: "shots", y1: "low", y2: "high", stroke: "name", strokeOpacity: 0.45, strokeWidth: 1.5 }),
      Plot.lineY(
        learned.filter(({ kind }) => kind === "probe"),
        { ...line, strokeDasharray: "5 4" },
      ),
      Plot.lineY(
        learned.filter(({ kind }) => kind !== "probe"),
        line,
      ),
      Plot.dot(learned, { x: "shots", y: "y", fill: "name", r: 3, title: "tip" }),
      Plot.dot(written, { x: "shots", y: "y", fill: "name", symbol: "star", r: 6, title: "tip" }),
    ],
  });
}

const FRAME = { width: 440, height: 280, marginLeft: 46, marginTop: 26, marginBottom: 40 };
const Y = { grid: true, nice: true, ticks: 5, zero: false };

/** "CoOp 70.1 ± 0.2 % to 74.4 ± 0.1 %; zero-shot 66.9 %". */
const spoken = (series: readonly Series[]): string =>
  series
    .map(({ name, points }) => {
      const [first, last] = [points[0], points[points.length - 1]];
      const end = points.length > 1 ? ` (${first.x}) to ${plusMinus(last)} % (${last.x})` : "";
      return `${name} ${plusMinus(first)} %${end}`;
    })
    .join("; ");

/** Absolute gains, the largest on top. */
export function gains(
  { Plot, svg }: Plotter,
  title: string,
  rows: readonly { readonly name: string; readonly gain: number }[],
): string {
  const sorted = rows.toSorted((a, b) => b.gain - a.gain);
  const text = (gain: number) => `${gain < 0 ? "−" : "+"}${Math.abs(100 * gain).toFixed(1)}`;
  const bars = sorted.map(({ name, gain }) => ({ name, gain: 100 * gain, text: text(gain) }));
  const longest = Math.max(...sorted.map(({ name }) => name.length));
  const ends = [Math.min(0, ...bars.map(({ gain }) => gain)), Math.max(0, ...bars.map(({ gain }) => gain))];
  const room = 0.14 * (ends[1] - ends[0] || 1);
  return svg(`${title}: ${sorted.map(({ name, gain }) => `${name} ${text(gain)}`).join(", ")}`, {
    width: FRAME.width,
    height: 60 + 24 * sorted.length,
    marginLeft: 20 + 7 * longest,
    marginTop: 10,
    marginBottom: 40,
    x: {
      label: "points of accuracy",
      grid: true,
      ticks: 6,
      domain: [ends[0] && ends[0] - room, ends[1] && ends[1] + room],
    },
    y: { label: null, domain: bars.map(({ name }) => name), tickSize: 0 },
    marks: [
      Plot.barX(bars, { x: "gain", y: "name", fill: ({ gain }) => (gain < 0 ? "var(--bad)" : "var(--c0)") }),
      Plot.text(
        bars.filter(({ gain }) => gain >= 0),
        { x: "gain", y: "name", text: "text", dx: 4, textAnchor: "start" },
      ),
      Plot.text(
        bars.filter(({ gain }) => gain < 0),
        { x: "gain", y: "name", text: "text", dx: -4, textAnchor: "end" },
      ),
      Plot.ruleX([0]),
    ],
  });
}

/** Accuracy against whatever stands below the axis; a line for each series where that is a number. */
export function lines(
  { Plot, svg }: Plotter,
  title: string,
  label: string,
  series: readonly Series[],
  { joined = true }: { readonly joined?: boolean } = {},
): string {
  const domain = series.map(({ name }) => name);
  const rows = series.flatMap(({ name, points }) =>
    points.map(({ x, mean, deviation, count }) => ({
      name,
      x,
      y: 100 * mean,
      low: 100 * (mean - deviation),
      high: 100 * (mean + deviation),
      tip: `${name}, ${x}: ${plusMinus({ mean, deviation, count })} %`,
    })),
  );
  return svg(`${title}: ${spoken(series)}`, {
    ...FRAME,
    x: { type: "point", domain: distinct(rows.map(({ x }) => x)), label, padding: 0.4 },
    y: { ...Y, label: "accuracy (%)" },
    color: { domain, range: domain.map((_, i) => colour(i)) },
    marks: [
      Plot.ruleX(rows, { x: "x", y1: "low", y2: "high", stroke: "name", strokeOpacity: 0.45, strokeWidth: 1.5 }),
      joined ? Plot.lineY(rows, { x: "x", y: "y", z: "name", stroke: "name", strokeWidth: 2 }) : null,
      Plot.dot(rows, { x: "x", y: "y", fill: "name", r: 3.5, title: "tip" }),
    ],
  });
}

/** What the colours mean, beside a figure. */
export function legend(series: readonly Series[]): string {
  const mark = ({ kind, learns }: Series, i: number) => {
    const paint = `style="color:${colour(i)}"`;
    if (!learns) return `<i class="star" ${paint}>★</i>`;
    return `<i class="line${kind === "probe" ? " dashed" : ""}" ${paint}></i>`;
  };
  const items = series.map((one, i) => `<li>${mark(one, i)}${html(one.name)}</li>`);
  return `<ul class="legend">${items.join("")}</ul>`;
}

/** The methods as series over the shots, of one dataset or, with several, of their mean. */
export function seriesOf(cells: readonly Cell[], datasets: readonly string[]): Series[] {
  const methods = distinct(cells.map(({ method }) => method.name));
  return methods.flatMap((name) => {
    const own = cells.filter((cell) => cell.method.name === name);
    const points = shotsOf(own).flatMap((x) => {
      const at = own.filter(({ shots }) => shots === x);
      const found =
        datasets.length === 1
          ? at.filter(({ dataset }) => dataset === datasets[0]).map(accuracyOf)[0]
          : average(at, datasets);
      return found ? [{ ...found, x }] : [];
    });
    return points.length > 0
      ? [{ name, kind: own[0].method.kind, learns: own.some(({ shots }) => shots > 0), points }]
      : [];
  });
}
