import { FormatError, oneLine } from "../tensor/errors.ts";

export { oneLine } from "../tensor/errors.ts";

/** A named run of bytes that is read in pieces, so that a file of any size never has to be in memory whole. */
export interface ByteSource {
  readonly name: string;
  /** in bytes */
  readonly size: number;
  /** Exactly `length` bytes from `offset`; a FormatError if the source does not hold them. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A file on disk (Node), held open until `close()`. InputError if it is missing, not a file, or may not be read. */
export async function fileBytes(path: string): Promise<ByteSource & { close(): Promise<void> }> {
  return (await import("./bytes-node.ts")).openFile(path);
}

/** A Blob or File (a browser's file input, or a fetched response). */
export function blobBytes(blob: Blob, name = blob instanceof File ? blob.name : "blob"): ByteSource {
  const label = oneLine(name);
  return {
    name: label,
    size: blob.size,
    async read(offset, length) {
      checkRange(label, blob.size, offset, length);
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    },
  };
}

/** Bytes already in memory; reads are copies. */
export function memoryBytes(bytes: Uint8Array, name = "bytes"): ByteSource {
  const label = oneLine(name);
  return {
    name: label,
    size: bytes.byteLength,
    async read(offset, length) {
      checkRange(label, bytes.byteLength, offset, length);
      return bytes.slice(offset, offset + length);
    },
  };
}

/**
 * Bytes as a text: UTF-8, or UTF-16 where they begin with its byte order mark; the mark is left out.
 *
 * @throws FormatError where they are neither: letters of another encoding would silently become other names
 */
export function textOf(bytes: Uint8Array, name: string): string {
  try {
    return textDecoder(bytes, true).decode(bytes);
  } catch (cause) {
    throw new FormatError(`${name} is not a text in UTF-8; save it as UTF-8.`, { cause });
  }
}

/** A decoder for a text that begins like this; one that is not `strict` puts U+FFFD in place of what it cannot read. */
export function textDecoder([first, second]: Uint8Array, strict: boolean): TextDecoder {
  const mark = 256 * first + second;
  return new TextDecoder(mark === 0xfffe ? "utf-16le" : mark === 0xfeff ? "utf-16be" : "utf-8", { fatal: strict });
}

/** FormatError where a source of `size` bytes does not hold what is asked for. */
export function checkRange(name: string, size: number, offset: number, length: number): void {
  if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0))
    throw new FormatError(`${name}: cannot read ${length} bytes at ${offset}.`);
  if (offset + length > size)
    throw new FormatError(`${name} ends at byte ${size}, but bytes ${offset} to ${offset + length} are needed.`);
}
