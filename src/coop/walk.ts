import { oneLine } from "../clip/bytes.ts";
import { InputError } from "../tensor/errors.ts";
import { listNames, nearest } from "./near.ts";

const PICTURE = /\.(png|jpe?g|webp|gif|bmp|tiff?|avif)$/i;

/** What was found in a folder tree and not taken. */
export interface Skipped {
  /** names that begin with a dot, and __MACOSX */
  hidden: number;
  /** files that are no pictures, by their extension */
  others: number;
  /** symbolic links that lead nowhere, out of the root, or round in a circle */
  links: number;
}

/** One folder's contents, each list in code-unit order of the names. */
export interface Listing {
  readonly folders: string[];
  readonly pictures: string[];
}

/** Reads the folders under one root, never leaving it, and counts what it leaves out. */
export interface Walk {
  /** absolute, links resolved */
  readonly root: string;
  readonly skipped: Skipped;
  /** What lies directly in a folder; paths are relative to the root, with "/" between names, "" for the root. */
  list(folder: string): Promise<Listing>;
  /** Every picture in a folder and the folders in it, as paths relative to the root, in code-unit order. */
  pictures(folder: string): Promise<string[]>;
}

/** Starts at `dir`. InputError if it is missing (with the name that was probably meant), a file, or unreadable. */
export async function openWalk(dir: string): Promise<Walk> {
  const { readdir, realpath, stat } = await import("node:fs/promises");
  const { basename, dirname, join, relative, resolve, isAbsolute, sep } = await import("node:path");

  const info = await stat(dir).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw unreadable(dir, error);
    const beside = await readdir(dirname(resolve(dir)), { withFileTypes: true }).catch(() => []);
    const folders = beside.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    const meant = nearest(basename(resolve(dir)), folders);
    const hint = meant ? `Did you mean ${oneLine(join(dirname(dir), meant))}?` : "Check the path.";
    throw new InputError(`${oneLine(dir)}: there is no such folder. ${hint}`);
  });
  if (!info.isDirectory())
    throw new InputError(`${oneLine(dir)} is a file, not a folder. Give the folder that holds one folder per class.`);

  const root = await realpath(dir);
  const skipped: Skipped = { hidden: 0, others: 0, links: 0 };
  const place = (folder: string) => join(root, ...folder.split("/"));
  const inside = (path: string) => {
    const way = relative(root, path);
    return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
  };

  /** "folder" or "file" that an entry leads to; undefined for a link that may not be followed, and for pipes and devices. */
  const kind = async (folder: string, entry: { name: string } & Kind): Promise<"folder" | "file" | undefined> => {
    if (!entry.isSymbolicLink()) return kindOf(entry);
    const target = await realpath(join(place(folder), entry.name)).catch(() => undefined);
    if (target === undefined || !inside(target)) return undefined;
    const found = kindOf(await stat(target));
    const here = await realpath(place(folder));
    const circle = found === "folder" && (here === target || here.startsWith(target + sep));
    return circle ? undefined : found;
  };

  const read = async (folder: string): Promise<Listing> => {
    const entries = await readdir(place(folder), { withFileTypes: true }).catch((error) => {
      throw unreadable(join(dir, folder), error);
    });
    const listing: Listing = { folders: [], pictures: [] };
    for (const entry of entries) {
      if (entry.name.startsWith(".") || entry.name === "__MACOSX") {
        skipped.hidden++;
        continue;
      }
      const found = await kind(folder, entry);
      if (found === "folder") listing.folders.push(entry.name);
      else if (found === "file" && isPictureName(entry.name)) listing.pictures.push(entry.name);
      else if (entry.isSymbolicLink() && found === undefined) skipped.links++;
      else skipped.others++;
    }
    listing.folders.sort(byCodeUnit);
    listing.pictures.sort(byCodeUnit);
    return listing;
  };
  const known = new Map<string, Promise<Listing>>(); // so that nothing is counted twice
  const list = (folder: string): Promise<Listing> => {
    if (!known.has(folder)) known.set(folder, read(folder));
    return known.get(folder)!;
  };

  const pictures = async (folder: string, above: readonly string[] = []): Promise<string[]> => {
    const here = await realpath(place(folder));
    if (above.includes(here)) {
      skipped.links++; // links between two folders, each in the other
      return [];
    }
    const { folders, pictures: direct } = await list(folder);
    const found = [direct.map((name) => below(folder, name))];
    for (const name of folders) found.push(await pictures(below(folder, name), [...above, here]));
    return found.flat().sort(byCodeUnit);
  };

  return { root, skipped, list, pictures: (folder) => pictures(folder) };
}

/** Whether a file is a picture, by the extension of its name. */
export const isPictureName = (name: string): boolean => PICTURE.test(name);

const below = (folder: string, name: string): string => (folder === "" ? name : `${folder}/${name}`);

/** Names as folders and lists of them are written in messages. */
export const quoted = (names: readonly string[]): string => listNames(names.map((name) => `"${oneLine(name)}"`));

interface Kind {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

const kindOf = (entry: Kind) => (entry.isDirectory() ? "folder" : entry.isFile() ? "file" : undefined);
const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function unreadable(path: string, error: NodeJS.ErrnoException): InputError {
  const why: Record<string, string> = {
    EACCES: "reading it is not permitted. Check the folder's permissions.",
    EPERM: "reading it is not permitted. Check the folder's permissions.",
    ELOOP: "it is a loop of symbolic links.",
    ENOTDIR: "a part of the path is a file, not a folder. Check the path.",
    ENAMETOOLONG: "the name is too long.",
  };
  return new InputError(`${oneLine(path)}: ${why[error.code ?? ""] ?? error.message}`, { cause: error });
}
