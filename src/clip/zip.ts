import { FormatError } from "../tensor/errors.ts";
import type { ByteSource } from "./bytes.ts";
import { quote } from "./safetensors-layout.ts";

const MAX_ENTRIES = 200_000;
const MAX_DIRECTORY = 2 ** 26;

/** A file in a ZIP archive, by the archive's directory. */
export interface ZipEntry {
  readonly name: string;
  /** in bytes, as they lie in the archive */
  readonly size: number;
  readonly compressed: boolean;
  /** where its local header begins in the archive */
  readonly begin: number;
}

/**
 * The directory of a ZIP or ZIP64 archive. FormatError for what is not unmistakable: names that come twice or lead out
 * of the archive, encryption, entries that overlap, a directory that does not end where the archive does. Checksums are
 * not looked at.
 */
export async function readZip(source: ByteSource): Promise<Map<string, ZipEntry>> {
  const { count, offset, size } = await findDirectory(source);
  if (count > MAX_ENTRIES || size > MAX_DIRECTORY)
    throw damaged(source, `its directory of ${count} entries is too large`);
  const bytes = await source.read(offset, size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, size);
  const entries: ZipEntry[] = [];
  let at = 0;
  while (entries.length < count) {
    const refuse = (why: string) =>
      damaged(source, `byte ${offset + at}: entry ${entries.length} of its directory ${why}`);
    if (at + 46 > size || view.getUint32(at, true) !== 0x02014b50) throw refuse("is missing");
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const end = extraEnd + view.getUint16(at + 32, true);
    if (end > size) throw refuse("breaks off");
    const name = readName(bytes.subarray(at + 46, nameEnd));
    if (name === undefined) throw refuse("has a name that is no text or leads out of the archive");
    if (view.getUint16(at + 8, true) & 1) throw refuse("is encrypted");
    // a field of 32 ones stands for the next number in the ZIP64 field
    const wide = zip64Numbers(view, nameEnd, extraEnd);
    const [full, stored, begin] = [24, 20, 42].map((field) => {
      const value = view.getUint32(at + field, true);
      return value < 0xffffffff ? value : wide.shift();
    });
    if (full === undefined || stored === undefined || begin === undefined) throw refuse("lacks its ZIP64 numbers");
    entries.push({ name, size: stored, compressed: view.getUint16(at + 10, true) !== 0 || full !== stored, begin });
    at = end;
  }
  if (at !== size) throw damaged(source, `byte ${offset + at}: ${size - at} bytes too many in its directory`);
  entries.sort((a, b) => a.begin - b.begin);
  for (const [i, { name, begin, size }] of entries.entries())
    if (begin + 30 + size > (entries[i + 1]?.begin ?? offset))
      throw damaged(source, `byte ${begin}: entry ${quote(name)} overlaps what follows it`);
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  if (byName.size < entries.length) throw damaged(source, "two entries have the same name");
  return byName;
}

/** Where the bytes of an entry begin in the archive. */
export async function zipDataOffset(source: ByteSource, { name, begin, compressed }: ZipEntry): Promise<number> {
  if (compressed)
    throw new FormatError(
      `${source.name}: entry ${quote(name)} is compressed. Save it with torch.save, not with a ZIP tool.`,
    );
  const header = await source.read(begin, 30);
  const view = new DataView(header.buffer, header.byteOffset);
  if (view.getUint32(0, true) !== 0x04034b50) throw damaged(source, `byte ${begin}: entry ${quote(name)} is not there`);
  return begin + 30 + view.getUint16(26, true) + view.getUint16(28, true);
}

async function findDirectory(source: ByteSource): Promise<{ count: number; size: number; offset: number }> {
  const tail = await source.read(Math.max(0, source.size - 65557), Math.min(source.size, 65557));
  const view = new DataView(tail.buffer, tail.byteOffset, tail.length);
  // the end record is last, but for a comment whose length it gives
  const ends = (at: number) =>
    view.getUint32(at, true) === 0x06054b50 && at + 22 + view.getUint16(at + 20, true) === tail.length;
  let at = tail.length - 22;
  while (at >= 0 && !ends(at)) at--;
  if (at < 0) throw new FormatError(`${source.name} breaks off: the download did not finish; fetch it again.`);
  let end = source.size - tail.length + at;
  let [count, size, offset] = [
    view.getUint16(at + 10, true),
    view.getUint32(at + 12, true),
    view.getUint32(at + 16, true),
  ];
  if (at >= 20 && view.getUint32(at - 20, true) === 0x07064b50) {
    end = uint64(view, at - 12);
    const record = await source.read(end, 56);
    const wide = new DataView(record.buffer, record.byteOffset);
    if (wide.getUint32(0, true) !== 0x06064b50) throw damaged(source, `byte ${end}: its ZIP64 record is not there`);
    [count, size, offset] = [uint64(wide, 32), uint64(wide, 40), uint64(wide, 48)];
  }
  if (offset + size !== end) throw damaged(source, `byte ${end}: its directory should end there, but ends elsewhere`);
  return { count, size, offset };
}

function zip64Numbers(view: DataView, at: number, end: number): number[] {
  for (let length = 0; at + 4 <= end; at += 4 + length) {
    length = Math.min(view.getUint16(at + 2, true), end - at - 4);
    const field = at + 4;
    if (view.getUint16(at, true) === 1)
      return Array.from({ length: length >> 3 }, (_, i) => uint64(view, field + 8 * i));
  }
  return [];
}

/** Infinity beyond 2^53: no source holds so much */
function uint64(view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at, true));
  return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
}

function readName(bytes: Uint8Array): string | undefined {
  try {
    const name = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return /^$|^\/|\\|\p{Cc}|(^|\/)\.\.(\/|$)|^[a-z]:/iu.test(name) ? undefined : name;
  } catch {
    return undefined;
  }
}

const damaged = (source: ByteSource, why: string) =>
  new FormatError(`${source.name}: ${why}. The file is damaged; fetch or save it again.`);
