import { FormatError } from "../tensor/errors.ts";
import { PickleOpaque, type PickleValue, type Refuse } from "./pickle-values.ts";
import { MAX_NAME, quote } from "./safetensors-layout.ts";
import { TorchModule, TorchTensor } from "./torch-values.ts";

const MAX_TENSORS = 20_000;
/** of modules in modules */
const MAX_DEPTH = 64;
const MAX_ATTRIBUTES = 1_000_000;

/** The tensors of a saved object by their names in its state dict. */
export function namedTensors(root: PickleValue, file: string): Map<string, TorchTensor> {
  const found = new Map<string, TorchTensor>();
  let attributes = 0;
  const refuse: Refuse = (why) => {
    throw new FormatError(`${file}: ${why}`);
  };
  const visit = (members: ReadonlyMap<PickleValue, PickleValue>, prefix: string, depth: number): void => {
    if (depth > MAX_DEPTH) refuse(`its modules are nested deeper than ${MAX_DEPTH}.`);
    for (const [key, value] of members) {
      if (++attributes > MAX_ATTRIBUTES) refuse(`its modules have over ${MAX_ATTRIBUTES} attributes.`);
      if (value instanceof PickleOpaque)
        refuse(
          `${quote(String(key))} among its tensors is made by ${quote(value.name)}, which is code and is not run.`,
        );
      if (!(value instanceof TorchTensor || value instanceof TorchModule)) continue;
      if (typeof key !== "string") refuse("a tensor in it has something other than a text for a name.");
      const name = prefix + key;
      if (name.length > MAX_NAME) refuse(`tensor ${quote(name)} has a name of over ${MAX_NAME} characters.`);
      if (value instanceof TorchModule) visit(value.attributes, `${name}.`, depth + 1);
      else if (found.has(name)) refuse(`tensor ${quote(name)} comes twice.`);
      else found.set(name, value);
      if (found.size > MAX_TENSORS) refuse(`it has over ${MAX_TENSORS} tensors.`);
    }
  };
  visit(stateDict(root) ?? refuse("it holds neither a state dict nor a TorchScript module."), "", 0);
  if (found.size === 0)
    refuse('it has no tensors, neither by themselves nor under "state_dict" or "model". Save model.state_dict().');
  const wrapped = [...found.keys()].every((name) => /^module\../.test(name)); // by DataParallel, while training
  return wrapped ? new Map([...found].map(([name, tensor]) => [name.slice(7), tensor])) : found;
}

/** What stands beside the tensors of a saved training and is a plain value: epoch 50, say. */
export function plainValues(root: PickleValue): Map<string, PlainValue> {
  const entries = root instanceof Map ? [...root] : [];
  return new Map(
    entries.filter((entry): entry is [string, PlainValue] => typeof entry[0] === "string" && isPlain(entry[1])),
  );
}

/** A number, a text, a flag, or None. */
export type PlainValue = null | boolean | number | string;

const isPlain = (value: PickleValue): value is PlainValue =>
  value === null || ["boolean", "number", "string"].includes(typeof value);

function stateDict(root: PickleValue): ReadonlyMap<PickleValue, PickleValue> | undefined {
  if (root instanceof TorchModule) return root.attributes;
  if (!(root instanceof Map)) return undefined;
  for (const key of ["state_dict", "model"]) {
    const inner = root.get(key);
    if (inner instanceof Map) return inner;
  }
  return root;
}
