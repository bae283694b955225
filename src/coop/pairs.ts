import { oneLine } from "../clip/bytes.ts";
import { InputError } from "../tensor/errors.ts";
import { type SkippedPairs, SkipReport, skippedNotes } from "./pairs-skipped.ts";
import { jsonLines, type PairRow, tableRows } from "./pairs-table.ts";
import { expandBraces, openShards } from "./pairs-tar.ts";

export type { SkippedPairs } from "./pairs-skipped.ts";

/** A picture and what it shows. */
export interface Pair {
  /** The path of a file, or the file's bytes where it lies in an archive. */
  readonly image: string | Uint8Array;
  /** The picture's name for messages. */
  readonly name: string;
  readonly caption: string;
}

/** Pairs of pictures and captions, read at random. Captions are in memory, pictures are not. */
export interface PairSource {
  /** As it was given. */
  readonly name: string;
  readonly count: number;
  /** What was found and left out. */
  readonly skipped: SkippedPairs;
  readonly captions: readonly string[];
  /** The i-th pair; no picture is decoded. */
  at(i: number): Promise<Pair>;
  /** SHA-256 of the names and captions in order: two sources of one fingerprint train alike, if their pictures are the same. */
  fingerprint(): Promise<string>;
}

/** Options of `openPairs`. */
export interface PairOptions {
  /** The folder that a list's picture names are relative to, and must lie in; that of the list where not given. */
  readonly images?: string;
}

/** A list of picture files with captions. */
export interface PairList {
  readonly pairs: readonly { readonly image: string; readonly caption: string }[];
  readonly skipped: SkippedPairs;
}

/**
 * Opens pairs in any of these forms:
 *
 * - `.csv` or `.tsv` with a header: a column `image`, `filepath`, `file`, `file_name` … and one `caption`, `title` or `text`
 * - `.jsonl`: objects of the same keys; `captions`, a list, makes a pair of each
 * - a folder with `metadata.jsonl` or `metadata.csv` (Hugging Face's imagefolder)
 * - `.tar` in webdataset's form: `key.jpg` (png, webp …) beside `key.txt` or `key.json`; several as a list, as
 *   `shard-{0000..0011}.tar`, or as the folder they lie in
 *
 * Pictures of a list must lie in its folder (`images`): names that lead elsewhere, by `..`, an absolute path or a link,
 * are left out, and so are missing files, empty captions and rows that cannot be read. All are counted.
 *
 * @throws InputError where there is nothing of the kind, or no pair is left
 * @example
 * const pairs = await openPairs("photos/captions.csv");
 * const { image, caption } = await pairs.at(0);
 */
export async function openPairs(path: string | readonly string[], options: PairOptions = {}): Promise<PairSource> {
  const given = typeof path === "string" ? [path] : path;
  const name = given.map(oneLine).join(" ");
  const shards = await shardsOf(given);
  if (shards) {
    const report = new SkipReport();
    const found = await openShards(shards, report);
    return source(name, report, found.keys, found.captions, found.image);
  }
  const { report, images, names, captions } = await readList(given[0], options);
  return source(name, report, names, captions, async (i) => images[i]);
}

/**
 * Reads a list of picture files with captions: every form of `openPairs` but `.tar`.
 *
 * @throws InputError where there is nothing of the kind, or no pair is left
 * @example const { pairs, skipped } = await readPairs("photos/captions.csv");
 */
export async function readPairs(path: string, options: PairOptions = {}): Promise<PairList> {
  if (await shardsOf([path]))
    throw new InputError(`${oneLine(path)} holds its pictures; unpack it, or give a CSV or JSONL list of files.`);
  const { report, images, captions } = await readList(path, options);
  refuseNone(oneLine(path), images.length, report);
  return { pairs: images.map((image, i) => ({ image, caption: captions[i] })), skipped: report.result() };
}

function source(
  name: string,
  report: SkipReport,
  names: readonly string[],
  captions: readonly string[],
  image: (i: number) => Promise<string | Uint8Array>,
): PairSource {
  refuseNone(name, names.length, report);
  return {
    name,
    count: names.length,
    skipped: report.result(),
    captions,
    async at(i) {
      if (!(i in names)) throw new InputError(`${name}: there is no pair ${i}; there are ${names.length}.`);
      return { image: await image(i), name: names[i], caption: captions[i] };
    },
    async fingerprint() {
      const { createHash } = await import("node:crypto");
      const hash = createHash("sha256");
      names.forEach((key, i) => hash.update(JSON.stringify([key, captions[i]])));
      return hash.digest("hex");
    },
  };
}

