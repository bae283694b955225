import { FormatError } from "../tensor/errors.ts";
import type { ByteSource } from "./bytes.ts";
import type { Checkpoint, StoredArray } from "./checkpoint.ts";
import { DTYPE_BYTES, MAX_NAME, MAX_RANK, quote, sizeOf } from "./safetensors-layout.ts";
import { parseStrictJson, type StrictJson, StrictJsonError } from "./strict-json.ts";

export { safetensorsPieces, type TensorToLoad, type TensorToStore, writeSafetensors } from "./safetensors-write.ts";

const MAX_HEADER = 100_000_000;
const MAX_TENSORS = 100_000;

/** Where one tensor lies: `offset` in bytes from the start of the file. */
export interface StoredTensor extends StoredArray {
  readonly offset: number;
}

/** An opened safetensors file; its tensors are in the order in which they lie in the file. */
export interface Safetensors extends Checkpoint {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Opens a safetensors file (u64 header length, JSON header, tensor bytes) and refuses, with a FormatError that
 * names the file and the tensor, everything that the format forbids: a header over 100 MB, text that is not UTF-8 or not
 * JSON, keys that come twice, unknown dtypes, sizes that disagree with the shape, overlaps, gaps, missing and
 * trailing bytes.
 *
 * @example
 * const file = await openSafetensors(await fileBytes("model.safetensors"));
 * file.tensors.get("logit_scale"); // { dtype: "F32", shape: [], byteLength: 4, offset: … }
 */
export async function openSafetensors(source: ByteSource): Promise<Safetensors> {
  const header = await readHeader(source);
  const metadata = readMetadata(source.name, header.json.get("__metadata__"));
  header.json.delete("__metadata__");
  const tensors = readTensors(source, header);
  const find = (name: string): StoredTensor => {
    const tensor = tensors.get(name);
    if (!tensor) throw new FormatError(`${source.name}: there is no tensor called ${quote(name)} in it.`);
    return tensor;
  };
  return {
    name: source.name,
    tensors,
    metadata,
    async read(name) {
      const { offset, byteLength } = find(name);
      return source.read(offset, byteLength);
    },
    async *stream(name, chunkBytes = 2 ** 23) {
      const { offset, byteLength } = find(name);
      for (let done = 0; done < byteLength; done += chunkBytes)
        yield await source.read(offset + done, Math.min(chunkBytes, byteLength - done));
    },
  };
}

interface Header {
  readonly json: Map<string, StrictJson>;
  /** where the tensor bytes begin */
  readonly end: number;
}

async function readHeader(source: ByteSource): Promise<Header> {
  const { name, size } = source;
  const refuse = (why: string): never => {
    throw new FormatError(`${name}: ${why}`);
  };
  if (size === 0) refuse("0 bytes: the download did not finish; fetch it again.");
  const start = await source.read(0, Math.min(size, 16));
  const length = size < 10 ? 0n : new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  const plausible = length >= 2n && length <= BigInt(MAX_HEADER);
  const other = plausible ? undefined : otherFormat(start);
  if (other) refuse(`it is not a safetensors file but ${other}`);
  if (size < 10)
    refuse(`${size} bytes are too few for a safetensors file: the download did not finish; fetch it again.`);
  if (!plausible)
    refuse(`its header claims ${length} bytes, not 2 to ${MAX_HEADER}: it is no safetensors file, or a damaged one.`);
  const end = 8 + Number(length);
  if (end > size)
    refuse(
      `its header claims ${length} bytes, but only ${size - 8} follow: the download did not finish; fetch it again.`,
    );
  if (start[8] !== 0x7b) refuse('byte 8: its header must begin with "{": it is no safetensors file, or a damaged one.');

  const bytes = await source.read(8, Number(length));
  let text = "";
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    refuse("its header is not UTF-8 text: the file is damaged; fetch it again.");
  }
  try {
    return { json: parseStrictJson(text) as Map<string, StrictJson>, end };
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    const byte = 8 + new TextEncoder().encode(text.slice(0, error.at)).length;
    return refuse(`byte ${byte} of its header: ${error.message}. The file is damaged; fetch or save it again.`);
  }
}

