import { crc32 } from "../../src/clip/crc32.ts";
import { BYTE_MUTATIONS, type Mutation } from "./mutate-bytes.ts";
import { mutatedJson } from "./mutate-json.ts";

/*
 * Changes that keep a file's outside whole, so that what they break inside is reached: lengths and checksums are put
 * right again.
 */

/** A safetensors file's header, as JSON; the length before it is put right, and sometimes the bytes behind it. */
export const editSafetensorsHeader: Mutation = (bytes, random) => {
  if (bytes.length < 8) return bytes.slice();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = Math.min(Number(view.getBigUint64(0, true)), bytes.length - 8);
  const header = new TextDecoder().decode(bytes.subarray(8, 8 + length));
  const text = mutatedJson(header, random);
  if (text === undefined) return bytes.slice();
  const plain = text.replaceAll(/\b(\d+)\.0\b/g, "$1");
  const written = new TextEncoder().encode(plain);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(written.length));
  const data = bytes.subarray(8 + length);
  return new Uint8Array(Buffer.concat([size, written, random.oneIn(4) ? data.subarray(random.below(9)) : data]));
};

/** Fields of the records in a ZIP archive: signature, then offset and width of each. */
const ZIP_FIELDS: readonly (readonly [number, readonly (readonly [offset: number, width: number])[]])[] = [
  [
    0x02014b50,
    [
      [8, 2],
      [10, 2],
      [20, 4],
      [24, 4],
      [28, 2],
      [30, 2],
      [32, 2],
      [42, 4],
      [46, 2],
    ],
  ],
  [
    0x04034b50,
    [
      [6, 2],
      [8, 2],
      [18, 4],
      [22, 4],
      [26, 2],
      [28, 2],
    ],
  ],
  [
    0x06054b50,
    [
      [8, 2],
      [10, 2],
      [12, 4],
      [16, 4],
      [20, 2],
    ],
  ],
  [
    0x06064b50,
    [
      [24, 4],
      [32, 4],
      [36, 4],
      [40, 4],
      [44, 4],
      [48, 4],
      [52, 4],
    ],
  ],
  [
    0x07064b50,
    [
      [8, 4],
      [12, 4],
    ],
  ],
];

export const editZipField: Mutation = (bytes, random) => {
  const copy = Buffer.from(bytes);
  const found: [at: number, width: number][] = [];
  for (let at = 0; at + 4 <= copy.length; at++) {
    if (copy[at] !== 0x50 || copy[at + 1] !== 0x4b) continue;
    const [, fields] = ZIP_FIELDS.find(([signature]) => copy.readUInt32LE(at) === signature) ?? [0, []];
    for (const [offset, width] of fields) if (at + offset + width <= copy.length) found.push([at + offset, width]);
  }
  if (found.length === 0) return bytes.slice();
  const [at, width] = random.pick(found);
  const old = copy.readUIntLE(at, width);
  const edges = [0, 1, 8, old + 1, old - 1, 2 * old, copy.length, copy.length - at, random.below(copy.length)];
  const value = random.pick([...edges, 2 ** (8 * width) - 1, 2 ** (8 * width - 1)]);
  copy.writeUIntLE(((value % 2 ** (8 * width)) + 2 ** (8 * width)) % 2 ** (8 * width), at, width);
  return new Uint8Array(copy);
};

/** One byte or field of a tar header, whose checksum is put right. */
export const editTarHeader: Mutation = (bytes, random) => {
  const copy = Buffer.from(bytes);
  const headers: number[] = [];
  for (let at = 0; at + 512 <= copy.length; at += 512) if (copy[at + 156] >= 0x30) headers.push(at);
  if (headers.length === 0) return bytes.slice();
  const at = random.pick(headers);
  const [field, width] = random.pick([[0, 100], [124, 12], [156, 1], [257, 6], [345, 155]] as const); // biome-ignore format: one row
  if (field === 156) copy[at + 156] = random.pick([..."01257xgLKS\0"]).charCodeAt(0);
  else if (field === 124 && random.oneIn(2))
    copy.write(random.pick(["00000001000", "77777777777", "-0000000001", "           ", "0000000777z"]), at + 124);
  else if (field === 124)
    for (let i = 0; i < 12; i++) copy[at + 124 + i] = i === 0 ? 0x80 : random.oneIn(3) ? random.below(256) : 0; // biome-ignore format: one row
  else if (field === 0)
    copy.write(random.pick(["../../x.jpg", "/etc/x.jpg", "C:\\x.jpg", "a.b.c.jpg", "a.txt", "é.json", "x".repeat(99)]), at); // biome-ignore format: one row
  else copy[at + field + random.below(width)] = random.below(256);
  copy.fill(0x20, at + 148, at + 156);
  const sum = copy.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
  copy.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
  return new Uint8Array(copy);
};

/** The content of a PNG's chunk, whose length and checksum are put right. */
export const editPngChunk: Mutation = (bytes, random, other) => {
  const copy = Buffer.from(bytes);
  const chunks: [at: number, length: number][] = [];
  for (let at = 8; at + 12 <= copy.length; at += 12 + copy.readUInt32BE(at))
    if (at + 12 + copy.readUInt32BE(at) <= copy.length) chunks.push([at, copy.readUInt32BE(at)]);
  if (chunks.length === 0) return bytes.slice();
  const [at, length] = random.pick(chunks);
  const data = random
    .pick(BYTE_MUTATIONS)(copy.subarray(at + 8, at + 8 + length), random, other)
    .subarray(0, 2 ** 14);
  const content = Buffer.concat([copy.subarray(at + 4, at + 8), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(content) >>> 0, 4);
  return new Uint8Array(
    Buffer.concat([
      copy.subarray(0, at),
      ends.subarray(0, 4),
      content,
      ends.subarray(4),
      copy.subarray(at + 12 + length),
    ]),
  );
};
