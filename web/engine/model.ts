import config from "../../models/tiny-clip/config.json?url&no-inline";
import weights from "../../models/tiny-clip/model.safetensors?url&no-inline";
import pixels from "../../models/tiny-clip/preprocessor_config.json?url&no-inline";
import tokenizer from "../../models/tiny-clip/tokenizer.json?url&no-inline";
import { blobBytes } from "../../src/clip/bytes.ts";
import { BlobSink, receive } from "../../src/clip/download.ts";
import { type Clip, loadClip, type ModelFiles } from "../../src/clip/index.ts";
import type { FetchOptions } from "../../src/clip/source.ts";
import { checkSource, TINY, TINY_NAME } from "./model-source.ts";

/** The files of the model that comes with the page. */
const TINY_FILES: Readonly<Record<string, string>> = {
  "config.json": config,
  "model.safetensors": weights,
  "preprocessor_config.json": pixels,
  "tokenizer.json": tokenizer,
};

/**
 * Loads a model for the page.
 *
 * @param source "tiny", a model of the hub, or an address of the page's own origin
 * @throws InputError where it is none of these, the signal's reason where it is aborted
 */
export async function openModel(source: string, options: Pick<FetchOptions, "signal" | "onProgress">): Promise<Clip> {
  checkSource(source, location.origin);
  return source === TINY
    ? loadClip(tinyFiles(options.signal), options)
    : loadClip(source.startsWith("/") ? new URL(source, location.origin).href : source, options);
}

const tinyFiles = (signal: AbortSignal | undefined): ModelFiles => ({
  name: TINY_NAME,
  async open(file) {
    if (!Object.hasOwn(TINY_FILES, file)) return undefined;
    const { href } = new URL(TINY_FILES[file], location.href);
    const sink = new BlobSink();
    await receive({ url: href, signal }, sink);
    return blobBytes(sink.whole(), file);
  },
});
