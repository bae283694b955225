import { oneLine } from "../clip/bytes.ts";
import { InputError } from "../tensor/errors.ts";
import { MersenneTwister, seedWords } from "./mersenne.ts";
import { openWalk, quoted, type Skipped, type Walk } from "./walk.ts";

/** One picture of a folder of classes. */
export interface Item {
  /** relative to the root, "/" between the names on every system */
  readonly path: string;
  /** index into the class names */
  readonly label: number;
  readonly className: string;
}

/** A folder of pictures, read by names only: no picture is opened. */
export interface Folder {
  /** absolute, links resolved */
  readonly root: string;
  readonly layout: "flat" | "split";
  /** folder names in code-unit order, underscores as spaces */
  readonly classNames: string[];
  /** the pictures that shots may be drawn from, by class, then by path */
  readonly train: Item[];
  /** only where there is a folder of that name beside train and test */
  readonly val: Item[];
  /** the held-out pictures */
  readonly test: Item[];
  readonly skipped: Skipped;
  /** what a person should know of how the folder was understood, one sentence each */
  readonly notes: string[];
}

type Split = "train" | "val" | "test";
const SPLIT_NAMES: readonly (readonly [Split, RegExp])[] = [
  ["train", /^train$/i],
  ["val", /^(val|valid|validation)$/i],
  ["test", /^test$/i],
];

/**
 * Reads `dir`, in either of two layouts:
 *
 * - **split**: `train/` and `test/` (and perhaps `val/`, `valid/` or `validation/`) each with one folder per class.
 *   Without `test/`, the validation pictures are the held-out ones.
 * - **flat**: one folder per class. Half of each class, rounded up, is held out for the test, by a shuffle that
 *   depends only on `seed`, the class folder's name and how many pictures it has; shots are drawn from the other half.
 *
 * A class's pictures may lie in folders within its folder. Hidden files, files that are no pictures by their extension
 * and links out of `dir` are left out and counted. A class folder without pictures is left out, and a class of one picture is
 * learned from but not tested; notes say so. InputError for whatever leaves nothing to train or test on, or one class.
 *
 * @example const { classNames, train, test } = await readFolder("pets", { seed: 1 });
 */
export async function readFolder(dir: string, { seed = 1 }: { readonly seed?: number } = {}): Promise<Folder> {
  const walk = await openWalk(dir);
  const top = await walk.list("");
  const splits = await findSplits(walk, top.folders, dir);
  const notes: string[] = [];
  if (top.pictures.length > 0 && top.folders.length > 0)
    notes.push(`${count(top.pictures.length, "picture")} directly in ${oneLine(dir)} left out: they have no class.`);
  const beside = splits ? top.folders.filter((name) => ![...splits.values()].includes(name)) : [];
  if (beside.length > 0) notes.push(`${quoted(beside)} beside the splits left out.`);

  const about = { root: walk.root, skipped: walk.skipped };
  if (splits) return { ...about, layout: "split", ...(await readSplits(walk, splits, dir, notes)), notes };
  const { classes, empty } = await readClasses(walk, "", dir, top);
  const { notes: single, ...taken } = holdOut(classes, seed, dir, empty);
  return { ...about, layout: "flat", ...taken, notes: [...notes, ...emptyNotes(empty), ...single] };
}

/** The folders of a split layout. A class may be called "train" too: only a train folder of folders makes a split layout. */
export async function findSplits(walk: Walk, folders: string[], dir: string): Promise<Map<Split, string> | undefined> {
  const found = new Map<Split, string>();
  for (const [split, pattern] of SPLIT_NAMES) {
    const named = folders.filter((name) => pattern.test(name));
    if (named.length === 0) continue;
    const inside = await walk.list(named[0]);
    if (inside.folders.length === 0 || inside.pictures.length > 0) continue;
    if (named.length > 1) throw new InputError(`${oneLine(dir)} holds ${quoted(named)}: keep one of them.`);
    found.set(split, named[0]);
  }
  const train = found.get("train");
  if (train === undefined) return undefined;
  if (found.has("test")) return found;
  const val = found.get("val");
  if (val !== undefined) return new Map([["train", train] as const, ["test", val] as const]);
  throw new InputError(
    `${oneLine(dir)} holds "${train}" but no "test" folder with classes. Add one, or give ${oneLine(`${dir}/${train}`)} itself: then half of each class is held out.`,
  );
}

export interface ClassFolder {
  readonly name: string;
  readonly paths: string[];
}

/**
 * The classes in one folder ("" or a split's), none or more, each with at least one picture and a name of its own, and the
 * names of the folders that hold no picture.
 */
export async function readClasses(
  walk: Walk,
  base: string,
  dir: string,
  listing?: { folders: string[]; pictures: string[] },
): Promise<{ classes: ClassFolder[]; empty: string[] }> {
  const where = oneLine(base ? `${dir}/${base}` : dir);
  const { folders, pictures } = listing ?? (await walk.list(base));
  if (folders.length === 0) {
    const found = pictures.length > 0 ? `only ${count(pictures.length, "picture")} without a class` : "nothing in it";
    throw new InputError(
      `${where}: no class folders, ${found}. Put the pictures of each class into a folder named after the class.`,
    );
  }
  const all: (ClassFolder & { folder: string })[] = [];
  for (const folder of folders) {
    const paths = await walk.pictures(base ? `${base}/${folder}` : folder);
    all.push({ name: folder.replaceAll("_", " "), paths, folder });
  }
  const classes = all.filter(({ paths }) => paths.length > 0);
  const firstOf = new Map<string, string>();
  for (const { name, folder } of classes) {
    const spoken = sameName(name);
    if (spoken === "")
      throw new InputError(`${where}: the class folder "${oneLine(folder)}" has no name in words. Rename it.`);
    const other = firstOf.get(spoken);
    if (other !== undefined)
      throw new InputError(
        `${where}: the class folders ${quoted([other, folder])} mean the same name, "${oneLine(spoken)}" (capitals do not count, underscores are spaces). Rename or merge them.`,
      );
    firstOf.set(spoken, folder);
  }
  const empty = all.filter(({ paths }) => paths.length === 0).map(({ name }) => name);
  return { classes: classes.map(({ name, paths }) => ({ name, paths })), empty };
}

