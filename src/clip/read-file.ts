import { FormatError } from "../tensor/errors.ts";
import { inBrowser } from "../tensor/runtime.ts";
import { textOf } from "./bytes.ts";
import type { ModelFiles, OpenFile } from "./source.ts";

const MAX_TEXT = 2 ** 26;

/** A text file of the model, unpacked if its name ends in .gz; undefined where it is absent. FormatError if it is not UTF-8. */
export async function readText(files: ModelFiles, file: string): Promise<string | undefined> {
  const source = await files.open(file);
  if (!source) return undefined;
  try {
    if (source.size > MAX_TEXT)
      throw new FormatError(`${source.name}: ${source.size} bytes are too many for this file`);
    const bytes = await source.read(0, source.size);
    return file.endsWith(".gz") ? await unpack(bytes, source.name) : textOf(bytes, source.name);
  } finally {
    await source.close?.();
  }
}

async function unpack(bytes: Uint8Array, name: string): Promise<string> {
  const packed = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
  const reader = packed.pipeThrough(new DecompressionStream("gzip")).getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
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
export async function sha256(source: OpenFile): Promise<string> {
  if (source.sha256 !== undefined) return source.sha256;
  if (!inBrowser()) return (await import("./sha256-node.ts")).sha256InPieces(source);
  return digestOf((await source.read(0, source.size)) as Uint8Array<ArrayBuffer>);
}

export const sha256OfText = (text: string): Promise<string> =>
  digestOf(new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>);

async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
