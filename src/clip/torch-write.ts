import { FormatError, InputError } from "../tensor/errors.ts";
import { bytesOf, type Code, dict, FALSE, int, NONE, orderedDict, pickle, storage, TRUE, tensor, text } from "./pickle-write.ts"; // biome-ignore format: one row
import { DTYPE_BYTES, quote, sizeOf } from "./safetensors-layout.ts";
import type { TensorToStore } from "./safetensors-write.ts";
import { torchStorages } from "./torch-values.ts";
import { writeZip } from "./zip-write.ts";

/** What `writeTorchFile` can write: a Map becomes an OrderedDict, as state dicts are; a plain object a dict. */
export type TorchValue =
  | null
  | boolean
  | number
  | string
  | TensorToStore
  | ReadonlyMap<string, TorchValue>
  | { readonly [key: string]: TorchValue };

/**
 * The bytes of a file as torch.save writes it, for torch.load, with `weights_only` too: tensors, texts, whole numbers,
 * True, False, None and dicts of them. Tensors come back contiguous and on the CPU. The same value gives the same bytes.
 *
 * @param name the top folder in the archive, as torch.save takes it from the file's name
 * @throws InputError for a number that is not whole, FormatError for a tensor that PyTorch does not have
 * @example
 * const context = { dtype: "F32", shape: [16, 512], data: bytes };
 * writeTorchFile({ state_dict: new Map([["ctx", context]]), epoch: 50 });
 */
export function writeTorchFile(value: TorchValue, name = "archive"): Uint8Array<ArrayBuffer> {
  const data: [string, Uint8Array][] = [];
  const codeOf = (value: TorchValue): Code => {
    if (value === null) return NONE;
    if (typeof value === "boolean") return value ? TRUE : FALSE;
    if (typeof value === "string") return text(value);
    if (typeof value === "number") {
      if (Number.isSafeInteger(value)) return int(value);
      throw new InputError(`${value} cannot be written into a PyTorch file: it is not a whole number.`);
    }
    if (value instanceof Map) return orderedDict([...value].map(([key, inner]) => [text(key), codeOf(inner)]));
    if (!isTensor(value as object))
      return dict(Object.entries(value).map(([key, inner]) => [text(key), codeOf(inner)]));
    const stored = value as TensorToStore;
    const key = `${data.length}`;
    data.push([`${name}/data/${key}`, stored.data]);
    return tensorCode(stored, key);
  };
  const root = pickle(codeOf(value));
  return writeZip([
    [`${name}/data.pkl`, root],
    [`${name}/byteorder`, bytesOf("little")],
    ...data,
    [`${name}/version`, bytesOf("3\n")],
  ]);
}

const isTensor = (value: object): boolean => "data" in value && value.data instanceof Uint8Array;

function tensorCode({ dtype, shape, data }: TensorToStore, key: string): Code {
  const type = torchStorages.get(dtype);
  const count = sizeOf(shape, 1);
  if (!type || count === undefined || count * DTYPE_BYTES.get(dtype)! !== data.byteLength)
    throw new FormatError(`${data.byteLength} bytes are no ${quote(dtype)} [${shape}] that PyTorch could read.`);
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, n) => product * Math.max(1, n), 1));
  return tensor(storage(type, key, count), shape, strides);
}
