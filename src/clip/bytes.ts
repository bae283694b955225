import { FormatError, InputError, oneLine } from "../tensor/errors.ts";

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
  const { open, stat } = await import("node:fs/promises");
  const name = oneLine(path);
  const info = await stat(path).catch((error) => Promise.reject(unreadable(name, error)));
  // asked before opening: opening a pipe would wait for ever
  if (!info.isFile()) throw new InputError(`${name} is ${info.isDirectory() ? "a folder" : "not a plain file"}.`);
  const handle = await open(path, "r").catch((error) => Promise.reject(unreadable(name, error)));
  return {
    name,
    size: info.size,
    async read(offset, length) {
      checkRange(name, info.size, offset, length);
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        // one call reads at most 2^31 - 1 bytes
        const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, 2 ** 30), offset + done);
        if (bytesRead === 0) throw new FormatError(`${name} became shorter while it was being read.`);
        done += bytesRead;
      }
      return bytes;
    },
    close: () => handle.close(),
  };
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

function checkRange(name: string, size: number, offset: number, length: number): void {
  if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0))
    throw new FormatError(`${name}: cannot read ${length} bytes at ${offset}.`);
  if (offset + length > size)
    throw new FormatError(`${name} ends at byte ${size}, but bytes ${offset} to ${offset + length} are needed.`);
}

function unreadable(name: string, error: NodeJS.ErrnoException): InputError {
  const why: Record<string, string> = {
    ENOENT: "there is no such file. Check the path.",
    EACCES: "reading it is not permitted. Check the file's permissions.",
    ELOOP: "it is a loop of symbolic links.",
    ENAMETOOLONG: "the name is too long.",
  };
  return new InputError(`${name}: ${why[error.code ?? ""] ?? error.message}`, { cause: error });
}