function readMetadata(file: string, value: StrictJson | undefined): Map<string, string> {
  if (value === undefined) return new Map();
  if (!(value instanceof Map)) throw new FormatError(`${file}: __metadata__ must be an object of strings.`);
  for (const [key, text] of value)
    if (typeof text !== "string") throw new FormatError(`${file}: __metadata__ ${quote(key)} must be a string.`);
  return value as Map<string, string>;
}

function readTensors(source: ByteSource, header: Header): Map<string, StoredTensor> {
  const { name: file, size } = source;
  if (header.json.size > MAX_TENSORS)
    throw new FormatError(`${file}: ${header.json.size} tensors are over the limit of ${MAX_TENSORS}.`);
  const found = [...header.json].map(([name, info]) => [name, readTensor(file, name, info, header.end)] as const);
  found.sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength);
  let end = header.end;
  for (const [name, { offset, byteLength }] of found) {
    if (offset !== end) {
      const what = offset < end ? "overlaps the tensor before it" : `leaves a gap of ${offset - end} bytes before it`;
      throw new FormatError(`${file}: tensor ${quote(name)} ${what}. The file is damaged; fetch or save it again.`);
    }
    end += byteLength;
    if (end > size)
      throw new FormatError(
        `${file}: tensor ${quote(name)} needs bytes up to ${end}, but the file ends at ${size}: the download did not finish; fetch it again.`,
      );
  }
  if (end < size)
    throw new FormatError(
      `${file}: ${size - end} bytes follow the last tensor. The file is damaged; fetch or save it again.`,
    );
  return new Map(found);
}

function readTensor(file: string, name: string, info: StrictJson, base: number): StoredTensor {
  const refuse = (why: string): never => {
    throw new FormatError(`${file}: tensor ${quote(name)}: ${why}. The file is damaged; fetch or save it again.`);
  };
  if (name.length > MAX_NAME) refuse(`its name has ${name.length} characters, over the limit of ${MAX_NAME}`);
  if (!(info instanceof Map)) return refuse("its entry must be an object");
  for (const key of info.keys())
    if (!["dtype", "shape", "data_offsets"].includes(key)) refuse(`its entry has an unknown key ${quote(key)}`);
  const [dtype, shape, offsets] = [info.get("dtype"), info.get("shape"), info.get("data_offsets")];
  const bytes = typeof dtype === "string" ? DTYPE_BYTES.get(dtype) : refuse("its dtype must be a string");
  if (bytes === undefined) return refuse(`its dtype ${quote(dtype as string)} is not known`);
  if (!isNumbers(shape)) return refuse("its shape must be a list of whole numbers");
  if (shape.length > MAX_RANK) refuse(`it has ${shape.length} dimensions, over the limit of ${MAX_RANK}`);
  if (!isNumbers(offsets) || offsets.length !== 2) return refuse("its data_offsets must be two whole numbers");
  const [begin, end] = offsets;
  if (begin > end) refuse(`its data_offsets [${begin}, ${end}] run backwards`);
  const byteLength = sizeOf(shape, bytes);
  if (byteLength === undefined) return refuse(`its shape [${shape}] is too large`);
  if (byteLength !== end - begin)
    refuse(`${dtype} [${shape}] takes ${byteLength} bytes, but its data_offsets hold ${end - begin}`);
  return { dtype: dtype as string, shape, offset: base + begin, byteLength };
}

/** What a file that is no safetensors file is, by its first bytes, with what to do about it. */
function otherFormat(start: Uint8Array): string | undefined {
  const text = String.fromCharCode(...start);
  if (/^\s*<(!doctype|html|\?xml|head)/i.test(text)) return "a web page: the download failed; fetch it again.";
  if (text.startsWith("version https://"))
    return "a Git LFS pointer: run `git lfs pull` to get the weights themselves.";
  if (text.startsWith("PK\x03\x04")) return "a ZIP archive (a PyTorch .pt file?), which openTorchFile reads.";
  if (start[0] === 0x80 && start[1] >= 2 && start[1] <= 5)
    return "a Python pickle (an old .bin or .pt file?), which openTorchFile reads.";
  if (/^\s*\{\s*"/.test(text)) return "a JSON text: is it the model's configuration?";
  return undefined;
}

const isNumbers = (value: StrictJson | undefined): value is number[] =>
  Array.isArray(value) && value.every((n) => typeof n === "number");