function refuseNone(name: string, count: number, report: SkipReport): void {
  if (count > 0) return;
  const notes = skippedNotes(report.result());
  throw new InputError(
    `${name}: there is no pair in it that can be used${notes.length ? `: ${notes.join("; ")}` : ""}.`,
  );
}

/** The tar files that are meant; undefined where something else is. */
async function shardsOf(given: readonly string[]): Promise<string[] | undefined> {
  const { readdir, stat } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const paths = given.flatMap(expandBraces);
  if (paths.some((path) => /\.(tar\.|t)(gz|bz2|xz|zst)$/i.test(path)))
    throw new InputError(
      `${oneLine(paths[0])} is compressed; unpack it to a .tar, whose members can be read at random.`,
    );
  if (paths.every((path) => /\.tar$/i.test(path))) return paths;
  if (paths.length > 1)
    throw new InputError(`${paths.map(oneLine).join(" ")}: several files are taken only where all are .tar.`);
  if (!(await stat(paths[0]).catch(() => undefined))?.isDirectory()) return undefined;
  const names = await readdir(paths[0]);
  const tars = names.filter((name) => /\.tar$/i.test(name) && !name.startsWith("."));
  if (tars.length === 0 || names.some((name) => METADATA.includes(name))) return undefined;
  return tars.sort().map((name) => join(paths[0], name));
}

const METADATA: readonly string[] = ["metadata.jsonl", "metadata.csv"];

async function readList(path: string, options: PairOptions) {
  const { dirname, resolve } = await import("node:path");
  const file = await listFile(path);
  const report = new SkipReport();
  const rows = /\.(jsonl|ndjson)$/i.test(file) ? jsonLines(file, report) : tableRows(file, report);
  const find = await within(options.images ?? dirname(resolve(file)));
  const [images, names, captions]: string[][] = [[], [], []];
  const take = async (chunk: readonly PairRow[]) => {
    const found = await Promise.all(chunk.map(({ image }) => find(image)));
    chunk.forEach(({ image, caption, where }, i) => {
      const { path: real, why } = found[i];
      if (real === undefined) report.add(why, `${where}, ${oneLine(image)}`);
      else {
        images.push(real);
        names.push(image);
        captions.push(caption);
      }
    });
  };
  const chunk: PairRow[] = [];
  for await (const row of rows) {
    chunk.push(row);
    if (chunk.length === FILES_AT_ONCE) await take(chunk.splice(0));
  }
  await take(chunk);
  return { report, images, names, captions };
}

const FILES_AT_ONCE = 64;

/** The file that lists the pairs. */
async function listFile(path: string): Promise<string> {
  const { stat } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const info = await stat(path).catch(() => undefined);
  if (!info) throw new InputError(`${oneLine(path)}: there is no such file or folder. Check the path.`);
  if (!info.isDirectory()) {
    if (/\.(csv|tsv|jsonl|ndjson)$/i.test(path)) return path;
    throw new InputError(
      `${oneLine(path)} is not a list of pairs: give a .csv, .tsv, .jsonl or .tar file, or a folder.`,
    );
  }
  for (const name of METADATA) {
    const file = join(path, name);
    if ((await stat(file).catch(() => undefined))?.isFile()) return file;
  }
  throw new InputError(
    `${oneLine(path)}: there is no metadata.jsonl, no metadata.csv and no .tar in it. Give a folder that has one, or the list itself.`,
  );
}

/** Finds the files of a folder by the names that a list gives them, and none outside. */
async function within(folder: string): Promise<(image: string) => Promise<{ path?: string; why: string }>> {
  const { realpath, stat } = await import("node:fs/promises");
  const { isAbsolute, relative, resolve, sep } = await import("node:path");
  const root = await realpath(folder).catch(() => {
    throw new InputError(`${oneLine(folder)}: there is no such folder. Check --images.`);
  });
  return async (image) => {
    if (/^[a-z]+:\/\//i.test(image)) return { why: "addresses, not files: fetch the pictures first" };
    const path = await realpath(resolve(root, image)).catch(() => undefined);
    const way = relative(root, path ?? resolve(root, image));
    if (way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way))
      return { why: `pictures outside of ${oneLine(folder)}: choose a folder above them by --images` };
    const file = path !== undefined && (await stat(path).catch(() => undefined))?.isFile();
    return file ? { path, why: "" } : { why: "missing pictures" };
  };
}
