import { unwritable, writeFileAtomic } from "./atomic.ts";

/** One line of a training's `metrics.jsonl`: a step, or a finished epoch. */
export type MetricsLine = Readonly<Record<string, number>> & { readonly step: number };

/** A file of JSON lines that grows with a training. */
export interface MetricsLog {
  /** The lines that were there. */
  readonly kept: readonly MetricsLine[];
  add(line: MetricsLine): void;
  /** Writes what was added. InputError where it cannot. */
  flush(): Promise<void>;
}

/** Opens a log to go on after a step: lines of later steps, which will be made again, are taken out. */
export async function openMetrics(path: string, after: number): Promise<MetricsLog> {
  const { open, readFile } = await import("node:fs/promises");
  const before = await readFile(path, "utf8").catch(() => "");
  const kept = before.split("\n").flatMap((line) => {
    const parsed = parse(line);
    return parsed && parsed.step <= after ? [parsed] : [];
  });
  await writeFileAtomic(path, text(kept));
  let waiting: MetricsLine[] = [];
  return {
    kept,
    add: (line) => waiting.push(line),
    async flush() {
      const lines = waiting;
      waiting = [];
      const file = await open(path, "a").catch((error) => Promise.reject(unwritable(path, error)));
      try {
        await file.writeFile(text(lines));
        await file.sync(); // a checkpoint that says of these steps that they are done must not outlive them
      } catch (error) {
        throw unwritable(path, error as NodeJS.ErrnoException);
      } finally {
        await file.close();
      }
    },
  };
}

const text = (lines: readonly MetricsLine[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join("");

/** A line; undefined where it is cut short. */
function parse(line: string): MetricsLine | undefined {
  try {
    return JSON.parse(line) as MetricsLine;
  } catch {
    return undefined;
  }
}
