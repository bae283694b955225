import { FormatError, InputError } from "../tensor/errors.ts";
import { type ByteSource, checkRange, oneLine } from "./bytes.ts";

/** What `fileBytes` does. */
export async function openFile(path: string): Promise<ByteSource & { close(): Promise<void> }> {
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

/** What is said of a file that cannot be opened or read. */
export function unreadable(name: string, error: NodeJS.ErrnoException): InputError {
  const why: Record<string, string> = {
    EISDIR: "it is a folder.",
    ENOTDIR: "a part of the path is a file, not a folder. Check the path.",
    ENOENT: "there is no such file. Check the path.",
    EACCES: "reading it is not permitted. Check the file's permissions.",
    ELOOP: "it is a loop of symbolic links.",
    ENAMETOOLONG: "the name is too long.",
  };
  return new InputError(`${name}: ${why[error.code ?? ""] ?? error.message}`, { cause: error });
}
