import type { Confusion } from "./score.ts";
import { ofClass, percent } from "./score.ts";

/** Text from outside, safe between tags and in a quoted attribute. */
export function html(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text
    .replace(/[&<>"']/g, (letter) => entities[letter])
    .replace(/[^\P{Cc}\n\t]|[\uFFFE\uFFFF]|\p{Surrogate}/gu, "\uFFFD");
}

/** A curve over the epochs. The colours are those of the page's style sheet, by class name. */
export interface LineChart {
  readonly title: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
  /** a level to compare with, drawn dashed across the chart */
  readonly level?: { readonly y: number; readonly name: string };
  readonly format: (y: number) => string;
  /** the axis starts here even if no point does */
  readonly from?: number;
  readonly to?: number;
  /** the first and the last epoch of the axis; those of the points if absent */
  readonly epochs?: readonly [number, number];
  readonly width?: number;
  readonly height?: number;
}

const MARGIN = { top: 14, right: 16, bottom: 34, left: 58 };

/** An SVG line chart, `x` being the epoch; each epoch shows its value under the pointer. */
export function lineChart(chart: LineChart): string {
  const { title, points, level, format, width = 480, height = 250 } = chart;
  const values = [...points.map((p) => p.y), ...(level ? [level.y] : [])];
  const bounds = [chart.from ?? Math.min(...values), chart.to ?? Math.max(...values)] as const;
  const ticks = niceTicks(...bounds, height < 200 ? 2 : 4);
  const [low, high] = [ticks[0], ticks[ticks.length - 1]];
  const [first, last] = chart.epochs ?? [points[0].x, points[points.length - 1].x];
  const { top, right, bottom, left } = MARGIN;
  const x = (value: number) => round(left + ((width - left - right) * (value - first)) / (last - first || 1));
  const y = (value: number) => round(height - bottom - ((height - top - bottom) * (value - low)) / (high - low || 1));

  const rows = ticks.map(
    (tick) =>
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(tick)}" y2="${y(tick)}"/>` +
      `<text class="tick" x="${left - 8}" y="${y(tick) + 4}" text-anchor="end">${html(format(tick))}</text>`,
  );
  const columns = epochTicks(first, last).map(
    (tick) => `<text class="tick" x="${x(tick)}" y="${height - bottom + 18}" text-anchor="middle">${tick}</text>`,
  );
  const end = points[points.length - 1];
  const path = points.map((p, i) => `${i ? "L" : "M"}${x(p.x)} ${y(p.y)}`).join("");
  const dots = points.length <= 12 ? points : points.slice(-1);
  const half = (x(end.x) - x(points[0].x)) / Math.max(1, points.length - 1) / 2;
  const hits = points.map(
    (p) =>
      `<rect class="hit" x="${round(x(p.x) - half)}" y="${top}" width="${round(Math.max(1, 2 * half))}" height="${height - top - bottom}"><title>epoch ${p.x}: ${html(format(p.y))}</title></rect>`,
  );
  const summary = `${title}: ${format(points[0].y)} after epoch ${points[0].x}, ${format(end.y)} after epoch ${end.x}`;
  return svg(
    width,
    height,
    summary,
    [
      ...rows,
      ...columns,
      `<text class="tick" x="${width - right}" y="${height - 2}" text-anchor="end">epoch</text>`,
      level ? levelLine(level, y(level.y), width, height) : "",
      `<path class="curve" d="${path}"/>`,
      ...dots.map((p) => `<circle class="dot" cx="${x(p.x)}" cy="${y(p.y)}" r="3"/>`),
      ...hits,
    ].join(""),
  );
}

function levelLine(level: { name: string }, at: number, width: number, height: number): string {
  const { left, right, top, bottom } = MARGIN;
  // below the line, unless the axis is too near
  const text = at + 20 < height - bottom ? at + 15 : Math.max(top + 10, at - 6);
  return (
    `<line class="level" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/>` +
    `<text class="level-name" x="${width - right}" y="${round(text)}" text-anchor="end">${html(level.name)}</text>`
  );
}

/** Rows are the true classes, columns the answers; a cell's colour is its share of the row. For up to some 40 classes. */
export function confusionChart(confusion: Confusion, classes: readonly string[], title: string): string {
  const cell = classes.length <= 12 ? 36 : classes.length <= 20 ? 28 : 16;
  const short = classes.map((name) => cut(name, 18));
  const label = 14 + 6.6 * Math.max(...short.map((name) => Array.from(name).length));
  const size = cell * classes.length;
  const [left, top] = [round(label + 18), round(label * 0.75 + 30)];
  const right = round(label * 0.75); // the last slanted name
  const cells = confusion.flatMap((row, i) => {
    const { total } = ofClass(confusion, i);
    return row.map((n, j) => {
      const share = total ? n / total : 0;
      const [x, y] = [left + j * cell, top + i * cell];
      const what = i === j ? "right" : `taken for ${classes[j]}`;
      const tip = `${classes[i]}: ${n} of ${total} ${what} (${percent(share)})`;
      const number =
        n && cell > 20
          ? `<text class="${share > 0.55 ? "count on" : "count"}" x="${x + cell / 2}" y="${y + cell / 2 + 4}" text-anchor="middle">${n}</text>`
          : "";
      const shade = n
        ? `<rect class="${i === j ? "right" : "wrong"}" x="${x + 1}" y="${y + 1}" width="${cell - 2}" height="${cell - 2}" rx="3" fill-opacity="${round(0.12 + 0.88 * share)}"/>`
        : "";
      return `<g><title>${html(tip)}</title><rect class="cell" x="${x + 1}" y="${y + 1}" width="${cell - 2}" height="${cell - 2}" rx="3"/>${shade}${number}</g>`;
    });
  });
  const names = classes.map((name, i) => {
    const middle = cell * (i + 0.5);
    const [x, y] = [round(left + middle), top - 8];
    const text = `${html(short[i])}<title>${html(name)}</title>`;
    return (
      `<text class="name" x="${left - 8}" y="${top + middle + 4}" text-anchor="end">${text}</text>` +
      `<text class="name" x="${x}" y="${y}" transform="rotate(-45 ${x} ${y})">${text}</text>`
    );
  });
  const axes =
    `<text class="tick" x="${left}" y="12">answer →</text>` +
    `<text class="tick" x="12" y="${top + size}" transform="rotate(-90 12 ${top + size})">true class →</text>`;
  return svg(left + size + right, top + size + 4, title, [axes, ...names, ...cells].join(""));
}

function svg(width: number, height: number, summary: string, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${round(width)} ${round(height)}" width="${round(width)}" height="${round(height)}" role="img" aria-label="${html(summary)}">${content}</svg>`;
}

/** Round numbers that enclose [low, high], some `count` steps of 1, 2, 2.5 or 5 times a power of ten. */
export function niceTicks(low: number, high: number, count: number): number[] {
  const size = Math.max(Math.abs(low), Math.abs(high));
  const range = size < 1e-30 ? 1 : high - low > 1e-9 * size ? high - low : size;
  const power = 10 ** Math.floor(Math.log10(range / count));
  const step = power * ([1, 2, 2.5, 5, 10].find((n) => n * power * count >= range * 0.999) ?? 10);
  let start = Math.floor(low / step + 1e-9);
  let end = Math.ceil(high / step - 1e-9);
  if (end === start && start > 0) start--;
  else if (end === start) end++;
  return Array.from({ length: end - start + 1 }, (_, i) => Number(((start + i) * step).toPrecision(12)));
}

/** The first epoch, the last, and round ones between them. */
function epochTicks(first: number, last: number): number[] {
  const step = Math.max(1, ...[1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000].filter((n) => n <= (last - first) / 3));
  const between: number[] = [];
  for (let tick = Math.ceil((first + 1) / step) * step; tick < last - step / 3; tick += step)
    if (tick - first > step / 3) between.push(tick);
  return [...new Set([first, ...between, last])];
}

/** At most `most` letters as a person counts them. */
function cut(text: string, most: number): string {
  const letters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text;
}

const round = (value: number): number => Math.round(value * 100) / 100;
