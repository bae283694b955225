import { type Profiler, Session } from "node:inspector";

type Ranges = readonly (readonly [start: number, end: number])[];

/**
 * Which code of some files ran: V8's own block coverage, by way of the inspector. Of every function that ever ran, the
 * stretches that never did are kept; an input is new if it runs a function for the first time or makes a stretch shorter.
 */
export class Coverage {
  readonly #session = new Session();
  readonly #files: readonly string[];
  readonly #notRun = new Map<string, Ranges>();
  readonly #functions = new Set<string>();

  /** @param files the ends of the scripts' addresses */
  constructor(files: readonly string[]) {
    this.#files = files;
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** Whether something ran, since it was last asked, that never ran before; `keep` remembers it as run. */
  isNew({ keep }: { readonly keep: boolean }): boolean {
    let found = false;
    for (const { scriptId, url, functions } of this.#take()) {
      if (!this.#files.some((file) => url.endsWith(file))) continue;
      for (const { ranges } of functions) {
        const key = `${scriptId} ${ranges[0].startOffset} ${ranges[0].endOffset}`;
        this.#functions.add(key);
        if (ranges[0].count === 0) continue;
        const idle: Ranges = ranges
          .filter(({ count }) => count === 0)
          .map((range) => [range.startOffset, range.endOffset]);
        const before = this.#notRun.get(key);
        const after = before ? overlap(before, idle) : idle;
        if (before && length(after) === length(before)) continue;
        found = true;
        if (keep) this.#notRun.set(key, after);
      }
    }
    return found;
  }

  /** Functions that ran, of those there are, and the characters of the former that never did. */
  summary(): { readonly functions: number; readonly of: number; readonly charactersNotRun: number } {
    const charactersNotRun = [...this.#notRun.values()].reduce((sum, ranges) => sum + length(ranges), 0);
    return { functions: this.#notRun.size, of: this.#functions.size, charactersNotRun };
  }

  #take(): readonly Profiler.ScriptCoverage[] {
    let scripts: readonly Profiler.ScriptCoverage[] = [];
    // the answer comes before the call returns
    this.#session.post("Profiler.takePreciseCoverage", (error, answer) => {
      if (error) throw error;
      scripts = answer.result;
    });
    return scripts;
  }
}

/** What lies in both of two lists of stretches. */
function overlap(a: Ranges, b: Ranges): Ranges {
  return a.flatMap(([start, end]) =>
    b
      .map(([from, to]): [number, number] => [Math.max(start, from), Math.min(end, to)])
      .filter(([from, to]) => from < to),
  );
}

const length = (ranges: Ranges): number => ranges.reduce((sum, [start, end]) => sum + end - start, 0);
