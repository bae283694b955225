import { FormatError } from "../tensor/errors.ts";
import { type ByteSource, memoryBytes } from "./bytes.ts";
import type { Checkpoint, StoredArray } from "./checkpoint.ts";
import { parsePickle } from "./pickle.ts";
import { DTYPE_BYTES, quote } from "./safetensors-layout.ts";
import { gather, isContiguous, reach, type Strided } from "./strided.ts";
import { MAX_PICKLE, readLegacyTorch, type TorchContents } from "./torch-legacy.ts";
import { namedTensors, type PlainValue, plainValues } from "./torch-names.ts";
import { torchRules } from "./torch-values.ts";
import { readZip, type ZipEntry, zipDataOffset } from "./zip.ts";

/**
 * Whether a file that starts so (16 bytes will do) is one that PyTorch writes: a ZIP archive or a pickle.
 * @example isTorchFile(bytes.subarray(0, 16))
 */
export function isTorchFile(start: Uint8Array): boolean {
  // a safetensors header of 640 bytes begins like a pickle: 80 02 00 00 00 00 00 00 7b
  if (start[8] === 0x7b && start.subarray(4, 8).every((byte) => byte === 0)) return false;
  return isZip(start) || (start[0] === 0x80 && start[1] >= 2 && start[1] <= 5);
}

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
export async function openTorchFile(source: ByteSource, options: TorchOptions = {}): Promise<TorchCheckpoint> {
  const start = await source.read(0, Math.min(source.size, 16));
  if (!isTorchFile(start))
    throw new FormatError(`${source.name} is no PyTorch file: it is neither a ZIP nor a pickle.`);
  const skipped = options.skipUnknown ? new Set<string>() : undefined;
  const { root, storages } = await (isZip(start) ? readArchive : readLegacyTorch)(source, skipped);
  const tensors = new Map<string, TorchArray>();
  for (const [name, { storage, view, byteLength }] of namedTensors(root, source.name)) {
    const place = storages.get(storage.key);
    if (!place || place.byteLength < storage.byteLength || place.offset + storage.byteLength > source.size)
      throw new FormatError(
        `${source.name}: tensor ${quote(name)} needs ${storage.byteLength} bytes of storage ${quote(storage.key)}, but the file has ${place ? "fewer" : "none"}: it is damaged; fetch it again.`,
      );
    const width = DTYPE_BYTES.get(storage.dtype)!;
    const offset = place.offset + view.offset * width;
    tensors.set(name, { dtype: storage.dtype, shape: view.shape, byteLength, offset, width, view });
  }
  const find = (name: string): TorchArray => {
    const tensor = tensors.get(name);
    if (!tensor) throw new FormatError(`${source.name}: there is no tensor called ${quote(name)} in it.`);
    return tensor;
  };
  const read = async ({ offset, byteLength, width, view }: TorchArray): Promise<Uint8Array> =>
    isContiguous(view)
      ? source.read(offset, byteLength)
      : gather(await source.read(offset, (reach(view) - view.offset) * width), view, width);
  return {
    name: source.name,
    tensors,
    values: plainValues(root),
    skipped: [...(skipped ?? [])].sort(),
    read: async (name) => read(find(name)),
    async *stream(name, chunkBytes = 2 ** 23) {
      const tensor = find(name);
      const whole = isContiguous(tensor.view) ? undefined : memoryBytes(await read(tensor), source.name);
      const [from, base] = whole ? [whole, 0] : [source, tensor.offset];
      for (let done = 0; done < tensor.byteLength; done += chunkBytes)
        yield await from.read(base + done, Math.min(chunkBytes, tensor.byteLength - done));
    },
  };
}

/** How a PyTorch file is opened. */
export interface TorchOptions {
  /**
   * For what a training saved beside its weights: classes and functions that are no tensors (an optimizer, a schedule)
   * do not refuse the file; nothing of them is run, made or kept but the names. Among the tensors they are refused still.
   */
  readonly skipUnknown?: boolean;
}

/** A checkpoint in PyTorch's format. */
export interface TorchCheckpoint extends Checkpoint {
  /** Plain values that stand beside the state dict: `epoch`, for instance. */
  readonly values: ReadonlyMap<string, PlainValue>;
  /** Names of the classes and functions that were skipped. */
  readonly skipped: readonly string[];
}

interface TorchArray extends StoredArray {
  /** of its first element, in bytes from the start of the file */
  readonly offset: number;
  /** bytes of an element */
  readonly width: number;
  readonly view: Strided;
}

/** What a ZIP archive holds: `<top>/data.pkl`, which describes the tensors, and their storages `<top>/data/<key>`. */
async function readArchive(source: ByteSource, skipped?: Set<string>): Promise<TorchContents> {
  const entries = await readZip(source);
  const [pickle, another] = [...entries.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  if (!pickle || another)
    throw new FormatError(
      `${source.name} is a ZIP archive with ${pickle ? "several" : "no"} data.pkl: it is not a PyTorch checkpoint.`,
    );
  const top = pickle.name.slice(0, -"data.pkl".length);
  const order = entries.get(`${top}byteorder`);
  if (order && /big/.test(String.fromCharCode(...(await readEntry(source, order, 16)))))
    throw new FormatError(`${source.name}: its numbers are big-endian, which is not read. Save it on another machine.`);

  const { rules, storages } = torchRules(skipped);
  const bytes = await readEntry(source, pickle, MAX_PICKLE);
  const { value } = parsePickle(bytes, source.name, rules, await zipDataOffset(source, pickle));
  const found = new Map<string, { offset: number; byteLength: number }>();
  for (const key of storages.keys()) {
    const entry = entries.get(`${top}data/${key}`);
    if (entry) found.set(key, { offset: await zipDataOffset(source, entry), byteLength: entry.size });
  }
  return { root: value, storages: found };
}

async function readEntry(source: ByteSource, entry: ZipEntry, limit: number): Promise<Uint8Array> {
  if (entry.size > limit)
    throw new FormatError(`${source.name}: entry ${quote(entry.name)} is over the limit of ${limit} bytes.`);
  return source.read(await zipDataOffset(source, entry), entry.size);
}

const isZip = (start: Uint8Array): boolean => [0x50, 0x4b, 3, 4].every((byte, i) => start[i] === byte);
