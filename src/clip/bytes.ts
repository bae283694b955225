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

/** FormatError where a source of `size` bytes does not hold what is asked for. */
export function checkRange(name: string, size: number, offset: number, length: number): void {
  if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0))
    throw new FormatError(`${name}: cannot read ${length} bytes at ${offset}.`);
  if (offset + length > size)
    throw new FormatError(`${name} ends at byte ${size}, but bytes ${offset} to ${offset + length} are needed.`);
}
