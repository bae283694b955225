import { FormatError, InputError } from "../tensor/errors.ts";
import { type ByteSource, blobBytes, fileBytes, oneLine } from "./bytes.ts";

/** Whose names the files and their tensors bear. */
export type Layout = "hf" | "openai" | "open_clip";

/** Bytes that are on their way: all files of a model together. */
export interface Loading {
  readonly file: string;
  readonly loaded: number;
  /** Bytes of all files that are fetched; 0 where no server said. */
  readonly total: number;
}

/** How a model's files are got. */
export interface FetchOptions {
  /** Branch, tag or commit of a hub's repository; "main" where not given. */
  readonly revision?: string;
  /** Never use the network; the environment's `HF_HUB_OFFLINE=1` says the same. */
  readonly offline?: boolean;
  /** For repositories that ask for one; the environment's `HF_TOKEN` where not given. */
  readonly token?: string;
  readonly onProgress?: (loading: Loading) => void;
  readonly signal?: AbortSignal;
}

/** The files of a model, wherever they are. */
export interface ModelFiles {
  /** As it was given: a folder or an address. */
  readonly name: string;
  /** Whose layout to read where the files come in several. */
  readonly layout?: Layout;
  /** The file of the weights, where it was given by name. */
  readonly weights?: string;
  /** Opens a file; undefined where there is none of that name. */
  open(file: string): Promise<(ByteSource & { close?(): Promise<void> }) | undefined>;
}

/** A folder on disk (Node). */
export async function folderFiles(path: string): Promise<ModelFiles> {
  const { stat } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const info = await stat(path).catch(() => undefined);
  if (!info)
    throw new InputError(
      `${oneLine(path)}: there is no such model folder; give a folder with config.json, model.safetensors and tokenizer.json`,
    );
  if (!info.isDirectory())
    throw new InputError(`${oneLine(path)} is not a folder; give the folder that holds the model's files`);
  return {
    name: path,
    async open(file) {
      const full = join(path, file);
      const found = await stat(full).catch(() => undefined);
      return found ? fileBytes(full) : undefined;
    },
  };
}

/** Files under an address, fetched whole: for the small models that a page ships with. */
export function urlFiles(base: string): ModelFiles {
  const root = base.endsWith("/") ? base : `${base}/`;
  return {
    name: base,
    async open(file) {
      const response = await fetch(root + file);
      if (response.status === 404) return undefined;
      if (!response.ok)
        throw new InputError(`${root}${file}: the server answered ${response.status} ${response.statusText}`);
      return blobBytes(await response.blob(), root + file);
    },
  };
}

/** The files of a source as a person names it: an address, or else a folder. */
export const modelFiles = async (source: string, _options: FetchOptions = {}): Promise<ModelFiles> =>
  /^https?:\/\//.test(source) ? urlFiles(source) : folderFiles(source);

const MAX_TEXT = 2 ** 26;

/** A text file of the model, unpacked if its name ends in .gz; undefined where it is absent. */
export async function readText(files: ModelFiles, file: string): Promise<string | undefined> {
  const source = await files.open(file);
  if (!source) return undefined;
  try {
    if (source.size > MAX_TEXT)
      throw new FormatError(`${source.name}: ${source.size} bytes are too many for this file`);
    const bytes = await source.read(0, source.size);
    return file.endsWith(".gz") ? await unpack(bytes, source.name) : new TextDecoder().decode(bytes);
  } finally {
    await source.close?.();
  }
}

async function unpack(bytes: Uint8Array, name: string): Promise<string> {
  const packed = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
  const reader = packed.pipeThrough(new DecompressionStream("gzip")).getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      text += decoder.decode(value, { stream: true });
      if (text.length > MAX_TEXT) break;
    }
  } catch (cause) {
    throw new FormatError(`${name}: it is not packed with gzip, or damaged; fetch it again`, { cause });
  }
  await reader.cancel();
  throw new FormatError(`${name}: it unpacks to more than ${MAX_TEXT} characters`);
}

/** A JSON file of the model, parsed; undefined where it is absent. */
export async function readJson(files: ModelFiles, file: string): Promise<unknown> {
  const text = await readText(files, file);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FormatError(`${files.name}/${file}: not JSON (${(error as Error).message}); fetch it again`);
  }
}

/** SHA-256 of a file in hexadecimal. */
export async function sha256(source: ByteSource): Promise<string> {
  if (typeof process !== "undefined" && process.versions?.node) {
    const { createHash } = await import("node:crypto");
    const hash = createHash("sha256");
    const piece = 2 ** 20; // what is read becomes garbage
    for (let at = 0; at < source.size; at += piece)
      hash.update(await source.read(at, Math.min(piece, source.size - at)));
    return hash.digest("hex");
  }
  return digestOf((await source.read(0, source.size)) as Uint8Array<ArrayBuffer>);
}

export const sha256OfText = (text: string): Promise<string> =>
  digestOf(new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>);

async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
