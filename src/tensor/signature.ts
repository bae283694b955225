import { CoopError } from "./errors.ts";
import { sameShape } from "./shape.ts";
import { kindOf, Tensor } from "./tensor.ts";
import { isBranch } from "./tree.ts";

/** What the arguments of a call are made of: a trace serves every call of the same pattern. */
export type Pattern =
  | { readonly kind: "tensor"; readonly like: Pick<Tensor, "shape" | "dtype"> }
  | { readonly kind: "number" }
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "array"; readonly items: readonly Pattern[] }
  | { readonly kind: "object"; readonly keys: readonly string[]; readonly items: readonly Pattern[] };

/** @throws CoopError for what a compiled function cannot take */
export function patternOf(value: unknown): Pattern {
  if (Array.isArray(value)) return { kind: "array", items: value.map(patternOf) };
  if (isBranch(value)) {
    const keys = Object.keys(value).sort();
    return { kind: "object", keys, items: keys.map((key) => patternOf(value[key])) };
  }
  if (value instanceof Tensor) return { kind: "tensor", like: { shape: value.shape, dtype: value.dtype } };
  if (typeof value === "number") return { kind: "number" };
  if (value === null || ["string", "boolean", "undefined", "bigint"].includes(typeof value))
    return { kind: "value", value };
  throw new CoopError(`a compiled function takes trees of tensors, numbers and plain values, not ${kindOf(value)}`);
}

/** Whether a value has a pattern; its tensors and numbers are then appended in the order of `treeLeaves`. */
export function matches(pattern: Pattern, value: unknown, tensors: Tensor[], numbers: number[]): boolean {
  switch (pattern.kind) {
    case "tensor": {
      const { shape, dtype } = pattern.like;
      if (!(value instanceof Tensor) || value.dtype !== dtype || !sameShape(value.shape, shape)) return false;
      tensors.push(value);
      return true;
    }
    case "number":
      if (typeof value !== "number") return false;
      numbers.push(value);
      return true;
    case "value":
      return Object.is(value, pattern.value);
    case "array":
      return (
        Array.isArray(value) &&
        value.length === pattern.items.length &&
        pattern.items.every((item, i) => matches(item, value[i], tensors, numbers))
      );
    case "object": {
      if (!isBranch(value) || Array.isArray(value)) return false;
      const { keys, items } = pattern;
      if (Object.keys(value).length !== keys.length) return false;
      return items.every((item, i) => keys[i] in value && matches(item, value[keys[i]], tensors, numbers));
    }
  }
}
