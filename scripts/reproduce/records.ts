// What was measured: one record for each run, a line of a JSONL file each, so that a stopped reproduction goes on.
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { meanAndDeviation } from "../../src/coop/score.ts";

export type Method = "zero-shot" | "coop" | "probe" | "cocoop";
/** Train and test on all classes, or train on the first half of the classes and test on either half by itself. */
export type Protocol = "all" | "base-to-new";

/** One line of the plan: a method on a task. Each seed gives a record; zero-shot has none and gives one. */
export type Job = {
  readonly task: string;
  readonly method: Method;
  /** Which prompt or context; a key of the method's variants. */
  readonly variant: string;
  readonly protocol: Protocol;
  /** Pictures of each class to learn from; 0 for zero-shot. */
  readonly shots: number;
  /** Share of the labels that are wrong. */
  readonly noise: number;
};

export type RunRecord = Job & {
  readonly seed: number;
  /** Percent by test set: "test" and shifted ones, or "base" and "new". */
  readonly accuracy: Readonly<Record<string, number>>;
  /** Of work, with encoding and compiling where this run was the first to need them. */
  readonly seconds: number;
  /** Of everything that results depend on: records of other settings do not count. */
  readonly settings: string;
};

/** A run's identity among those of the same settings. */
export const idOf = ({
  task,
  method,
  variant,
  protocol,
  shots,
  noise,
  seed,
}: Job & { readonly seed: number }): string => [task, method, variant, protocol, shots, noise, seed].join("|");

/** The records of a file that were made with these settings; a last line that was cut off is left out. */
export async function readRecords(path: string, settings: string): Promise<RunRecord[]> {
  const text = await readFile(path, "utf8").catch((error) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const records = text.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as RunRecord];
    } catch {
      return []; // the process ended while it wrote
    }
  });
  return [...new Map(records.filter((r) => r.settings === settings).map((r) => [idOf(r), r])).values()];
}

export async function appendRecord(path: string, record: RunRecord): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await appendFile(path, `\n${JSON.stringify(record)}`); // the line break comes first: a line that was cut off stays alone
}

/** Mean and standard deviation over the seeds, in percent. */
export type Cell = { readonly mean: number; readonly deviation: number };

/** Which runs are meant; what is not given is any for `task`, and the plain case for the others. */
export type Wanted = Partial<Job> & Pick<Job, "method" | "variant">;

/** The records as a table to look numbers up in. */
export class Results {
  readonly #records: readonly RunRecord[];

  constructor(records: readonly RunRecord[]) {
    this.#records = records;
  }

  /** One task's number; undefined where it was not measured. */
  cell(task: string, wanted: Wanted, on = "test"): Cell | undefined {
    const { protocol = "all", noise = 0 } = wanted;
    const shots = wanted.method === "zero-shot" ? 0 : wanted.shots;
    const values = this.#records
      .filter((r) => r.task === task && r.method === wanted.method && r.variant === wanted.variant)
      .filter((r) => r.protocol === protocol && r.noise === noise && r.shots === shots)
      .flatMap((r) => r.accuracy[on] ?? []);
    return values.length > 0 ? meanAndDeviation(values) : undefined;
  }

  /** The mean over tasks; undefined unless all of them were measured. */
  mean(tasks: readonly string[], wanted: Wanted, on = "test"): number | undefined {
    const cells = tasks.map((task) => this.cell(task, wanted, on));
    return cells.length > 0 && cells.every((cell) => cell !== undefined)
      ? cells.reduce((sum, { mean }) => sum + mean, 0) / cells.length
      : undefined;
  }
}
