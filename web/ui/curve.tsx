import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { EpochState } from "../protocol.ts";
import { shownEpoch, TITLES } from "./classifiers.ts";
import { percent, short } from "./format.ts";
import { memo } from "./memo.ts";
import { Scroll } from "./scroll.tsx";
import { now } from "./session.ts";

/** Accuracy by epoch beside what zero-shot and the probe reach, the loss below, and the same as a table. */
export function Curves() {
  const { epochs, of } = now.training.value;
  const scores = now.scores.value;
  const heldOut = epochs.every(({ heldOutAccuracy }) => heldOutAccuracy !== undefined);
  const title = heldOut ? "Accuracy on the held-out pictures" : "Accuracy on the shots";
  const levels = (["zero-shot", "probe"] as const).flatMap((name) => {
    const score = scores[name];
    return heldOut && score && score.count > 0 ? [{ name, y: score.correct / score.count }] : [];
  });
  return (
    <figure class="curves">
      <figcaption>{title}</figcaption>
      <Chart
        title={title}
        height={190}
        of={of}
        points={epochs.map((epoch) => ({ x: epoch.epoch, y: heldOut ? epoch.heldOutAccuracy! : epoch.accuracy }))}
        top={1}
        levels={levels}
        format={(y) => percent(y, 0)}
      />
      <div class="caption">Loss</div>
      <Chart
        title="Loss"
        height={84}
        of={of}
        points={epochs.map(({ epoch, loss }) => ({ x: epoch, y: loss }))}
        levels={[]}
        format={short}
      />
      <Table epochs={epochs} />
    </figure>
  );
}

interface Point {
  readonly x: number;
  readonly y: number;
}

interface ChartProps {
  readonly title: string;
  readonly height: number;
  /** The epochs of the axis. */
  readonly of: number;
  /** By epoch; what is not known is NaN. */
  readonly points: readonly Point[];
  /** The axis ends here; at the largest value where absent. */
  readonly top?: number;
  readonly levels: readonly { readonly name: "zero-shot" | "probe"; readonly y: number }[];
  readonly format: (y: number) => string;
}

const [LEFT, RIGHT, TOP, BOTTOM] = [46, 10, 8, 20];

/** A line over the epochs, drawn at the width that there is. */
function Chart({ title, height, of, points: all, top, levels, format }: ChartProps) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useSignal(560);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      width.value = Math.max(200, Math.round(entry.contentRect.width));
    });
    observer.observe(frame.current!);
    return () => observer.disconnect();
  }, []);

  const points = all.filter(({ y }) => Number.isFinite(y));
  const high = top ?? (points.reduce((most, point) => Math.max(most, point.y), 0) || 1);
  const x = (epoch: number) => LEFT + ((width.value - LEFT - RIGHT) * (epoch - 1)) / Math.max(1, of - 1);
  const y = (value: number) => TOP + (height - TOP - BOTTOM) * (1 - Math.min(1, Math.max(0, value / high)));
  const path = points.map((point, i) => `${i ? "L" : "M"}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`).join("");
  const ticks = height > 120 ? [0, 0.25, 0.5, 0.75, 1] : [0, 1];
  const shown = points.find((point) => point.x === shownEpoch.value?.epoch);
  const [first, last] = [points.at(0), points.at(-1)];
  const summary =
    first && last
      ? `${title}: ${format(first.y)} after epoch ${first.x}, ${format(last.y)} after epoch ${last.x}` +
        levels.map((level) => `; ${TITLES[level.name]} ${format(level.y)}`).join("")
      : `${title}: nothing to show yet`;

  return (
    <div ref={frame} class="chart">
      <svg width={width.value} height={height} viewBox={`0 0 ${width.value} ${height}`} role="img" aria-label={summary}>
        {ticks.map((tick) => (
          <g key={tick}>
            <line class="grid" x1={LEFT} x2={width.value - RIGHT} y1={y(tick * high)} y2={y(tick * high)} />
            <text x={LEFT - 8} y={y(tick * high) + 4} text-anchor="end">
              {format(tick * high)}
            </text>
          </g>
        ))}
        <text x={LEFT} y={height - 4}>
          epoch 1
        </text>
        <text x={width.value - RIGHT} y={height - 4} text-anchor="end">
          {of}
        </text>
        {spread(levels.map((level) => y(level.y))).map((at, i) => (
          <g key={levels[i].name} class={levels[i].name}>
            <line class="level" x1={LEFT} x2={width.value - RIGHT} y1={y(levels[i].y)} y2={y(levels[i].y)} />
            <text class="level-name" x={width.value - RIGHT} y={at} text-anchor="end">
              {TITLES[levels[i].name]}
            </text>
          </g>
        ))}
        <path class="curve" d={path} />
        {shown && <circle class="dot" cx={x(shown.x)} cy={y(shown.y)} r="4" />}
      </svg>
    </div>
  );
}

/** Where the names of the levels stand: above their lines, and not upon one another. */
function spread(lines: readonly number[]): number[] {
  const ASIDE = 15;
  const placed: number[] = [];
  for (const line of lines) {
    let at = line < TOP + ASIDE ? line + ASIDE : line - 5;
    while (placed.some((other) => Math.abs(other - at) < ASIDE - 1)) at += ASIDE;
    placed.push(at);
  }
  return placed;
}

function Table({ epochs }: { epochs: readonly EpochState[] }) {
  const open = useSignal(false);
  return (
    <details
      onToggle={(event) => {
        open.value = event.currentTarget.open;
      }}
    >
      <summary>Every epoch in numbers</summary>
      {open.value && (
        <Scroll label="Every epoch in numbers">
          <table class="numbers">
            <thead>
              <tr>
                <th scope="col">Epoch</th>
                <th scope="col">Loss</th>
                <th scope="col">Shots</th>
                <th scope="col">Held out</th>
                <th scope="col">Rate</th>
              </tr>
            </thead>
            <tbody>
              {epochs.map((epoch) => (
                <Row key={epoch.epoch} epoch={epoch} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </details>
  );
}

const Row = memo(function Row({ epoch }: { epoch: EpochState }) {
  return (
    <tr>
      <th scope="row">{epoch.epoch}</th>
      <td>{short(epoch.loss)}</td>
      <td>{percent(epoch.accuracy)}</td>
      <td>{epoch.heldOutAccuracy === undefined ? "–" : percent(epoch.heldOutAccuracy)}</td>
      <td>{short(epoch.learningRate)}</td>
    </tr>
  );
});
