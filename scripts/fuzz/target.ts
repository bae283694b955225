import { type ByteSource, memoryBytes } from "../../src/clip/bytes.ts";
import type { Mutation } from "./mutate-bytes.ts";
import type { Random } from "./random.ts";

/** A reader of files, and how to make inputs for it. */
export interface Target {
  readonly name: string;
  /** The ends of the names of the files whose coverage guides the search. */
  readonly files: readonly string[];
  /** Whole inputs to begin with. */
  seeds(random: Random): Promise<readonly Uint8Array[]> | readonly Uint8Array[];
  /** Changes that know the format; those of bytes are made besides. */
  readonly mutations?: readonly Mutation[];
  /** Reads an input and uses what it read. Only a CoopError may come out. */
  parse(bytes: Uint8Array): Promise<unknown>;
  /** in bytes, 2^16 where not given */
  readonly longest?: number;
}

/** Something that a reader must not do with its source. */
export class ReadError extends Error {}

/** So many bytes may be read of a source, beside eight times its size. */
const SLACK = 2 ** 20;

/**
 * The bytes as a source that watches its reader. A read of anything but whole numbers from zero on, or of more than the
 * source has all in all, is a ReadError, and so is reading the same bytes again and again; one that goes past the end is refused with a FormatError,
 * as every source does it.
 */
export function watched(bytes: Uint8Array, name = "input"): ByteSource {
  const source = memoryBytes(bytes, name);
  let left = 8 * bytes.length + SLACK;
  return {
    name: source.name,
    size: source.size,
    async read(offset, length) {
      if (!(offset >= 0 && length >= 0) || length % 1 !== 0)
        throw new ReadError(`a read of ${length} bytes at ${offset}`);
      const found = await source.read(offset, length);
      if (found.length !== length || (left -= length) < 0)
        throw new ReadError(`${length} bytes at ${offset} of ${bytes.length}: too much was read`);
      return found;
    },
  };
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
