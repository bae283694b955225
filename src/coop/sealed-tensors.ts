import { crc32 } from "../clip/crc32.ts";
import { type Safetensors, writeSafetensors } from "../clip/safetensors.ts";
import type { TensorToStore } from "../clip/safetensors-write.ts";
import { FormatError } from "../tensor/errors.ts";

/*
 * Safetensors checks how a file is laid out, not the numbers in it: a bit that fell over in one of them is read without
 * a word. What coop writes carries checksums of them.
 */

const sealOf = (name: string): string => `crc32 ${name}`;
const hex = (crc: number): string => crc.toString(16).padStart(8, "0");

/** The bytes of a safetensors file with a CRC-32 of each tensor in its metadata. */
export function sealedTensors(
  tensors: readonly (readonly [string, TensorToStore])[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): Uint8Array {
  const seals = tensors.map(([name, { data }]) => [sealOf(name), hex(crc32(data))]);
  return writeSafetensors(tensors, { ...metadata, ...Object.fromEntries(seals) });
}

/** The bytes of a tensor. FormatError where they are not those that were sealed; files of others have no seals. */
export async function readSealed(file: Safetensors, name: string): Promise<Uint8Array> {
  const bytes = await file.read(name);
  const seal = file.metadata.get(sealOf(name));
  if (seal !== undefined && seal !== hex(crc32(bytes)))
    throw new FormatError(
      `${file.name}: the numbers of "${name}" were changed since they were written: it is damaged.`,
    );
  return bytes;
}
