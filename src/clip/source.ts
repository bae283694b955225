import { FormatError } from "../tensor/errors.ts";
import { type ByteSource, blobBytes } from "./bytes.ts";
import { checkFileName } from "./file-name.ts";

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
  /** Called as bytes arrive. */
  readonly onProgress?: (loading: Loading) => void;
  readonly signal?: AbortSignal;
}

/** An open file of a model. */
export interface OpenFile extends ByteSource {
  /** In hexadecimal, where it was computed when the file was checked. */
  readonly sha256?: string;
  /** Gives the file back; absent where there is nothing to give back. */
  close?(): Promise<void>;
}

/** The files of a model, wherever they are. */
export interface ModelFiles {
  /** As it was given: a folder, a file, an address, a model's name. */
  readonly name: string;
  /** Whose layout to read; undefined where the files have to tell. */
  readonly layout?: Layout;
  /** The weights file, where the source names one. */
  readonly weights?: string;
  /** Opens a file; undefined where there is none of that name. */
  open(file: string): Promise<OpenFile | undefined>;
  /** What to tell a person who needs a file that `open` did not find; undefined where it is simply not there. */
  whyMissing?(file: string): string | undefined;
}

/**
 * A folder on disk (Node).
 * @example const clip = await loadClip(await folderFiles("models/tiny-clip"));
 */
export async function folderFiles(path: string): Promise<ModelFiles> {
  return (await import("./source-node.ts")).openFolder(path);
}

/** The name of a file of weights. */
export const WEIGHTS = /\.(?:safetensors|pt|pth|bin)$/;

/**
 * Files under an address, fetched whole and not kept: for the small models that a page ships with. Where the address is
 * that of a weights file, the others are looked for beside it. A web page is never taken for a file.
 *
 * @example const clip = await loadClip(urlFiles("models/tiny-clip")); // in a page: beside it on the server
 */
export function urlFiles(address: string, options: FetchOptions = {}): ModelFiles {
  const url = new URL(address, globalThis.location?.href);
  const [, weights] = /\/([^/]+)$/.exec(WEIGHTS.test(url.pathname) ? url.pathname : "") ?? [];
  const root = weights ? new URL(".", url) : new URL(`${url.pathname.replace(/\/?$/, "/")}`, url);
  const count = tally(options.onProgress);
  const pages = new Map<string, string>();
  return {
    name: address,
    weights,
    whyMissing: (file) => pages.get(file),
    async open(file) {
      checkFileName(file);
      const path = file.split("/").map(encodeURIComponent).join("/");
      const from = file === weights ? url.href : new URL(path, root).href;
      const { receiveBlob } = await import("./receive-blob.ts");
      const received = await receiveBlob({ url: from, signal: options.signal, onBytes: count(file) });
      if (received.page) pages.set(file, received.page);
      return received.blob && blobBytes(received.blob, from);
    },
  };
}

/**
 * The files of a model as a person names it. In this order: an address (`https://…`, a model's page on the hub too); OpenAI's name of one of its models
 * (`RN50`, `ViT-B/32`); `open_clip:` or `hf-hub:` with a name; a folder or a weights file on disk; a model of the hub
 * (`org/name`, `org/name@revision`). Models of the hub and OpenAI's are fetched, checked and kept; see docs/models.md.
 *
 * @throws InputError where the source is none of these
 * @example
 * const files = await modelFiles("openai/clip-vit-base-patch32", { onProgress: ({ loaded }) => show(loaded) });
 */
export async function modelFiles(source: string, options: FetchOptions = {}): Promise<ModelFiles> {
  return (await import("./named-files.ts")).filesNamed(source, options);
}

/** Adds up what is fetched of several files: gives each file's own listener. */
export function tally(onProgress: FetchOptions["onProgress"]) {
  const files = new Map<string, readonly [loaded: number, total: number | undefined]>();
  return (file: string, size?: number) =>
    (loaded: number, total: number | undefined = size): void => {
      files.set(file, [loaded, total]);
      const known = [...files.values()].every(([, total]) => total !== undefined);
      const sum = (part: 0 | 1) => [...files.values()].reduce((all, pair) => all + (pair[part] ?? 0), 0);
      onProgress?.({ file, loaded: sum(0), total: known ? sum(1) : 0 });
    };
}

/** The error for a file that a model must have and has not; `otherwise` says so where the source has no better reason. */
export const missingFile = (files: ModelFiles, file: string, otherwise: string): FormatError =>
  new FormatError(files.whyMissing?.(file) ?? `${files.name}: ${otherwise}`);
