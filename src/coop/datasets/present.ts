import { oneLine } from "../../clip/bytes.ts";
import type { Item } from "../folder.ts";
import type { Walk } from "../walk.ts";
import type { Splits } from "./dataset.ts";

/**
 * Keeps the items whose pictures are there, each folder being listed once, and says how many are not. Links out of the
 * root are not followed, but for the folders that `links` names.
 */
export async function presentItems(
  walk: Walk,
  splits: Splits,
  links: readonly string[] = [],
): Promise<{ splits: Splits; notes: string[] }> {
  const { stat } = await import("node:fs/promises");
  const isThere = async (folder: string) =>
    (await stat(`${walk.root}/${folder}`).catch(() => undefined))?.isDirectory() ?? false;
  const reachable = async (folder: string): Promise<boolean> => {
    if (folder === "") return true;
    if (links.includes(folder)) return isThere(folder);
    const [parent, name] = parted(folder);
    return (await reachable(parent)) && (await walk.list(parent)).folders.includes(name);
  };
  const inFolder = new Map<string, Promise<ReadonlySet<string>>>();
  const picturesIn = (folder: string) => {
    const names =
      inFolder.get(folder) ??
      reachable(folder).then(async (ok) => new Set(ok ? (await walk.list(folder)).pictures : []));
    inFolder.set(folder, names);
    return names;
  };
  const notes: string[] = [];
  const kept = async (split: keyof Splits): Promise<Item[]> => {
    const found: Item[] = [];
    let first: string | undefined;
    for (const item of splits[split]) {
      const [folder, name] = parted(item.path);
      if ((await picturesIn(folder)).has(name)) found.push(item);
      else first ??= item.path;
    }
    const missing = splits[split].length - found.length;
    if (first !== undefined)
      notes.push(
        `${missing} of ${splits[split].length} pictures of ${split} are not in ${oneLine(walk.root)} (first: ${oneLine(first)}) and left out${split === "test" ? "" : ", so other shots are drawn than from all"}.`,
      );
    return found;
  };
  return { splits: { train: await kept("train"), val: await kept("val"), test: await kept("test") }, notes };
}

/** A path's folder ("" for the root) and its last name. */
function parted(path: string): [folder: string, name: string] {
  const at = path.lastIndexOf("/");
  return [path.slice(0, Math.max(0, at)), path.slice(at + 1)];
}
