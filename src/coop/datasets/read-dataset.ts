import { oneLine } from "../../clip/bytes.ts";
import { templatesFor } from "../../clip/templates.ts";
import { InputError } from "../../tensor/errors.ts";
import type { Folder } from "../folder.ts";
import { listNames } from "../near.ts";
import { readTextFile } from "../text-file.ts";
import { openWalk, type Walk } from "../walk.ts";
import type { Dataset, Listed, Splits } from "./dataset.ts";
import { DATASETS_PAGE, datasetNamed } from "./datasets.ts";
import { CLASS_NAMES } from "./imagenet.ts";
import { presentItems } from "./present.ts";
import { classNamesOf, parseSplitFile } from "./split-file.ts";

/** Pictures of a dataset of the CoOp papers. */
export interface DatasetFolder extends Folder {
  readonly dataset: string;
  /** its hand-written prompt */
  readonly template: string;
}

/** What there is of a dataset, without a look at its pictures. */
export interface Found {
  /** the dataset's own folder, whether it is there or not */
  readonly base: string;
  /** what has to be put there, relative to `base` */
  readonly missing: readonly string[];
  /** whether CoOp's split file is there */
  readonly split: boolean;
}

/** Looks for a dataset below `root`, CoOp's $DATA; `root` may also be the dataset's own folder. */
export async function findDataset(dataset: Dataset, root: string): Promise<Found> {
  const { basename, join, resolve } = await import("node:path");
  const below = join(root, dataset.folder);
  const base = !(await exists(below)) && basename(resolve(root)) === dataset.folder ? root : below;
  const split = dataset.split !== undefined && (await exists(join(base, dataset.split)));
  const absent = async (files: readonly string[]) => {
    const there = await Promise.all(files.map((file) => locate(base, file)));
    return files.filter((_, i) => there[i] === undefined);
  };
  const missing = await absent(dataset.pictures ? [dataset.pictures] : (dataset.links ?? []));
  if (split) return { base, missing, split };
  const lacking = await absent(dataset.lists?.needs ?? []);
  const wanted = dataset.split && (!dataset.lists || lacking.length > 0 || missing.length > 0);
  return { base, missing: [...missing, ...(wanted ? [dataset.split!] : lacking)], split };
}

/** What a dataset lacks, and where. */
export const whatIsMissing = ({ base, missing }: Found): string => `${oneLine(base)} lacks ${missing.join(", ")}`;

/**
 * Reads a dataset as CoOp's users have it on disk: `root` holds `eurosat/`, `oxford_pets/` … ($DATA), or is that folder.
 * Train, val and test are those of its `split_zhou_<Name>.json`, in that order, so that `fewShotSplits` draws the shots
 * that CoOp draws. Without that file they are the official ones, or made by CoOp's rule.
 *
 * @param name in any usual spelling: "EuroSAT", "oxford_pets"
 * @throws InputError that says what to put where; FormatError for a file that contradicts itself or leads elsewhere
 * @example
 * const eurosat = await readDataset("eurosat", "/data");
 * const { train } = fewShotSplits(eurosat, 16, 1); // 160 pictures
 */
export async function readDataset(name: string, root: string): Promise<DatasetFolder> {
  const { join } = await import("node:path");
  const dataset = datasetNamed(name);
  const found = await findDataset(dataset, root);
  if (found.missing.length > 0)
    throw new InputError(`${dataset.name}: ${whatIsMissing(found)}. Put it there; ${DATASETS_PAGE} has the links.`);
  const walk = await openWalk(join(found.base, dataset.pictures));
  const text = async (file: string) => readText((await locate(found.base, file)) ?? join(found.base, file));
  const notes: string[] = [];
  if (!found.split && dataset.split !== undefined)
    notes.push(
      `${dataset.name}: ${dataset.split} is not in ${oneLine(found.base)}. Its pictures are divided by CoOp's rule, other than for the published numbers; ${DATASETS_PAGE} has the file.`,
    );
  const listed: Listed = found.split
    ? parseSplitFile(await text(dataset.split!), dataset.split!)
    : await dataset.lists!.read({ walk, text });
  return { ...(await folderOf(walk, listed, dataset, notes)), dataset: dataset.name, template: templateOf(dataset) };
}

