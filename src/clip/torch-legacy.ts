import { FormatError } from "../tensor/errors.ts";
import type { ByteSource } from "./bytes.ts";
import { parsePickle } from "./pickle.ts";
import { PickleCutError } from "./pickle-reader.ts";
import type { PickleRules, PickleValue } from "./pickle-values.ts";
import { torchRules } from "./torch-values.ts";

/** in bytes: the pickle only names and describes tensors */
export const MAX_PICKLE = 2 ** 25;
const MAGIC = 0x1950a86a20f9469cfc6cn;

/** The object that was saved, and where the bytes of each storage lie in the file. */
export interface TorchContents {
  readonly root: PickleValue;
  readonly storages: ReadonlyMap<string, { readonly offset: number; readonly byteLength: number }>;
}

/**
 * What torch.save wrote before PyTorch 1.6: pickles of a magic number, a version, the machine's properties, the object,
 * and its storages' keys, then each storage as its length (u64) and its numbers.
 */
export async function readLegacyTorch(source: ByteSource, skipped?: Set<string>): Promise<TorchContents> {
  const { name, size } = source;
  const { rules, storages } = torchRules(skipped);
  let at = 0;
  const next = async (): Promise<PickleValue> => {
    const { value, length } = await pickleAt(source, at, rules);
    at += length;
    return value;
  };
  const refuse = (why: string) => new FormatError(`${name}: ${why}`);
  if ((await next()) !== MAGIC)
    throw refuse("it is a Python pickle, but not one of PyTorch. Use the model's .safetensors file.");
  await next();
  const machine = await next();
  if (machine instanceof Map && machine.get("little_endian") === false)
    throw refuse("its numbers are big-endian, which is not read. Save it again on another machine.");
  const root = await next();
  const keys = await next();
  if (!Array.isArray(keys)) throw refuse(`byte ${at}: its storages are not listed: it is damaged; fetch it again.`);
  const found = new Map<string, { offset: number; byteLength: number }>();
  for (const key of keys) {
    const storage = typeof key === "string" ? storages.get(key) : undefined;
    const length = await source.read(at, 8);
    if (!storage || new DataView(length.buffer, length.byteOffset).getBigUint64(0, true) !== BigInt(storage.length))
      throw refuse(`byte ${at}: a storage is not what was announced: the file is damaged; fetch it again.`);
    found.set(storage.key, { offset: at + 8, byteLength: storage.byteLength });
    at += 8 + storage.byteLength;
  }
  if (at > size) throw refuse(`it should have ${at} bytes, but ends at ${size}: the download did not finish.`);
  return { root, storages: found };
}

/** Its length is not known beforehand, so more and more is read until it ends. */
async function pickleAt(source: ByteSource, at: number, rules: PickleRules) {
  const most = Math.min(source.size - at, MAX_PICKLE);
  for (let length = 2 ** 16; ; length *= 4)
    try {
      return parsePickle(await source.read(at, Math.min(length, most)), source.name, rules, at);
    } catch (error) {
      if (!(error instanceof PickleCutError) || length >= most) throw error;
    }
}
