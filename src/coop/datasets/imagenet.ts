import { oneLine } from "../../clip/bytes.ts";
import { FormatError, InputError } from "../../tensor/errors.ts";
import type { Item } from "../folder.ts";
import { listNames } from "../near.ts";
import { quoted } from "../walk.ts";
import type { Lists, Place } from "./dataset.ts";

/** ImageNet's class names, `n01440764 tench` a line. The copy of `imagenet/` serves the variants too. */
export const CLASS_NAMES = "classnames.txt";

/** train/ and val/, each with a folder per WordNet id; a label is the place of the id among the sorted ones. */
export const IMAGENET: Lists = {
  needs: [CLASS_NAMES, "images/val"],
  async read(place) {
    const names = await classNames(place);
    const val = await byId(place, names, "val");
    if (!(await isFolder(`${place.walk.root}/train`))) {
      const notes = ["There is no images/train: this ImageNet can be measured, not learned from."];
      return { classNames: val.classNames, train: [], val: [], test: val.items, notes };
    }
    const train = await byId(place, names, "train");
    const at = train.ids.findIndex((id, label) => val.ids[label] !== id);
    if (at >= 0 || train.ids.length !== val.ids.length)
      throw new InputError(
        `${oneLine(place.walk.root)}: train holds ${train.ids.length} class folders, val ${val.ids.length}, and not the same ones (${oneLine(train.ids[at] ?? val.ids[train.ids.length])}). Put each picture of val into the folder of its class.`,
      );
    return { classNames: train.classNames, train: train.items, val: [], test: val.items };
  },
};

/** One folder per WordNet id, of all or some classes of ImageNet; for testing only. */
export const IMAGENET_BY_ID: Lists = {
  needs: [CLASS_NAMES],
  async read(place) {
    const all = await byId(place, await classNames(place), "");
    return { classNames: all.classNames, train: [], val: [], test: all.items };
  },
};

/** Folders "0" to "999", the lines of classnames.txt; for testing only. */
export const IMAGENET_BY_NUMBER: Lists = {
  needs: [CLASS_NAMES],
  async read(place) {
    const names = [...(await classNames(place)).values()];
    const { folders } = await place.walk.list("");
    const unknown = folders.filter((folder) => !/^\d+$/.test(folder) || !(Number(folder) in names));
    if (unknown.length > 0)
      throw new InputError(
        `${oneLine(place.walk.root)}: ${quoted(unknown)} ${unknown.length === 1 ? "is" : "are"} none of "0" to "${names.length - 1}", the lines of ${CLASS_NAMES}.`,
      );
    const test: Item[] = [];
    for (const folder of folders.sort((a, b) => Number(a) - Number(b)))
      test.push(...(await itemsOf(place, folder, Number(folder), names[Number(folder)])));
    return { classNames: names, train: [], val: [], test };
  },
};

async function byId(place: Place, names: ReadonlyMap<string, string>, base: string) {
  const ids = (await place.walk.list(base)).folders;
  const where = oneLine(base ? `${place.walk.root}/${base}` : place.walk.root);
  const unknown = ids.filter((id) => !names.has(id));
  if (unknown.length > 0)
    throw new FormatError(`${CLASS_NAMES} has no name for the folders ${listNames(unknown.map(oneLine))} of ${where}.`);
  if (ids.length === 0)
    throw new InputError(`${where}: there are no class folders, such as n01440764. Sort the pictures into them first.`);
  const items: Item[] = [];
  for (const [label, id] of ids.entries())
    items.push(...(await itemsOf(place, base ? `${base}/${id}` : id, label, names.get(id)!)));
  return { ids, classNames: ids.map((id) => names.get(id)!), items };
}

const itemsOf = async ({ walk }: Place, folder: string, label: number, className: string): Promise<Item[]> =>
  (await walk.pictures(folder)).map((path) => ({ path, label, className }));

async function classNames(place: Place): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const line of (await place.text(CLASS_NAMES)).split(/\r?\n/)) {
    const [, id, name] = /^(\S+)\s+(.*\S)\s*$/.exec(line) ?? [];
    if (id !== undefined) names.set(id, name);
    else if (line.trim() !== "")
      throw new FormatError(`${CLASS_NAMES}: ${JSON.stringify(oneLine(line.slice(0, 80)))} is no id with a name.`);
  }
  return names;
}

async function isFolder(path: string): Promise<boolean> {
  const { stat } = await import("node:fs/promises");
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
