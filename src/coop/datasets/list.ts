import { oneLine } from "../../clip/bytes.ts";
import { InputError } from "../../tensor/errors.ts";
import { emptyNotes, type Folder, holdOut, type Item, sameName } from "../folder.ts";
import { SkipReport, skippedNotes } from "../pairs-skipped.ts";
import { firstOf, IMAGE_COLUMNS, isJsonLines, jsonRecords, tableRecords } from "../table-rows.ts";
import { openWalk } from "../walk.ts";
import { presentItems } from "./present.ts";
import { pathInside, spacedName } from "./split-file.ts";

const LABEL_COLUMNS = ["label", "class", "class_name", "classname", "label_name", "category"];
const SPLIT_COLUMNS = ["split", "subset", "partition"];
const SPLITS: Readonly<Record<string, "train" | "val" | "test">> = {
  train: "train",
  training: "train",
  val: "val",
  valid: "val",
  validation: "val",
  dev: "val",
  test: "test",
};

interface Row {
  readonly image: string;
  readonly label: string;
  readonly split: string | undefined;
  readonly where: string;
}

/**
 * Reads a list of pictures: `.csv` or `.tsv` with a header, or `.jsonl` with an object a line; columns `image` (or
 * `filepath`, `file_name` …), `label` (or `class` …), the name of the class, and perhaps `split`: train, val or test.
 * Paths are relative to the list's folder and stay in it. Labels that differ in capitals only are one class; classes are in
 * code-unit order. Without `split`, half of each class is held out as `readFolder` does it.
 *
 * @throws InputError where a column is missing or nothing is left to train or test on
 * @example const { classNames, train, test } = await readList("pictures.csv");
 */
export async function readList(file: string, { seed = 1 }: { readonly seed?: number } = {}): Promise<Folder> {
  const { dirname, resolve } = await import("node:path");
  const report = new SkipReport();
  const entries: { path: string; name: string; split: "train" | "val" | "test" | undefined }[] = [];
  for await (const { image, label, split, where } of rowsOf(file, report)) {
    const path = pathInside(image);
    const named = split === undefined ? undefined : SPLITS[split.trim().toLowerCase()];
    if (image === "") report.add("rows without a picture", where);
    else if (spacedName(label) === "") report.add("rows without a label", where);
    else if (path === undefined) report.add("pictures outside of the list's folder", where);
    else if (split !== undefined && !named) report.add("rows whose split is not train, val or test", where);
    else entries.push({ path, name: spacedName(label), split: named });
  }
  const notes = skippedNotes(report.result());
  const where = oneLine(file);
  if (entries.length === 0)
    throw new InputError(`${where}: there is no row in it that can be used. ${notes.join("; ")}`);

  const names = new Map<string, string>();
  for (const { name } of entries) if (!names.has(sameName(name))) names.set(sameName(name), name);
  const classNames = [...names.values()].sort();
  const labels = new Map(classNames.map((name, label) => [sameName(name), label]));
  const items = (split: "train" | "val" | "test" | undefined): Item[] =>
    entries
      .filter((entry) => entry.split === split)
      .map(({ path, name }) => {
        const label = labels.get(sameName(name))!;
        return { path, label, className: classNames[label] };
      });
  const divided = entries.some(({ split }) => split !== undefined);
  const walk = await openWalk(dirname(resolve(file)));
  const listed = { train: items(divided ? "train" : undefined), val: items("val"), test: items("test") };
  const present = await presentItems(walk, listed);
  const about = { root: walk.root, skipped: walk.skipped, notes: [...notes, ...present.notes] };
  if (!divided) {
    const paths = classNames.map((): string[] => []);
    for (const { path, label } of present.splits.train) paths[label].push(path);
    const classes = classNames.map((name, label) => ({ name, paths: paths[label] }));
    const empty = classes.filter(({ paths }) => paths.length === 0).map(({ name }) => name);
    const there = classes.filter(({ paths }) => paths.length > 0);
    if (there.length === 0) throw new InputError(`${where}: none of its pictures is there. ${about.notes.join(" ")}`);
    const { notes: single, ...taken } = holdOut(there, seed, where, empty);
    return { ...about, layout: "flat", ...taken, notes: [...about.notes, ...emptyNotes(empty), ...single] };
  }
  const { train, val, test } = present.splits;
  const held = test.length > 0 ? { val: [...val], test: [...test] } : { val: [], test: [...val] };
  if (held.test.length === 0)
    throw new InputError(`${where}: no picture has the split test${notes.length ? ` (${notes.join("; ")})` : ""}.`);
  if (classNames.length < 2) throw new InputError(`${where}: "${classNames[0]}" is the only class; name two or more.`);
  return { ...about, layout: "split", classNames, train: [...train], ...held };
}

async function* rowsOf(file: string, report: SkipReport): AsyncGenerator<Row> {
  const { stat } = await import("node:fs/promises");
  if (!(await stat(file).catch(() => undefined))?.isFile())
    throw new InputError(`${oneLine(file)}: there is no such file. Check the path.`);
  if (!isJsonLines(file)) {
    const needed = { image: IMAGE_COLUMNS, label: LABEL_COLUMNS };
    for await (const { cells, where } of tableRecords(file, needed, { split: SPLIT_COLUMNS }, report))
      yield { image: cells.image?.trim() ?? "", label: cells.label ?? "", split: cells.split, where };
    return;
  }
  const text = (value: unknown) => (typeof value === "string" || typeof value === "number" ? String(value) : "");
  for await (const { fields, where } of jsonRecords(file, report)) {
    const split = firstOf(fields, SPLIT_COLUMNS);
    const [image, label] = [firstOf(fields, IMAGE_COLUMNS), firstOf(fields, LABEL_COLUMNS)].map(text);
    yield { image: image.trim(), label, split: split === undefined ? undefined : text(split), where };
  }
}
