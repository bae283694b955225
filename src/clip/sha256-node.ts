import { createHash } from "node:crypto";
import type { ByteSource } from "./bytes.ts";

const PIECE = 2 ** 20; // what is read becomes garbage

/** SHA-256 of a file of any size, in hexadecimal. */
export async function sha256InPieces(source: ByteSource): Promise<string> {
  const hash = createHash("sha256");
  for (let at = 0; at < source.size; at += PIECE) hash.update(await source.read(at, Math.min(PIECE, source.size - at)));
  return hash.digest("hex");
}
