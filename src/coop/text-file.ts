import { oneLine, textOf } from "../clip/bytes.ts";
import { FormatError } from "../tensor/errors.ts";

const MOST = 2 ** 28; // bytes: a list of a million pictures fits

/**
 * Reads a text that was named by the user (Node): a file, or what comes from a pipe, such as `/dev/stdin`. UTF-8, or
 * UTF-16 with a byte order mark.
 *
 * @throws InputError where it cannot be read, FormatError where it is longer than 256 MiB or in another encoding
 * @example const names = (await readTextFile("labels.txt")).split("\n");
 */
export async function readTextFile(path: string): Promise<string> {
  const { createReadStream } = await import("node:fs");
  const { unreadable } = await import("../clip/bytes-node.ts");
  const name = oneLine(path);
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of createReadStream(path) as AsyncIterable<Uint8Array>) {
      pieces.push(piece);
      size += piece.length;
      if (size > MOST) break;
    }
  } catch (error) {
    throw unreadable(name, error as NodeJS.ErrnoException);
  }
  if (size > MOST) throw new FormatError(`${name}: more than ${MOST} bytes are too many for a text.`);
  return textOf(Buffer.concat(pieces), name);
}
