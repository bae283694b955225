import { oneLine } from "../tensor/errors.ts";

/** Where progress is written: `process.stderr` fits. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface ProgressOptions {
  readonly stream?: ProgressStream;
  /**
   * "bar" redraws one line, "lines" writes a line about every tenth, "silent" nothing. By default a bar on a terminal
   * (without colour under NO_COLOR), lines elsewhere and in a CI.
   */
  readonly mode?: "bar" | "lines" | "silent";
  /** What the steps are: "MB" for instance. */
  readonly unit?: string;
  /** in milliseconds, for tests */
  readonly now?: () => number;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface Progress {
  /** `done` of the total steps are done; `note` is shown beside, a loss for instance. */
  update(done: number, note?: string): void;
  /** Writes a line of its own without breaking the bar. */
  log(line: string): void;
  /** Ends with the time it took; whatever is called afterwards is ignored. */
  finish(note?: string): void;
}

const REDRAW = 80; // milliseconds between two drawings of the bar
const EIGHTHS = " ▏▎▍▌▋▊▉";

/** Shows how far a task of `total` steps is and how long it will still take. */
export function progress(label: string, total: number, options: ProgressOptions = {}): Progress {
  const node = (globalThis as { process?: { stderr?: ProgressStream; env?: Record<string, string | undefined> } })
    .process;
  const { stream = node?.stderr, env = node?.env ?? {}, now = () => performance.now() } = options;
  const mode = stream ? (options.mode ?? (stream.isTTY && !isSet(env.CI) ? "bar" : "lines")) : "silent";
  if (!stream || mode === "silent") return { update() {}, log() {}, finish() {} };
  const colour = !isSet(env.NO_COLOR);
  const name = printable(label);
  const start = now();
  let ended = false;
  let drawn = Number.NEGATIVE_INFINITY;
  let tenth = 0;

  const state = (done: number, note: string): string => {
    const passed = now() - start;
    const left = done > 0 && done < total ? `, ${duration((passed / done) * (total - done))} left` : "";
    return `${done}/${total}${options.unit ? ` ${options.unit}` : ""}${note ? `, ${note}` : ""}${left}`;
  };
  const bar = (done: number, note: string): string => {
    const text = state(done, note);
    const room = (stream.columns || 80) - displayWidth(name) - displayWidth(text) - 4;
    const width = Math.max(0, Math.min(30, room));
    const eighths = Math.round(8 * width * Math.min(1, total ? done / total : 1));
    const full = Math.floor(eighths / 8);
    const filled = "█".repeat(full) + (full < width ? EIGHTHS[eighths % 8] : "");
    const track = filled.padEnd(width);
    return `\r\x1b[K${name} ${width < 4 ? "" : colour ? `\x1b[36m${track}\x1b[39m ` : `${track} `}${text}`;
  };
  return {
    update(done, note = "") {
      if (ended) return;
      if (mode === "bar") {
        if (now() - drawn < REDRAW && done < total) return;
        drawn = now();
        stream.write(bar(done, note));
      } else if (Math.floor((10 * done) / total) > tenth && done < total) {
        tenth = Math.floor((10 * done) / total);
        stream.write(`${name} ${state(done, note)}\n`);
      }
    },
    log(line) {
      if (ended) return;
      stream.write(mode === "bar" ? `\r\x1b[K${line}\n` : `${line}\n`);
      drawn = Number.NEGATIVE_INFINITY;
    },
    finish(note = "") {
      if (ended) return;
      ended = true;
      stream.write(`${mode === "bar" ? "\r\x1b[K" : ""}${name} ${duration(now() - start)}${note ? `, ${note}` : ""}\n`);
    },
  };
}

/** Milliseconds as a person says them: "0.4 s", "12 s", "3 min 20 s", "2 h 5 min". */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * Rows in columns two spaces apart, without lines between them. A column in which every cell but the first row's is a number
 * (also with %, ± or a sign) is aligned to the right.
 */
export function formatTable(rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) => row.map((cell) => printable(String(cell))));
  const columns = Math.max(0, ...cells.map((row) => row.length));
  const layout = Array.from({ length: columns }, (_, c) => {
    const below = cells.slice(1).map((row) => row[c] ?? "");
    return {
      width: Math.max(...cells.map((row) => displayWidth(row[c] ?? ""))),
      right: below.some((cell) => cell !== "") && below.every((cell) => /^[-+±−]?[\d.,]+( ?%)?$|^–?$/.test(cell)),
    };
  });
  const lines = cells.map((row) =>
    layout
      .map(({ width, right }, c) => {
        const cell = row[c] ?? "";
        const space = " ".repeat(width - displayWidth(cell));
        return right ? space + cell : cell + space;
      })
      .join("  ")
      .trimEnd(),
  );
  return lines.map((line) => `${line}\n`).join("");
}

/** A text for a terminal: what would move its cursor, colour it or turn its direction is shown as escapes; lines stay lines. */
export const printable = (text: string): string =>
  text.replace(/(?![\n\t])[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, (c) => oneLine(c));

/** Columns that a text takes in a terminal: East Asian wide letters and emoji take two, combining marks none. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

const WIDE =
  /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|\ufe0f/u;

const isSet = (value: string | undefined): boolean =>
  value !== undefined && value !== "" && value !== "0" && value !== "false";
