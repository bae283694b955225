import { checkDType, type DType, type HostArray, holds, isFloat, toBytes } from "./dtype.ts";
import { CoopError, DonatedError, DTypeError, ShapeError } from "./errors.ts";
import { evaluate, readStorage } from "./evaluate.ts";
import { type Attrs, type Aval, defineOp, type Op } from "./op.ts";
import { checkShape, type Shape, showShape, sizeOf } from "./shape.ts";
import { capturing, noteSite, siteOf } from "./site.ts";
import { Storage } from "./storage.ts";

let created = 0;

/**
 * A node of a pure graph: an op applied to inputs. Nothing is computed until someone reads it (`data`, `item`) or a
 * compiled function uses it. Immutable. A tensor that has been computed holds memory of the device until `free()` or
 * until it is garbage.
 *
 * @example
 * const x = tensor([[1, 2], [3, 4]]);
 * await matmul(x, x).data(); // Float32Array [7, 10, 15, 22]
 */
export class Tensor implements Aval {
  /** Unique in this process, increasing. */
  readonly id = ++created;
  /** @internal Data on the device or on its way there; absent while the tensor is only a node. */
  storage: Storage | undefined;

  constructor(
    readonly op: Op,
    readonly inputs: readonly Tensor[],
    readonly attrs: Attrs,
    readonly shape: Shape,
    readonly dtype: DType,
    storage?: Storage,
  ) {
    this.storage = storage;
    if (storage) Storage.collectWith(this, storage);
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** @internal Where it was made, in the caller's code, while call sites are captured (`src/tensor/site.ts`). */
  get site(): string | undefined {
    return siteOf(this);
  }

  /** Computes the tensor if need be and reads it, row-major. f16 arrives as float32, bool as bytes 0 and 1. */
  async data(): Promise<HostArray> {
    if (!this.storage) evaluate([this]);
    return readStorage(this.storage!, this);
  }

  /** The value of a tensor of one element; ShapeError where there are more. */
  async item(): Promise<number> {
    if (this.size !== 1)
      throw new ShapeError(`item: a tensor of shape ${showShape(this.shape)} has ${this.size} elements, not 1`);
    return (await this.data())[0];
  }

  /** Gives the device memory back. Using the tensor afterwards throws a DonatedError. */
  free(): void {
    this.storage?.release("free()");
  }

  /** `using x = tensor(…)` frees it at the end of the block. */
  [Symbol.dispose](): void {
    this.free();
  }

  /** Its description as a string; throws a CoopError where a number is wanted, since there is none yet. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    throw new CoopError(
      `a Tensor has no value in JavaScript until it is read: use where(condition, a, b) and the ops inside a function, or await t.item() outside`,
    );
  }

  toString(): string {
    return `Tensor(${this.op.name}, ${this.dtype}${showShape(this.shape)})`;
  }

  /** For console.log in Node. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** What ops take: a tensor, or a number that takes on the other operand's dtype. */
export type TensorLike = Tensor | number;

/**
 * Applies an op: checks shapes and dtypes and makes the node.
 *
 * @param attrs whatever else the op wants to know, as plain JSON data
 */
export function apply(op: Op, inputs: readonly Tensor[], attrs: Attrs = {}): Tensor {
  expectTensors(op.name, ...inputs);
  for (const input of inputs) input.storage?.assertUsable(`${op.name}(…)`);
  const { shape, dtype } = op.result(inputs, attrs);
  const node = new Tensor(op, inputs, attrs, shape, dtype);
  if (capturing) noteSite(node);
  return node;
}

/** Throws unless these are tensors. */
export function expectTensors(op: string, ...inputs: readonly unknown[]): void {
  for (const input of inputs)
    if (!(input instanceof Tensor)) throw new CoopError(`${op}: takes tensors, not ${kindOf(input)}`);
}

/** What a value is, for messages. */
export const kindOf = (value: unknown): string =>
  value == null
    ? `${value}`
    : Array.isArray(value)
      ? "a list"
      : typeof value === "object"
        ? `a ${value.constructor?.name ?? "object"}`
        : `a ${typeof value}`;

const leaf = (name: string, reference?: Op["reference"]): Op =>
  defineOp({
    name,
    result: (_, attrs) => ({ shape: attrs.shape as Shape, dtype: attrs.dtype as DType }),
    reference,
    run: { kind: "leaf" },
  });

/** Data that lives outside any graph. */
export const SOURCE = leaf("source");
/** An argument of a function that is being traced. */
export const PLACEHOLDER = leaf("placeholder");
/** One number, written into the kernels that use it. */
export const LITERAL = leaf("literal", (_, attrs) => Float64Array.of(attrs.value as number));
/** 0, 1, 2, … */
export const IOTA = leaf("iota", (_, attrs) => Float64Array.from({ length: (attrs.shape as Shape)[0] }, (_v, i) => i));

/** Numbers or booleans in nested arrays, as they may be given to `tensor`. */
export type Nested = number | boolean | readonly Nested[];

/**
 * A tensor of given values.
 *
 * @param values a number, nested arrays, or a flat typed array (its type gives the dtype; Uint8Array gives bool)
 * @param shape needed for a flat array of rank ≠ 1
 * @param dtype f32 unless the typed array or this says otherwise
 * @throws ShapeError for ragged arrays or a count that does not fit the shape
 * @example tensor([[1, 2], [3, 4]])            // f32 [2, 2]
 * @example tensor(new Int32Array([3, 1]), [2]) // i32 [2]
 */
export function tensor(values: Nested | HostArray, shape?: Shape, dtype?: DType): Tensor {
  const typed = ArrayBuffer.isView(values);
  const flat: ArrayLike<number> = typed ? (values as HostArray) : (flatten(values as Nested) as number[]);
  const inferred = shape ?? (typed ? [flat.length] : nestedShape(values as Nested));
  checkShape("tensor", inferred);
  if (sizeOf(inferred) !== flat.length) {
    throw new ShapeError(
      `tensor: ${flat.length} values do not fill shape ${showShape(inferred)} (${sizeOf(inferred)} elements)`,
    );
  }
  const type = dtype ?? dtypeOf(values);
  checkDType("tensor", type);
  if ((type === "i32" || type === "u32") && !(typed && dtype === undefined)) {
    const wrong = Array.from(flat, Number).find((value) => !holds(type, value));
    if (wrong !== undefined)
      throw new DTypeError(`tensor: ${wrong} is no ${type}; round or clip it, or use another dtype`);
  }
  return new Tensor(
    SOURCE,
    [],
    { shape: inferred, dtype: type },
    inferred,
    type,
    Storage.toDevice(toBytes(flat, type)),
  );
}

/** A tensor over storage that already exists. */
export const fromStorage = (storage: Storage, shape: Shape, dtype: DType): Tensor =>
  new Tensor(SOURCE, [], { shape, dtype }, shape, dtype, storage);

function dtypeOf(values: unknown): DType {
  if (values instanceof Float32Array || values instanceof Float64Array) return "f32";
  if (values instanceof Int32Array) return "i32";
  if (values instanceof Uint32Array) return "u32";
  if (values instanceof Uint8Array) return "bool";
  if (ArrayBuffer.isView(values))
    throw new DTypeError(`tensor: ${values.constructor.name} has no dtype here; name one`);
  let first = values;
  while (Array.isArray(first)) first = first[0];
  return typeof first === "boolean" ? "bool" : "f32";
}

function nestedShape(values: Nested): number[] {
  const shape: number[] = [];
  for (let at = values; Array.isArray(at); at = at[0]) shape.push(at.length);
  const check = (at: Nested, depth: number): void => {
    const length = Array.isArray(at) ? at.length : undefined;
    if (length !== shape[depth])
      throw new ShapeError(
        `tensor: ragged nested arrays (${length ?? "a number"} where ${shape[depth] ?? "a number"} is expected)`,
      );
    if (Array.isArray(at)) for (const item of at) check(item, depth + 1);
  };
  check(values, 0);
  return shape;
}

const flatten = (values: Nested): (number | boolean)[] =>
  Array.isArray(values) ? (values as Nested[]).flatMap(flatten) : [leafOf(values)];

function leafOf(value: unknown): number | boolean {
  if (typeof value === "number" || typeof value === "boolean") return value;
  throw new DTypeError(
    `tensor: takes numbers and booleans, not ${typeof value === "string" ? JSON.stringify(value) : kindOf(value)}`,
  );
}

/** A number as a node of the dtype of the operand beside it. */
export function literal(op: string, value: number, dtype: DType): Tensor {
  checkDType(op, dtype);
  if (typeof value !== "number") throw new CoopError(`${op}: takes tensors and numbers, not ${kindOf(value)}`);
  if (!isFloat(dtype) && dtype !== "bool" && !holds(dtype, value))
    throw new DTypeError(`${op}: ${value} is no ${dtype}; cast the tensor to "f32" first`);
  return new Tensor(LITERAL, [], { shape: [], dtype, value }, [], dtype);
}

export { DonatedError };
