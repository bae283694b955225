import type { ByteSource } from "./bytes.ts";
import type { TorchCheckpoint, TorchOptions } from "./torch-file.ts";

/**
 * Whether a file that starts so (16 bytes will do) is one that PyTorch writes: a ZIP archive or a pickle.
 * @example isTorchFile(bytes.subarray(0, 16))
 */
export function isTorchFile(start: Uint8Array): boolean {
  // a safetensors header of 640 bytes begins like a pickle: 80 02 00 00 00 00 00 00 7b
  if (start[8] === 0x7b && start.subarray(4, 8).every((byte) => byte === 0)) return false;
  return isZip(start) || (start[0] === 0x80 && start[1] >= 2 && start[1] <= 5);
}

/** Whether a file that starts so is a ZIP archive. */
export const isZip = (start: Uint8Array): boolean => [0x50, 0x4b, 3, 4].every((byte, i) => start[i] === byte);

/**
 * Opens a PyTorch checkpoint: a TorchScript archive (as OpenAI's CLIP files are), or what torch.save makes of a state
 * dict, alone or under "state_dict" or "model", in its ZIP format or the one before PyTorch 1.6. Names are those of the
 * state dict; a "module." before all of them is dropped. Nothing in the file is ever run: one that asks for more than
 * tensors and plain data is refused, as is a damaged one, with a FormatError that names the file and the byte.
 *
 * ```ts
 * const checkpoint = await openTorchFile(await fileBytes("ViT-B-32.pt"));
 * checkpoint.tensors.get("visual.proj");        // { dtype: "F16", shape: [768, 512], byteLength: 786432 }
 * ```
 */
export async function openTorchFile(source: ByteSource, options?: TorchOptions): Promise<TorchCheckpoint> {
  const { readTorchFile } = await import("./torch-file.ts");
  return readTorchFile(source, options);
}