/** What is said of class folders without a picture. */
export const emptyNotes = (empty: readonly string[]): string[] =>
  empty.length === 0 ? [] : [`No picture of ${quoted(empty)}: left out of the classes.`];

async function readSplits(walk: Walk, splits: Map<Split, string>, dir: string, notes: string[]) {
  const { classes, empty } = await readClasses(walk, splits.get("train")!, dir);
  refuseOne(classes, `${dir}/${splits.get("train")}`, false, empty);
  notes.push(...emptyNotes(empty));
  const unlearned = new Set(empty.map(sameName));
  const labels = new Map(classes.map(({ name }, label) => [sameName(name), label]));
  const classNames = classes.map(({ name }) => name);
  const items: Record<Split, Item[]> = { train: toItems(classes, classNames), val: [], test: [] };
  for (const split of ["val", "test"] as const) {
    const folder = splits.get(split);
    if (folder === undefined) continue;
    const read = await readClasses(walk, folder, dir);
    const found = read.classes.filter(({ name }) => !unlearned.has(sameName(name)));
    const dropped = read.classes.filter((one) => !found.includes(one));
    if (dropped.length > 0)
      notes.push(
        `"${folder}" has pictures of ${quoted(dropped.map(({ name }) => name))}, but "${splits.get("train")}" has none: left out.`,
      );
    const unknown = found.filter(({ name }) => !labels.has(sameName(name))).map(({ name }) => name);
    if (unknown.length > 0)
      throw new InputError(
        `${oneLine(`${dir}/${folder}`)}: ${quoted(unknown)} ${unknown.length === 1 ? "is not a class" : "are not classes"} of "${splits.get("train")}" (${quoted(classNames)}). Name the folders alike.`,
      );
    const byLabel = classNames.map((name): ClassFolder => ({ name, paths: [] }));
    for (const { name, paths } of found) byLabel[labels.get(sameName(name))!] = { name, paths };
    const missing = byLabel.filter(({ paths }) => paths.length === 0).map(({ name }) => name);
    if (missing.length > 0) notes.push(`"${folder}" has no pictures of ${quoted(missing)}.`);
    items[split] = toItems(byLabel, classNames);
    if (items.test.length === 0 && split === "test")
      throw new InputError(
        `${oneLine(`${dir}/${folder}`)}: no picture of a class of "${splits.get("train")}". Add some.`,
      );
  }
  return { classNames, ...items };
}

/** Half of each class, rounded up, for the test; a class of one picture has it to learn from. */
export function holdOut(classes: ClassFolder[], seed: number, dir: string, empty: readonly string[] = []) {
  refuseOne(classes, dir, true, empty);
  const single = classes.filter(({ paths }) => paths.length < 2).map(({ name }) => name);
  if (single.length === classes.length)
    throw new InputError(
      `${oneLine(dir)}: only one picture of ${quoted(single)}; one to learn from and one to hold out are needed. Add pictures, or make train and test folders.`,
    );
  const [low, high = 0] = seedWords(seed);
  const split = classes.map(({ name, paths }) => {
    const letters = Array.from(name, (letter) => letter.codePointAt(0)!);
    const shuffled = new MersenneTwister([low, high, ...letters]).shuffle(paths.slice());
    const held = new Set(shuffled.slice(0, paths.length < 2 ? 0 : Math.ceil(paths.length / 2)));
    return {
      train: { name, paths: paths.filter((path) => !held.has(path)) },
      test: { name, paths: paths.filter((path) => held.has(path)) },
    };
  });
  const classNames = classes.map(({ name }) => name);
  return {
    classNames,
    train: toItems(
      split.map(({ train }) => train),
      classNames,
    ),
    val: [],
    test: toItems(
      split.map(({ test }) => test),
      classNames,
    ),
    notes: single.length === 0 ? [] : [`Only one picture of ${quoted(single)}: it is learned from, none is held out.`],
  };
}

/** InputError where no class has a picture. */
export function refuseNone(classes: readonly ClassFolder[], where: string, empty: readonly string[]): void {
  if (classes.length > 0) return;
  throw new InputError(
    `${oneLine(where)}: no picture (png, jpg, webp, gif, bmp, tif, avif) of ${quoted(empty)}. Put the pictures of each class into its folder.`,
  );
}

function refuseOne(classes: readonly ClassFolder[], where: string, flat: boolean, empty: readonly string[]): void {
  refuseNone(classes, where, empty);
  if (classes.length > 1) return;
  const [{ name }] = classes;
  const within = flat ? " If the classes are folders within it, give that folder itself." : "";
  const without = empty.length > 0 ? ` with pictures, ${quoted(empty)} without` : "";
  throw new InputError(
    `${oneLine(where)}: "${oneLine(name)}" is the only class${without}; there must be two or more to tell apart.${within}`,
  );
}

export function toItems(classes: readonly ClassFolder[], classNames: readonly string[]): Item[] {
  return classes.flatMap(({ paths }, label) => paths.map((path) => ({ path, label, className: classNames[label] })));
}

/** Two class names with the same result give the same prompt: the tokenizer sees neither capitals nor runs of spaces. */
export const sameName = (name: string): string => name.toLowerCase().replace(/\s+/g, " ").trim();
const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
