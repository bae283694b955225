import type { ByteSource } from "../clip/bytes.ts";
import { openSafetensors, type Safetensors } from "../clip/safetensors.ts";
import { safetensorsPieces, type TensorToLoad } from "../clip/safetensors-write.ts";
import { FormatError } from "../tensor/errors.ts";

/** The last tensor of a hashed file: the SHA-256 of all bytes before it. */
const HASH = "sha256";

/** The bytes of a safetensors file that ends with the hash of the rest, one tensor in memory at a time (Node). */
export async function* hashedPieces(
  tensors: readonly (readonly [string, TensorToLoad])[],
  metadata: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  let complete = false;
  const load = async () => {
    complete = true;
    return new Uint8Array(hash.digest());
  };
  // bytes come after all wider elements
  for await (const piece of safetensorsPieces([...tensors, [HASH, { dtype: "U8", shape: [32], load }]], metadata)) {
    if (!complete) hash.update(piece);
    yield piece;
  }
}

/** Opens what `hashedPieces` made (Node). FormatError where a byte of it is another, or it has no hash. */
export async function openHashed(source: ByteSource): Promise<Safetensors> {
  const file = await openSafetensors(source);
  const stored = file.tensors.get(HASH);
  const end = source.size - 32;
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  for (let at = 0; at < end; at += 2 ** 20) hash.update(await source.read(at, Math.min(2 ** 20, end - at)));
  if (stored?.offset !== end || hash.digest().compare(await file.read(HASH)) !== 0)
    throw new FormatError(`${file.name}: it was changed since it was written, or an older coop wrote it.`);
  return file;
}
