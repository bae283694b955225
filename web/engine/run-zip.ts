import { strToU8, unzipSync, zipSync } from "fflate";
import { textOf } from "../../src/clip/bytes.ts";
import { CONFIG_FILE } from "../../src/coop/run-config.ts";
import { MODEL_FILE } from "../../src/coop/run-files.ts";
import { InputError } from "../../src/tensor/errors.ts";

const METRICS_FILE = "metrics.jsonl";

/** Most bytes of each file that is read. */
const MAX_BYTES: Readonly<Record<string, number>> = {
  [CONFIG_FILE]: 2 ** 22,
  [MODEL_FILE]: 2 ** 26,
  [METRICS_FILE]: 2 ** 24,
};
const MAX_ARCHIVE = 2 ** 26;
const MAX_ENTRIES = 1000;
/** Learned numbers do not shrink by more; nor do a thousand lines of metrics. */
const MAX_RATIO = 200;
/** The oldest day that a ZIP can name, so that the same run gives the same bytes. */
const MTIME = new Date(1980, 0, 1);

/** The files of a run that an import needs. */
export interface ImportedFiles {
  readonly config: string;
  readonly model: Uint8Array;
  /** Absent where only the two adapter files were given. */
  readonly metrics?: string;
}

/** A ZIP with the files of a run in a folder. */
export function zipRun(folder: string, files: ReadonlyMap<string, Uint8Array | string>): Uint8Array<ArrayBuffer> {
  const entries = [...files].map(([name, content]) => [
    `${folder}/${name}`,
    typeof content === "string" ? strToU8(content) : content,
  ]);
  return zipSync(Object.fromEntries(entries), { mtime: MTIME }) as Uint8Array<ArrayBuffer>;
}

/** The files of a run, from its ZIP or one by one. InputError where they are not there, too large, or not to be trusted. */
export async function openRun(files: readonly File[]): Promise<ImportedFiles> {
  if (!Array.isArray(files) || files.length === 0 || !files.every((file) => file instanceof File))
    throw new InputError("Choose the ZIP of a run, or its two adapter files.");
  const archive = files.length === 1 && (await isZip(files[0])) ? files[0] : undefined;
  const found = archive ? await unzip(archive) : await plainFiles(files);
  const [config, model, metrics] = [CONFIG_FILE, MODEL_FILE, METRICS_FILE].map((name) => found.get(name));
  if (!config || !model) {
    const missing = config ? MODEL_FILE : CONFIG_FILE;
    throw new InputError(`There is no ${missing} among what was chosen; a run has ${CONFIG_FILE} and ${MODEL_FILE}.`);
  }
  return { config: textOf(config, CONFIG_FILE), model, ...(metrics ? { metrics: textOf(metrics, METRICS_FILE) } : {}) };
}

async function isZip(file: Blob): Promise<boolean> {
  const head = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  return head[0] === 0x50 && head[1] === 0x4b;
}

async function plainFiles(files: readonly File[]): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const file of files) {
    if (!Object.hasOwn(MAX_BYTES, file.name)) continue;
    if (found.has(file.name)) throw new InputError(`${file.name} was chosen twice; choose the files of one run.`);
    if (file.size > MAX_BYTES[file.name]) throw new InputError(`${file.name} has ${file.size} bytes, too many for it.`);
    found.set(file.name, new Uint8Array(await file.arrayBuffer()));
  }
  return found;
}

async function unzip(archive: File): Promise<Map<string, Uint8Array>> {
  if (archive.size > MAX_ARCHIVE)
    throw new InputError(`${archive.name} has ${archive.size} bytes; no run is so large.`);
  const bytes = new Uint8Array(await archive.arrayBuffer());
  const sizes = new Map<string, number>();
  let entries = 0;
  const wanted = ({ name, size, originalSize }: { name: string; size: number; originalSize: number }): boolean => {
    const refuse = (why: string): never => {
      throw new InputError(`${archive.name}: ${why}. It was not made by coop, or is damaged.`);
    };
    if (++entries > MAX_ENTRIES) refuse(`it has more than ${MAX_ENTRIES} entries`);
    if (/^\/|\\|\p{Cc}|(^|\/)\.\.(\/|$)|^[a-z]:/iu.test(name)) refuse("a name in it leads out of the archive");
    const [file, folder] = name.split("/").reverse();
    if (!Object.hasOwn(MAX_BYTES, file) || folder === "__MACOSX") return false;
    if (sizes.has(file)) refuse(`it has more than one ${file}`);
    if (originalSize > MAX_BYTES[file]) refuse(`${file} has ${originalSize} bytes, too many for it`);
    if (originalSize > MAX_RATIO * Math.max(size, 1024)) refuse(`${file} is packed more than ${MAX_RATIO} times`);
    sizes.set(file, originalSize);
    return true;
  };
  let unpacked: Record<string, Uint8Array>;
  try {
    unpacked = unzipSync(bytes, { filter: wanted });
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${archive.name} is no ZIP that can be read: it is damaged or cut short.`);
  }
  const found = new Map<string, Uint8Array>();
  for (const [name, content] of Object.entries(unpacked)) {
    const file = name.split("/").at(-1)!;
    if (content.length !== sizes.get(file)) throw new InputError(`${archive.name}: ${file} in it is cut short.`);
    found.set(file, content);
  }
  return found;
}
