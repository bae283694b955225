/** Writes pickles, ZIP archives and PyTorch checkpoints of unusual kinds, beside those that coop itself writes. */

import {
  bytesOf,
  type Code,
  dict,
  global,
  list,
  op,
  pickle,
  TRUE,
  text,
  u16,
  u32,
  u64,
} from "../src/clip/pickle-write.ts";

export * from "../src/clip/pickle-write.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
export const stackGlobal = (module: string, name: string): Code => bytesOf(text(module), text(name), [0x93]);
/** A TorchScript object of this class. */
export const module = (path: string, attributes: Record<string, Code>): Code =>
  bytesOf(global(`__torch__.${path}`, "M"), ")", [0x81], dict(attributes), "b");

export interface ZipOptions {
  /** sizes and offsets in ZIP64 fields, with the ZIP64 end record */
  zip64?: boolean;
  comment?: string;
  /** flag bits and compression method that the directory gives */
  flags?: number;
  method?: number;
}

/** A ZIP archive of stored entries, each at a multiple of 64 bytes as PyTorch lays them. */
export function zip(entries: [name: string, data: Uint8Array][], options: ZipOptions = {}): Uint8Array {
  const { zip64 = false, comment = "", flags = 0, method = 0 } = options;
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  const add = (...more: Uint8Array[]) => {
    for (const part of more) at += part.length;
    parts.push(...more);
  };
  for (const [name, data] of entries) {
    const [begin, title, size] = [at, utf8(name), data.length];
    const pad = 64 - ((begin + 30 + title.length + 4) % 64);
    add(u32(0x04034b50), u16(0, flags, method, 0, 0), u32(0, zip64 ? 0 : size, zip64 ? 0 : size));
    add(u16(title.length, 4 + pad), title, bytesOf("FB", u16(pad), "Z".repeat(pad)), data);
    // of the numbers only those that the header gives as 32 ones are in the field; another field stands before it
    const wide = bytesOf(u16(0x5455, 5), [1, 2, 3, 4, 5], u16(1, 24), u64(size, size, begin));
    const short = zip64 ? [0xffffffff, 0xffffffff] : [size, size];
    directory.push(
      bytesOf(u32(0x02014b50), u16(45, 45, flags, method, 0, 0), u32(0, ...short)),
      bytesOf(u16(title.length, zip64 ? wide.length : 0, 0, 0, 0), u32(0, zip64 ? 0xffffffff : begin)),
      bytesOf(title, zip64 ? wide : ""),
    );
  }
  const offset = at;
  add(...directory);
  const [size, end, count] = [at - offset, at, entries.length];
  if (zip64) {
    add(u32(0x06064b50), u64(44), u16(45, 45), u32(0, 0), u64(count, count, size, offset));
    add(u32(0x07064b50, 0), u64(end), u32(1));
  }
  const short = zip64 ? [u16(0xffff, 0xffff), u32(0xffffffff, 0xffffffff)] : [u16(count, count), u32(size, offset)];
  add(u32(0x06054b50), u16(0, 0), ...short, u16(utf8(comment).length), utf8(comment));
  return bytesOf(...parts);
}

/** A checkpoint in PyTorch's ZIP format. */
export function torchZip(root: Code, storages: Record<string, Uint8Array>, options: ZipOptions = {}): Uint8Array {
  const data = Object.entries(storages).map(([key, bytes]): [string, Uint8Array] => [`model/data/${key}`, bytes]);
  return zip([["model/data.pkl", pickle(root)], ...data, ["model/version", utf8("3\n")]], options);
}

/** A checkpoint as torch.save wrote it before PyTorch 1.6; `storages` gives their numbers and how many there are. */
export function torchLegacy(root: Code, storages: Record<string, [length: number, data: Uint8Array]>): Uint8Array {
  return bytesOf(
    pickle(op(0x8a, [10], [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19])),
    pickle(op("M", u16(1001))),
    pickle(dict({ little_endian: TRUE })),
    pickle(root),
    pickle(list(...Object.keys(storages).map(text))),
    ...Object.values(storages).flatMap(([length, data]) => [u64(length), data]),
  );
}
