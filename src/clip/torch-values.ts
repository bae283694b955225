import { PickleClass, PickleObject, PickleOpaque, type PickleRules, type PickleValue } from "./pickle-values.ts";
import { DTYPE_BYTES, MAX_RANK, quote, sizeOf } from "./safetensors-layout.ts";
import { reach, type Strided } from "./strided.ts";

const DTYPES: ReadonlyMap<string, string> = new Map([
  ["HalfStorage", "F16"],
  ["BFloat16Storage", "BF16"],
  ["FloatStorage", "F32"],
  ["DoubleStorage", "F64"],
  ["LongStorage", "I64"],
  ["IntStorage", "I32"],
  ["ShortStorage", "I16"],
  ["CharStorage", "I8"],
  ["ByteStorage", "U8"],
  ["BoolStorage", "BOOL"],
]);

/** What PyTorch calls storages of a dtype. */
export const torchStorages: ReadonlyMap<string, string> = new Map([...DTYPES].map(([name, dtype]) => [dtype, name]));

/** So many names are kept of what was skipped. */
const MAX_SKIPPED = 1000;

/** A run of `length` elements, which tensors are views of; `key` says where in the file it is. */
export class TorchStorage extends PickleObject {
  readonly key: string;
  readonly dtype: string;
  readonly length: number;
  readonly byteLength: number;

  constructor(key: string, dtype: string, length: number, byteLength: number) {
    super();
    this.key = key;
    this.dtype = dtype;
    this.length = length;
    this.byteLength = byteLength;
  }
}

/** A view of a storage that has been checked to lie within it. */
export class TorchTensor extends PickleObject {
  readonly storage: TorchStorage;
  readonly view: Strided;
  readonly byteLength: number;

  constructor(storage: TorchStorage, view: Strided, byteLength: number) {
    super();
    this.storage = storage;
    this.view = view;
    this.byteLength = byteLength;
  }
}

/** A TorchScript object: its attributes and nothing else. */
export class TorchModule extends PickleObject {
  attributes: ReadonlyMap<PickleValue, PickleValue> = new Map();

  override setState(state: PickleValue): void {
    if (state instanceof Map) this.attributes = state;
  }
}

class StorageType extends PickleClass {
  readonly storage: string;

  constructor(storage: string) {
    super((_, refuse) => refuse("it calls something that is no function"));
    this.storage = storage;
  }
}

/**
 * What a checkpoint's pickle may name, and the storages that it turned out to have, by key.
 *
 * @param skipped where given, what else the pickle names is not refused: a placeholder stands for it, and its name is
 * added here
 */
export function torchRules(skipped?: Set<string>): { rules: PickleRules; storages: ReadonlyMap<string, TorchStorage> } {
  const storages = new Map<string, TorchStorage>();
  return {
    storages,
    rules: {
      find(module, name) {
        if (/^__torch__(\.|$)/.test(module)) return MODULE;
        if (module === "torch" && /^\w+Storage$/.test(name)) return new StorageType(name);
        const path = `${module}.${name}`;
        return KNOWN.get(path) ?? (skipped && skip(path, skipped));
      },
      persistent(id, refuse) {
        const [kind, type, key, , length, view] = Array.isArray(id) ? id : [];
        const known = kind === "storage" && type instanceof StorageType && typeof key === "string" && isSize(length);
        if (!known || (view ?? null) !== null) return refuse("it refers to data in a way that is not understood");
        const dtype = DTYPES.get(type.storage) ?? refuse(`numbers of torch.${type.storage} are not read; save others`);
        const byteLength = sizeOf([length], DTYPE_BYTES.get(dtype)!) ?? refuse("a storage is too large");
        const before = storages.get(key);
        if (before && (before.dtype !== dtype || before.length !== length))
          refuse(`storage ${quote(key)} has ${length} ${dtype}, but had ${before.length} ${before.dtype} before`);
        const storage = before ?? new TorchStorage(key, dtype, length, byteLength);
        storages.set(key, storage);
        return storage;
      },
    },
  };
}

function skip(path: string, skipped: Set<string>): PickleOpaque {
  if (skipped.size < MAX_SKIPPED) skipped.add(path);
  return new PickleOpaque(path);
}

const first = new PickleClass((args, refuse) => args[0] ?? refuse("a call lacks its arguments"));
const tensor = new PickleClass(([storage, offset, shape, strides, , , metadata], refuse) => {
  if (!(storage instanceof TorchStorage)) return refuse("a tensor has no storage");
  if (!isSize(offset) || !isSizes(shape) || !isSizes(strides) || strides.length !== shape.length)
    return refuse(`a tensor's offset, shape and strides must be whole numbers, for at most ${MAX_RANK} dimensions`);
  if (metadata instanceof Map && metadata.size > 0) refuse("a tensor is negated or conjugated only when it is used");
  const what = `a tensor of shape [${shape}], strides [${strides}] and offset ${offset}`;
  // copies, since a pickle could change its lists afterwards
  const view: Strided = { offset, shape: [...shape], strides: [...strides] };
  const count = sizeOf(shape, 1) ?? refuse(`${what} is too large`);
  if (!(reach(view) <= storage.length)) refuse(`${what} does not fit into its storage of ${storage.length}`);
  if (count > storage.length) refuse(`${what} repeats its numbers: save it with .contiguous()`);
  return new TorchTensor(storage, view, count * DTYPE_BYTES.get(storage.dtype)!);
});
const dict = new PickleClass((args, refuse) =>
  args.length === 0 ? new Map() : refuse("an OrderedDict is made of something, not filled afterwards"),
);
const MODULE = new PickleClass(() => new TorchModule());
const KNOWN = new Map<string, PickleClass>([
  ["collections.OrderedDict", dict],
  ["torch.Size", first],
  ["torch.device", first],
  ["torch._utils._rebuild_tensor", tensor],
  ["torch._utils._rebuild_tensor_v2", tensor],
  ["torch._utils._rebuild_parameter", first],
  ["torch._utils._rebuild_parameter_with_state", first],
  ["torch.jit._pickle.build_intlist", first],
  ["torch.jit._pickle.build_doublelist", first],
  ["torch.jit._pickle.build_boollist", first],
  ["torch.jit._pickle.build_tensorlist", first],
  ["torch.jit._pickle.restore_type_tag", first],
]);
const isSize = (value: PickleValue | undefined): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;
const isSizes = (value: PickleValue | undefined): value is number[] =>
  Array.isArray(value) && value.length <= MAX_RANK && value.every(isSize);
