import { FormatError } from "../tensor/errors.ts";
import type { Refuse } from "./pickle-values.ts";

const MAX_TEXT = 2 ** 20;
const MAX_LINE = 1024;
const MAX_LONG = 32;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** for the texts of Python 2 */
export const LATIN1 = new TextDecoder("latin1");

/** The bytes ended before the pickle did. */
export class PickleCutError extends FormatError {}

/** Takes a pickle's bytes from the front, and never one that is not there. `base` is where they begin in the file. */
export class PickleReader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly name: string;
  readonly base: number;
  at = 0;
  /** where the present instruction begins */
  opcodeAt = 0;

  constructor(bytes: Uint8Array, name: string, base: number) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.name = name;
    this.base = base;
  }

  readonly refuse: Refuse = (why) => {
    throw new FormatError(`${this.name}, byte ${this.base + this.opcodeAt}: ${why}.`);
  };

  /** Steps over `length` bytes and returns where they begin. */
  skip(length: number): number {
    if (length > this.bytes.length - this.at)
      throw new PickleCutError(
        `${this.name} breaks off at byte ${this.base + this.bytes.length}: it is damaged; fetch it again.`,
      );
    this.at += length;
    return this.at - length;
  }

  opcode(): number {
    this.opcodeAt = this.at;
    return this.u8();
  }

  u8 = (): number => this.bytes[this.skip(1)];
  u16 = (): number => this.view.getUint16(this.skip(2), true);
  u32 = (): number => this.view.getUint32(this.skip(4), true);
  u64 = (): number => Number(this.view.getBigUint64(this.skip(8), true));
  i32 = (): number => this.view.getInt32(this.skip(4), true);
  f64 = (): number => this.view.getFloat64(this.skip(8));

  /** A whole number of `length` bytes in two's complement. */
  long(length: number): number | bigint {
    if (length > MAX_LONG) this.refuse(`a whole number of ${length} bytes is over the limit of ${MAX_LONG}`);
    let value = 0n;
    for (const byte of this.blob(length).toReversed()) value = (value << 8n) | BigInt(byte);
    value = BigInt.asIntN(8 * length, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  blob(length: number): Uint8Array {
    const start = this.skip(length);
    return this.bytes.subarray(start, start + length);
  }

  text(length: number, decoder = UTF8): string {
    if (length > MAX_TEXT) this.refuse(`a text of ${length} bytes is over the limit of ${MAX_TEXT}`);
    const encoded = this.blob(length);
    try {
      return decoder.decode(encoded);
    } catch {
      return this.refuse("a text is not UTF-8");
    }
  }

  /** The module or the name of a class, up to the end of the line. */
  line(): string {
    const ahead = this.bytes.subarray(this.at, this.at + MAX_LINE);
    const length = ahead.indexOf(10);
    if (length < 0 && ahead.length === MAX_LINE) this.refuse("the name of a class has no end");
    const text = this.text(length < 0 ? MAX_LINE : length); // runs off the end if there is none
    this.skip(1);
    return text;
  }
}
