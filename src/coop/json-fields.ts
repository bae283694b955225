import { quote } from "../clip/safetensors-layout.ts";
import { FormatError } from "../tensor/errors.ts";
import { nearest } from "./near.ts";

/** An object out of a JSON file, read field by field; whatever is missing or of another kind is a FormatError that names file and key. */
export class JsonFields {
  readonly #file: string;
  readonly #path: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(file: string, value: unknown, path = "") {
    this.#file = file;
    this.#path = path;
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new FormatError(`${file}: ${path ? `"${path}"` : "the file"} must be an object, not ${kind(value)}.`);
    this.#fields = value as Record<string, unknown>;
  }

  /** The object in a text; `file` is its name in messages. */
  static parse(file: string, text: string): JsonFields {
    try {
      return new JsonFields(file, JSON.parse(text));
    } catch (error) {
      if (error instanceof FormatError) throw error;
      throw new FormatError(`${file} is not whole JSON (${text.length} characters); fetch or save it again.`);
    }
  }

  /** The FormatError for a field of this object. */
  wrong(key: string, what: string): FormatError {
    const stop = /[.?]$/.test(what) ? "" : ".";
    return new FormatError(`${this.#file}: "${this.#path ? `${this.#path}.` : ""}${key}" ${what}${stop}`);
  }

  /** Refuses fields of other names, naming the one that was probably meant. */
  only(keys: readonly string[]): this {
    const unknown = Object.keys(this.#fields).find((key) => !keys.includes(key));
    if (unknown === undefined) return this;
    const meant = nearest(unknown, keys);
    throw this.wrong(
      unknown,
      `is no field here${meant ? `; did you mean "${meant}"?` : `. There are ${keys.join(", ")}`}`,
    );
  }

  /** Whether there is a field of the name that is not null. */
  has(key: string): boolean {
    return Object.hasOwn(this.#fields, key) && this.#fields[key] !== null;
  }

  /** The value of a field; undefined where there is none. */
  get(key: string): unknown {
    return Object.hasOwn(this.#fields, key) ? this.#fields[key] : undefined;
  }

  /** A field that is an object. */
  object(key: string): JsonFields {
    if (!this.has(key)) throw this.wrong(key, "is missing");
    return new JsonFields(this.#file, this.get(key), this.#path ? `${this.#path}.${key}` : key);
  }

  /** A field that is a text. */
  string(key: string): string {
    const value = this.get(key);
    if (typeof value !== "string") throw this.wrong(key, `must be a text, not ${kind(value)}`);
    return value;
  }

  /** A field that is true or false. */
  boolean(key: string): boolean {
    const value = this.get(key);
    if (typeof value !== "boolean") throw this.wrong(key, `must be true or false, not ${kind(value)}`);
    return value;
  }

  /** A field that is a finite number. */
  number(key: string): number {
    const value = this.get(key);
    if (typeof value !== "number" || !Number.isFinite(value))
      throw this.wrong(key, `must be a number, not ${kind(value)}`);
    return value;
  }

  /** A whole number below 2^53, at least `least` if that is given. */
  whole(key: string, least?: number): number {
    const value = this.number(key);
    if (!Number.isSafeInteger(value) || value < (least ?? value))
      throw this.wrong(key, `must be a whole number${least === undefined ? "" : ` from ${least}`}, not ${value}`);
    return value;
  }

  /** A field that is one of some texts. */
  choice<T extends string>(key: string, choices: readonly T[]): T {
    const value = this.string(key);
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw this.wrong(key, `must be ${choices.join(", ")}, not ${quote(value)}`);
    return found;
  }

  /** A field that is a list. */
  list(key: string): readonly unknown[] {
    const value = this.get(key);
    if (!Array.isArray(value)) throw this.wrong(key, `must be a list, not ${kind(value)}`);
    return value;
  }

  /** A field that is a list of texts. */
  strings(key: string): string[] {
    return this.list(key).map((item, i) => {
      if (typeof item !== "string") throw this.wrong(`${key}[${i}]`, `must be a text, not ${kind(item)}`);
      return item;
    });
  }

  /** The items of a list, each an object. */
  objects(key: string): JsonFields[] {
    const path = this.#path ? `${this.#path}.${key}` : key;
    return this.list(key).map((item, i) => new JsonFields(this.#file, item, `${path}[${i}]`));
  }

  /** Every field, each of them a text. */
  texts(): Record<string, string> {
    return Object.fromEntries(Object.keys(this.#fields).map((key) => [key, this.string(key)]));
  }
}

function kind(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `${typeof value === "string" ? quote(value) : value}`;
}
