import type { ByteSource } from "../clip/bytes.ts";
import { FormatError } from "../tensor/errors.ts";

/** A plain file in a tar archive; its bytes are `size` from `offset` on. */
export interface TarMember {
  /** As the archive gives it; never a path to be opened. */
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

const BLOCK = 512;
const MAX_RECORD = 2 ** 20; // bytes of a long name or a pax header

/**
 * The members of a tar archive (POSIX ustar and pax, GNU long names and large sizes), by their headers alone: what lies
 * between is jumped over, so that indexing reads half a kilobyte a member. Libraries for tar read archives as streams and
 * do not say where members lie.
 *
 * @throws FormatError where a header is damaged or the archive ends within a member, after all members before it
 */
export async function* tarMembers(source: ByteSource): AsyncGenerator<TarMember> {
  let global: Pax = {};
  let next: Pax = {};
  for (let at = 0; at < source.size; ) {
    if (at + BLOCK > source.size) throw damaged(source, `it ends within the header at byte ${at}`);
    const header = await source.read(at, BLOCK);
    if (header.every((byte) => byte === 0)) return;
    if (!checksumFits(header)) throw damaged(source, `the header at byte ${at} is damaged`);
    const type = String.fromCharCode(header[156] || 0x30);
    const extra = { ...global, ...next };
    const size = "xgLK".includes(type) ? number(header, 124, 12) : (extra.size ?? number(header, 124, 12));
    const offset = at + BLOCK;
    if (!Number.isSafeInteger(size) || size < 0 || offset + size > source.size)
      throw damaged(source, `it ends within the member at byte ${at}`);
    if ("xgLK".includes(type)) {
      if (size > MAX_RECORD) throw damaged(source, `the name at byte ${at} has ${size} bytes`);
      const record = await source.read(offset, size);
      if (type === "x") next = { ...next, ...pax(record) };
      else if (type === "g") global = { ...global, ...pax(record) };
      else if (type === "L") next = { ...next, path: text(record, 0, size) };
    } else {
      if (type === "0" || type === "7") yield { name: extra.path ?? ustarName(header), offset, size };
      next = {};
    }
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
  }
}

/** What a pax header says of the next member. */
interface Pax {
  readonly path?: string;
  readonly size?: number;
}

/** Records "length key=value\n", the length in bytes and of the whole record. */
function pax(bytes: Uint8Array): Pax {
  let found: Pax = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(text(bytes, at, space - at));
    if (!(length > space - at)) return found;
    const record = text(bytes, space + 1, at + length - space - 2);
    const [key, value] = [record.slice(0, record.indexOf("=")), record.slice(record.indexOf("=") + 1)];
    if (key === "path") found = { ...found, path: value };
    if (key === "size") found = { ...found, size: Number(value) };
    at += length;
  }
  return found;
}

function ustarName(header: Uint8Array): string {
  const name = text(header, 0, 100);
  const posix = text(header, 257, 6) === "ustar" && header[262] === 0; // GNU writes spaces there, and times at 345
  const prefix = posix ? text(header, 345, 155) : "";
  return prefix ? `${prefix}/${name}` : name;
}

/** Octal digits, or GNU's binary form of large numbers. */
function number(header: Uint8Array, at: number, length: number): number {
  if (header[at] & 0x80) return header.subarray(at + 1, at + length).reduce((n, byte) => n * 256 + byte, 0);
  const digits = text(header, at, length).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : digits === "" ? 0 : Number.NaN;
}

/** The sum of all bytes, those of the sum itself counting as spaces. */
function checksumFits(header: Uint8Array): boolean {
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  return sum === number(header, 148, 8);
}

/** Up to the first zero byte. */
function text(bytes: Uint8Array, at: number, length: number): string {
  const part = bytes.subarray(at, at + length);
  const end = part.indexOf(0);
  return new TextDecoder().decode(end < 0 ? part : part.subarray(0, end));
}

const damaged = (source: ByteSource, why: string): FormatError =>
  new FormatError(`${source.name}: ${why}; fetch it again`);