/**
 * Reads a split file in CoOp's form. Its paths are relative to its folder, or, where its name is that of a known
 * dataset's, to that dataset's folder of pictures beside it.
 *
 * @example const { train, val, test } = await readSplitFile("eurosat/split_zhou_EuroSAT.json");
 */
export async function readSplitFile(file: string, dataset?: Dataset): Promise<Folder & Partial<DatasetFolder>> {
  const { dirname, join, resolve } = await import("node:path");
  const listed = parseSplitFile(await readText(file), oneLine(file));
  const walk = await openWalk(join(dirname(resolve(file)), dataset?.pictures ?? ""));
  const folder = await folderOf(walk, listed, dataset, []);
  return dataset ? { ...folder, dataset: dataset.name, template: templateOf(dataset) } : folder;
}

export const templateOf = ({ name }: Dataset): string => templatesFor(name)[0];

async function folderOf(walk: Walk, listed: Listed, dataset: Dataset | undefined, notes: string[]): Promise<Folder> {
  const where = dataset?.name ?? oneLine(walk.root);
  const classNames = [...(listed.classNames ?? classNamesOf(listed, where))];
  const { splits, notes: missing } = await presentItems(walk, listed, dataset?.links);
  const { train, test } = splits;
  if (test.length === 0 || (train.length === 0 && listed.train.length > 0))
    throw new InputError(
      `${where}: there are no pictures of ${test.length === 0 ? "test" : "train"} in ${oneLine(walk.root)}${missing.length ? `. ${missing.join(" ")}` : "."}`,
    );
  if (classNames.length < 2) throw new InputError(`${where}: there must be two classes or more to tell apart.`);
  notes.push(...(listed.notes ?? []), ...missing, ...absentClasses(classNames, splits));
  if (dataset) notes.push(...otherCounts(dataset, classNames, splits));
  return { root: walk.root, layout: "split", classNames, ...copied(splits), skipped: walk.skipped, notes };
}

const copied = ({ train, val, test }: Splits) => ({ train: [...train], val: [...val], test: [...test] });

function absentClasses(classNames: readonly string[], splits: Splits): string[] {
  return (["train", "test"] as const).flatMap((split) => {
    const there = new Set(splits[split].map(({ label }) => label));
    const absent = classNames.filter((_, label) => !there.has(label));
    return there.size > 0 && absent.length > 0 ? [`No pictures of ${listNames(absent)} in ${split}.`] : [];
  });
}

/** What is said where the numbers are not those of the whole dataset. */
function otherCounts({ name, counts }: Dataset, classNames: readonly string[], splits: Splits): string[] {
  const rows = [
    ["classes", classNames.length, counts.classes],
    ["train", splits.train.length, counts.train ?? 0],
    ["val", splits.val.length, counts.val ?? 0],
    ["test", splits.test.length, counts.test],
  ] as const;
  const other = rows.filter(([, is, should]) => is !== should);
  if (other.length === 0) return [];
  const said = other.map(([what, is, should]) => `${what} ${is} instead of ${should}`);
  return [`This is not the whole of ${name}, or not as CoOp divides it: ${said.join(", ")}.`];
}

/** A file of the dataset in `base`, the class names of ImageNet also in `imagenet/` beside it; undefined where neither is. */
async function locate(base: string, file: string): Promise<string | undefined> {
  const { dirname, join, resolve } = await import("node:path");
  const places = [join(base, file)];
  if (file === CLASS_NAMES) places.push(join(dirname(resolve(base)), "imagenet", file));
  for (const place of places) if (await exists(place)) return place;
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  const { stat } = await import("node:fs/promises");
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function readText(path: string): Promise<string> {
  const { stat } = await import("node:fs/promises");
  // a pipe that lies in a dataset would be waited for
  if (!(await stat(path).catch(() => undefined))?.isFile())
    throw new InputError(`${oneLine(path)}: there is no such file. Check the path.`);
  return readTextFile(path);
}
