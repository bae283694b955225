import { InputError } from "../tensor/errors.ts";
import { crc32 } from "./crc32.ts";
import { bytesOf, u16, u32 } from "./pickle-write.ts";

/** A boundary on which the data of every entry begins, as in PyTorch's files. */
const ALIGNED = 64;

/** A ZIP archive of stored entries, the same bytes for the same entries (no times in it). At most 4 GiB. */
export function writeZip(entries: readonly (readonly [name: string, data: Uint8Array])[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  const add = (...more: Uint8Array[]) => {
    for (const part of more) at += part.length;
    parts.push(...more);
  };
  for (const [name, data] of entries) {
    const begin = at;
    const title = bytesOf(name);
    const pad = (2 * ALIGNED - ((begin + 30 + title.length + 4) % ALIGNED)) % ALIGNED;
    // flags: the name is UTF-8; stored; 1 January 1980
    const facts = bytesOf(u16(0x0800, 0, 0, 0x21), u32(crc32(data), data.length, data.length), u16(title.length));
    add(bytesOf(u32(0x04034b50), u16(20), facts, u16(4 + pad)), title, bytesOf("FB", u16(pad), new Uint8Array(pad)));
    add(data);
    directory.push(bytesOf(u32(0x02014b50), u16(20, 20), facts, u16(0, 0, 0, 0), u32(0, begin), title));
  }
  const offset = at;
  add(...directory);
  if (at >= 2 ** 32 - 1 || entries.length >= 2 ** 16 - 1)
    throw new InputError(`An archive of ${at} bytes and ${entries.length} entries cannot be written; at most 4 GiB.`);
  const [size, count] = [at - offset, entries.length];
  add(bytesOf(u32(0x06054b50), u16(0, 0, count, count), u32(size, offset), u16(0)));
  return bytesOf(...parts);
}
