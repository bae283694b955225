import { FormatError } from "../../tensor/errors.ts";
import { unwritable } from "../atomic.ts";
import { JsonFields } from "../json-fields.ts";
import type { Score } from "../score.ts";
import type { JsonRecord } from "./method.ts";
import type { StepCost } from "./step-cost.ts";

/** One line of a results file: a finished run. */
export interface Result {
  /** Of the run, as `plan` makes them. */
  readonly id: string;
  readonly work: string;
  readonly dataset: { readonly name: string; readonly fingerprint: string };
  readonly model: { readonly name: string; readonly sha256: string };
  readonly method: { readonly name: string; readonly kind: string; readonly options: JsonRecord };
  readonly classes: "all" | "base";
  readonly shots: number;
  readonly seed: number;
  readonly labelNoise: number;
  /** On the test pictures, of the base classes where `classes` is "base". */
  readonly accuracy: number;
  readonly correct: number;
  readonly total: number;
  /** On the test pictures of the classes that it did not learn; null where `classes` is "all". */
  readonly newClasses: Score | null;
  /** On the other test sets, by name. */
  readonly shifts: Readonly<Record<string, Score>>;
  /** Of the training: null for methods that do not learn, or do not tell. */
  readonly loss: number | null;
  readonly steps: number | null;
  readonly step: StepCost | null;
  readonly found: JsonRecord;
  /** Training and tests, without the encoding of pictures; runs done at the same time share it evenly. */
  readonly seconds: number;
  /** Version of coop. */
  readonly coop: string;
  readonly adapter: string;
}

/** A results file that grows by a line for each finished run. */
export interface ResultsLog {
  /** By id. */
  readonly finished: Map<string, Result>;
  /** Writes a line, flushed to the disk. */
  add(result: Result): Promise<void>;
  /** Closes the file. */
  close(): Promise<void>;
}

/**
 * The results in the text of a file, by id: the last line of an id counts. A last line that was cut short, as by a
 * power cut, is left out.
 *
 * @throws FormatError that names the line, where another line is no result
 * @example const results = [...parseResults(await readFile("results.jsonl", "utf8")).values()];
 */
export function parseResults(text: string, file = "the results file"): Map<string, Result> {
  const results = new Map<string, Result>();
  wholeLines(text).forEach((line, i) => {
    if (line.trim() === "") return;
    const result = parseResult(line, `${file}, line ${i + 1}`);
    results.set(result.id, result);
  });
  return results;
}

/**
 * Opens a results file to go on with it; what a crash left of a last line is cut off.
 * @example const log = await openResults("runs/shots/results.jsonl");
 */
export async function openResults(path: string): Promise<ResultsLog> {
  const { open, readFile } = await import("node:fs/promises");
  const { dirname } = await import("node:path");
  const { makeFolder } = await import("../../tensor/folder-node.ts");
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw unwritable(path, error);
  });
  const finished = parseResults(text, path);
  const whole = wholeLines(text).map((line) => `${line}\n`);
  try {
    await makeFolder(dirname(path));
    const log = await open(path, "a");
    const kept = new TextEncoder().encode(whole.join("")).length;
    if (whole.join("") !== text) {
      await log.truncate(Math.min(kept, (await log.stat()).size));
      if (kept > (await log.stat()).size) await log.appendFile("\n"); // a whole line that only lacked its end
    }
    return {
      finished,
      async add(result) {
        try {
          await log.appendFile(`${JSON.stringify(result)}\n`);
          await log.sync();
        } catch (error) {
          throw unwritable(path, error as NodeJS.ErrnoException);
        }
        finished.set(result.id, result);
      },
      close: () => log.close(),
    };
  } catch (error) {
    throw unwritable(path, error as NodeJS.ErrnoException);
  }
}

/** The lines without a last one that is cut short. */
function wholeLines(text: string): string[] {
  const lines = text.split("\n");
  const last = lines.pop()!;
  return last.trim() === "" || !isJson(last) ? lines : [...lines, last];
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function parseResult(line: string, where: string): Result {
  if (!isJson(line)) throw new FormatError(`${where} is not JSON. Restore the file, or delete that line.`);
  const fields = JsonFields.parse(where, line);
  const [dataset, model, method] = ["dataset", "model", "method"].map((key) => fields.object(key));
  const optional = (key: string) => (fields.has(key) ? fields.number(key) : null);
  const shifts = fields.object("shifts");
  return {
    id: fields.string("id"),
    work: fields.string("work"),
    dataset: { name: dataset.string("name"), fingerprint: dataset.string("fingerprint") },
    model: { name: model.string("name"), sha256: model.string("sha256") },
    method: {
      name: method.string("name"),
      kind: method.string("kind"),
      options: record(method, "options"),
    },
    classes: fields.choice("classes", ["all", "base"]),
    shots: fields.whole("shots", 0),
    seed: fields.whole("seed", 0),
    labelNoise: fields.number("labelNoise"),
    accuracy: fields.number("accuracy"),
    ...score(fields),
    newClasses: fields.has("newClasses") ? score(fields.object("newClasses")) : null,
    shifts: Object.fromEntries(Object.keys(record(fields, "shifts")).map((key) => [key, score(shifts.object(key))])),
    loss: optional("loss"),
    steps: optional("steps"),
    step: fields.has("step") ? stepCost(fields.object("step")) : null,
    found: record(fields, "found"),
    seconds: fields.number("seconds"),
    coop: fields.string("coop"),
    adapter: fields.string("adapter"),
  };
}

const score = (fields: JsonFields): Score => {
  const [correct, total] = [fields.whole("correct", 0), fields.whole("total", 1)];
  if (correct > total) throw fields.wrong("correct", `is ${correct} of ${total}`);
  return { correct, total };
};

const stepCost = (fields: JsonFields): StepCost => ({
  flops: fields.number("flops"),
  bytes: fields.number("bytes"),
  memory: fields.number("memory"),
});

const record = (fields: JsonFields, key: string): JsonRecord => {
  fields.object(key);
  return fields.get(key) as JsonRecord;
};
