import { oneLine } from "../clip/bytes.ts";
import { InputError } from "../tensor/errors.ts";
import { dataSource, openData, refuseUnknown } from "./datasets/open.ts";
import {
  emptyNotes,
  type Folder,
  findSplits,
  type Item,
  readClasses,
  readFolder,
  refuseNone,
  toItems,
} from "./folder.ts";
import { openWalk, type Skipped } from "./walk.ts";

/** Which pictures of a folder are meant. */
export type Part = "train" | "val" | "test" | "all";

/** Pictures with the class folder that each lies in. */
export interface Labelled {
  /** absolute, links resolved */
  readonly root: string;
  /** folder names in code-unit order, underscores as spaces */
  readonly classNames: readonly string[];
  readonly items: readonly Item[];
  /** which pictures these are, for a person: "the pictures of test/" */
  readonly part: string;
  readonly skipped: Skipped;
  readonly notes: readonly string[];
}

/**
 * Reads the pictures of a folder to ask about, without learning from any. Where there are `train/` and `test/` those of
 * `test/`, else all. Of a folder without splits, "train" and "test" are the halves that `readFolder` makes. Datasets and
 * lists are taken too, in the forms of `openData`.
 *
 * @throws InputError as `readFolder` does, and where there are no such pictures; one class and one picture are enough
 */
export async function readLabelled(dir: string, part?: Part, seed = 1): Promise<Labelled> {
  if (dataSource(dir).kind !== "folder") return readListed(dir, part, seed);
  await refuseUnknown(dir);
  const walk = await openWalk(dir);
  const top = await walk.list("");
  const splits = await findSplits(walk, top.folders, dir);
  if (!splits && (part === undefined || part === "all")) {
    const { classes, empty } = await readClasses(walk, "", dir, top);
    refuseNone(classes, dir, empty);
    const classNames = classes.map(({ name }) => name);
    const items = toItems(classes, classNames);
    const left = top.pictures.length;
    const notes = emptyNotes(empty);
    if (left > 0) notes.push(`${left} without a class, directly in ${oneLine(dir)}, left out.`);
    return { root: walk.root, classNames, items, part: "all pictures", skipped: walk.skipped, notes };
  }
  const folder = await readFolder(dir, { seed });
  const asked = part ?? "test";
  const items = asked === "all" ? [...folder.train, ...folder.val, ...folder.test] : folder[asked];
  if (items.length === 0)
    throw new InputError(
      `${oneLine(dir)} has no ${asked} pictures; its splits are ${splits ? [...splits.values()].join(", ") : "train and test, made by the seed"}`,
    );
  return { ...folder, items, part: partName(asked, folder, splits, seed) };
}

async function readListed(data: string, part: Part | undefined, seed: number): Promise<Labelled> {
  const folder = await openData(data, { seed });
  const asked = part ?? (folder.layout === "flat" ? "all" : "test");
  const all = [...folder.train, ...folder.val, ...folder.test];
  const items = asked === "all" ? all : folder[asked];
  if (items.length === 0) throw new InputError(`${oneLine(data)} has no ${asked} pictures`);
  if (folder.layout === "flat" && asked === "all") return { ...folder, items, part: "all pictures" };
  return { ...folder, items, part: partName(asked, folder, undefined, seed) };
}

function partName(part: Part, { layout }: Folder, splits: ReadonlyMap<string, string> | undefined, seed: number) {
  if (part === "all") return "all pictures of all splits";
  if (layout === "split") return splits ? `the pictures of ${splits.get(part)}/` : `its ${part} pictures`;
  return `the half that seed ${seed} ${part === "test" ? "holds out" : "learns from"}`;
}
