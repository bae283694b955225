import { stat } from "node:fs/promises";
import type { Counts } from "../coop/datasets/dataset.ts";
import { DATASETS, DATASETS_PAGE } from "../coop/datasets/datasets.ts";
import { findDataset, readDataset, templateOf, whatIsMissing } from "../coop/datasets/read-dataset.ts";
import { formatTable } from "../coop/progress.ts";
import { CoopError, InputError, oneLine } from "../tensor/errors.ts";
import { type Command, UsageError } from "./command.ts";
import { print, printJson } from "./print.ts";

export const datasets: Command = {
  summary: "Lists the datasets of the CoOp papers: which are there, and what to put where.",
  usage: "[ROOT] [--count]",
  details: `ROOT is the folder that holds eurosat/, oxford_pets/ and so on, CoOp's $DATA. Where other commands take a DIR, they take
\`eurosat:ROOT\` too. Without ROOT the table says what each dataset has.`,
  flags: { count: { help: "read each dataset that is there and count its pictures" } },
  async run(input) {
    if (input.positionals.length > 1) throw new UsageError("one ROOT is taken. See `coop datasets --help`.");
    const [root] = input.positionals;
    if (root === undefined && input.has("count")) throw new UsageError("--count needs a ROOT.");
    if (root !== undefined && !(await stat(root).catch(() => undefined))?.isDirectory())
      throw new InputError(`${oneLine(root)}: there is no such folder. Check the path.`);
    const rows: Row[] = [];
    for (const dataset of DATASETS) {
      const { name, folder, counts } = dataset;
      const row: Row = { name, folder, state: "", template: templateOf(dataset), counts, notes: [] };
      if (root === undefined) rows.push(row);
      else {
        const found = await findDataset(dataset, root);
        if (found.missing.length > 0) rows.push({ ...row, state: "missing", notes: [whatIsMissing(found)] });
        else {
          const state = dataset.split && !found.split ? "no split file" : "found";
          rows.push({ ...row, state, ...(input.has("count") ? await counted(name, root) : {}) });
        }
      }
    }
    if (input.has("json")) {
      printJson({ root: root ?? null, datasets: rows });
      return 0;
    }
    const shown = (n: number | null) => n ?? "–";
    const table = rows.map(({ name, folder, state, counts, template }) => {
      const { classes, train, val, test } = counts;
      return [
        name,
        `${folder}/`,
        ...(root === undefined ? [] : [state]),
        classes,
        ...[train, val, test].map(shown),
        template,
      ];
    });
    const head = ["dataset", "folder", ...(root === undefined ? [] : ["state"])];
    print(formatTable([[...head, "classes", "train", "val", "test", "template"], ...table]));
    for (const { name, notes } of rows) for (const note of notes) print(`${name}: ${note}`);
    if (rows.some(({ state }) => state !== "found")) print(`How to get them: ${DATASETS_PAGE}`);
    return 0;
  },
};

interface Row {
  readonly name: string;
  readonly folder: string;
  /** "found", "no split file", "missing", "unreadable"; "" where nothing was looked for */
  readonly state: string;
  /** of the whole dataset, or those that are there */
  readonly counts: Counts;
  readonly template: string;
  readonly notes: readonly string[];
}

async function counted(name: string, root: string): Promise<Partial<Row>> {
  try {
    const { classNames, train, val, test, notes } = await readDataset(name, root);
    const counts = { classes: classNames.length, train: train.length, val: val.length, test: test.length };
    return { counts, notes: notes.map((note) => note.replace(`${name}: `, "")) };
  } catch (error) {
    if (!(error instanceof CoopError)) throw error;
    return { state: "unreadable", notes: [error.message] };
  }
}
