import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type Clip, DEFAULT_TEMPLATE, ENSEMBLE_TEMPLATES, fillTemplate, templatesFor } from "../clip/index.ts";
import { dataSource, templateFor } from "../coop/datasets/open.ts";
import { distinct, spoken } from "../coop/label-set.ts";
import type { Part } from "../coop/labelled.ts";
import { listNames } from "../coop/near.ts";
import { readTextFile } from "../coop/text-file.ts";
import { openWalk } from "../coop/walk.ts";
import { InputError } from "../tensor/errors.ts";
import { type Flag, type Input, UsageError } from "./command.ts";
import { unknownNames } from "./model.ts";

/** The flags that say how labels become prompts. */
export const TEMPLATE_FLAGS: Readonly<Record<string, Flag>> = {
  template: {
    value: "T",
    many: true,
    help: `the prompt, {} stands for the label; several are averaged (default "${DEFAULT_TEMPLATE}")`,
  },
  dataset: { value: "NAME", help: "the template of a dataset: EuroSAT, oxford_pets, …" },
  ensemble: { help: "the seven templates of CLIP's authors, and the dataset's" },
};

/** Which pictures of a folder are asked about. */
export const PART_FLAGS: Readonly<Record<string, Flag>> = {
  split: { value: "WHICH", help: "train, val, test or all (default: test where there are splits, else all)" },
  seed: { value: "N", help: "of the halves that --split train and test mean without splits (default 1)" },
};

/** The templates that the flags ask for, each once; where they ask for none, that of the dataset which `data` may be. */
export function templatesOf(input: Input, data = ""): string[] {
  const source = dataSource(data);
  const own = "dataset" in source ? source.dataset?.name : undefined;
  const ensemble = input.has("ensemble");
  const dataset = input.text("dataset") ?? (ensemble ? own : undefined);
  const named = dataset !== undefined ? templatesFor(dataset, { ensemble }) : ensemble ? ENSEMBLE_TEMPLATES : [];
  const templates = [...new Set([...input.texts("template"), ...named])];
  for (const template of templates) fillTemplate(template, []);
  return templates.length > 0 ? templates : [templateFor(data)];
}

/** What `--split` and `--seed` say. */
export function partOf(input: Input): { part: Part | undefined; seed: number } {
  const part = input.text("split");
  if (part !== undefined && !["train", "val", "test", "all"].includes(part))
    throw new InputError(`--split is ${part}; give train, val, test or all`);
  return { part: part as Part | undefined, seed: input.whole("seed", 1, 0) };
}

/** Labels of `--labels` or `--labels-file`; a file may instead say which label each folder has. */
export interface GivenLabels {
  readonly labels: readonly string[];
  readonly ofFolder?: ReadonlyMap<string, string>;
}

/** What `--labels` and `--labels-file` say; undefined where neither is given. */
export async function labelsOf(input: Input): Promise<GivenLabels | undefined> {
  const file = input.text("labels-file");
  if (file !== undefined && input.text("labels") !== undefined)
    throw new UsageError("--labels and --labels-file exclude each other.");
  if (file === undefined)
    return input.text("labels") === undefined ? undefined : named(input.list("labels"), "--labels");
  const text = await readTextFile(file);
  if (!/^\s*[[{]/.test(text))
    return named(
      text.split(/\r?\n/).map((line) => line.trim()),
      file,
    );
  const json = parse(text, file);
  const values: unknown[] = Object.values(json as object);
  if (!values.every((label) => typeof label === "string"))
    throw new InputError(`${file}: every label must be a text in quotes`);
  const labels = named(values as string[], file);
  if (Array.isArray(json)) return labels;
  return {
    ...labels,
    ofFolder: new Map(Object.entries(json as object).map(([folder, label]) => [spoken(folder), label])),
  };
}

function named(given: readonly string[], where: string): GivenLabels {
  const labels = given.filter((label) => label.trim() !== "");
  if (labels.length === 0) throw new InputError(`${where} names no labels; write for example --labels cat,dog`);
  return { labels };
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(`${file}: not JSON (${(error as Error).message}); write one label a line`);
  }
}

/** Labels without those that come twice, and what a person should know of them. */
export function checkedLabels(clip: Clip, given: readonly string[]): { labels: string[]; notes: string[] } {
  const { labels, again } = distinct(given);
  const notes = again.length > 0 ? [`Asked once although given more often: ${listNames([...new Set(again)])}.`] : [];
  if (labels.length === 1) notes.push(`"${labels[0]}" is the only label, so every picture gets it with a score of 1.`);
  return { labels, notes: [...notes, ...unknownNames(clip, labels)] };
}

/**
 * A folder that has class folders, or a dataset or list of pictures with classes, where that alone is given; else the
 * pictures that are named or lie in folders named.
 */
export async function picturesOf(given: readonly string[]): Promise<{ dir: string } | { files: string[] }> {
  if (given.length === 1 && dataSource(given[0]).kind !== "folder") return { dir: given[0] };
  const files: string[] = [];
  for (const path of given) {
    if (!(await stat(path).catch(() => undefined))?.isDirectory()) {
      files.push(path);
      continue;
    }
    const walk = await openWalk(path);
    const { folders, pictures } = await walk.list("");
    if (given.length === 1 && folders.length > 0) return { dir: path };
    const deeper = await Promise.all(folders.map((folder) => walk.pictures(folder)));
    files.push(...[...pictures, ...deeper.flat()].map((picture) => join(path, picture)));
  }
  if (files.length === 0) throw new InputError(`there are no pictures in ${listNames(given)}`);
  return { files };
}

/** Templates on one line, as they are written. */
export const quotedTemplates = (templates: readonly string[]): string => templates.map((t) => `"${t}"`).join(" + ");
