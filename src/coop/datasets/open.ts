import { oneLine } from "../../clip/bytes.ts";
import { DEFAULT_TEMPLATE, datasetName, TEMPLATE_DATASETS } from "../../clip/templates.ts";
import { InputError } from "../../tensor/errors.ts";
import { type Folder, readFolder } from "../folder.ts";
import { nearest } from "../near.ts";
import { isJsonLines, isTable } from "../table-rows.ts";
import type { Dataset } from "./dataset.ts";
import { DATASETS } from "./datasets.ts";
import { readList } from "./list.ts";
import { readDataset, readSplitFile, templateOf } from "./read-dataset.ts";

/** Pictures with classes, and the dataset of the CoOp papers that they are, if any, with its template. */
export interface OpenedData extends Folder {
  readonly dataset?: string;
  readonly template?: string;
}

/** What a person means by pictures with classes, by its form alone. */
export type DataSource =
  | { readonly kind: "dataset"; readonly dataset: Dataset; readonly root: string }
  | { readonly kind: "split"; readonly file: string; readonly dataset: Dataset | undefined }
  | { readonly kind: "list"; readonly file: string }
  | { readonly kind: "folder"; readonly dir: string };

/** "eurosat:/data", "split_zhou_EuroSAT.json", "photos.csv", or anything else: a folder. */
export function dataSource(arg: string): DataSource {
  const [, name, root] = /^([^:/\\]{2,}):(.+)$/s.exec(arg) ?? [];
  const dataset = name === undefined ? undefined : DATASETS.find((one) => one.name === datasetName(name));
  if (dataset) return { kind: "dataset", dataset, root };
  if (isTable(arg) || isJsonLines(arg)) return { kind: "list", file: arg };
  if (/\.json$/i.test(arg))
    return { kind: "split", file: arg, dataset: DATASETS.find(({ split }) => split && arg.endsWith(split)) };
  return { kind: "folder", dir: arg };
}

/** The template of the dataset that is meant, else CLIP's. */
export function templateFor(arg: string): string {
  const source = dataSource(arg);
  const dataset = "dataset" in source ? source.dataset : undefined;
  return dataset ? templateOf(dataset) : DEFAULT_TEMPLATE;
}

/** What to call data in titles and names of folders: "EuroSAT", or the last part of a path. */
export async function dataName(arg: string): Promise<string> {
  const { basename, parse, resolve } = await import("node:path");
  const source = dataSource(arg);
  if (source.kind === "folder") return basename(resolve(source.dir));
  return ("dataset" in source && source.dataset?.name) || parse(arg).name;
}

/**
 * Pictures with classes in any form: a folder as `readFolder` takes it; `NAME:ROOT`, a dataset of the CoOp papers below
 * $DATA (`readDataset`); a `split_zhou_<Name>.json`; a `.csv`, `.tsv` or `.jsonl` list (`readList`).
 * `seed` chooses the held-out half where there are no splits; `toLearn` refuses what has test pictures only.
 *
 * @throws InputError, FormatError as those do
 * @example
 * const { classNames, train, template } = await openData("eurosat:/data");
 */
export async function openData(
  arg: string,
  { seed = 1, toLearn = false }: { readonly seed?: number; readonly toLearn?: boolean } = {},
): Promise<OpenedData> {
  const opened = await openSource(arg, seed);
  if (toLearn && opened.train.length === 0)
    throw new InputError(
      `${oneLine(arg)} has test pictures only: nothing can be learned from it. Learn a prompt on ${opened.dataset ? "ImageNet" : "another folder"} and give it to \`coop eval\`.`,
    );
  return opened;
}

async function openSource(arg: string, seed: number): Promise<OpenedData> {
  const source = dataSource(arg);
  if (source.kind === "dataset") return readDataset(source.dataset.name, source.root);
  if (source.kind === "list") return readList(source.file, { seed });
  if (source.kind === "split") return readSplitFile(source.file, source.dataset);
  await refuseUnknown(source.dir);
  return readFolder(source.dir, { seed });
}

/** InputError for "eurosta:/data", which is a dataset that is misspelled, not a folder. */
export async function refuseUnknown(arg: string): Promise<void> {
  const [, name] = /^([^:/\\]{2,}):/.exec(arg) ?? [];
  const { stat } = await import("node:fs/promises");
  if (name === undefined || (await stat(arg).catch(() => undefined))) return;
  if (datasetName(name)) throw new InputError(`${oneLine(arg)} says no place: write ${oneLine(name)}:ROOT.`);
  const meant = nearest(name, TEMPLATE_DATASETS);
  throw new InputError(
    `${oneLine(arg)}: there is no dataset "${oneLine(name)}"; ${meant ? `did you mean ${meant}?` : `there are ${TEMPLATE_DATASETS.join(", ")}`}`,
  );
}
