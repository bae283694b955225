import { deflateSync } from "node:zlib";
import { crc32 } from "../clip/crc32.ts";
import { type Picture, readPicture } from "../clip/index.ts";
import { bytesOf } from "../clip/pickle-write.ts";
import { resize } from "../clip/resize.ts";

/** The longer side of a thumbnail, in pixels. */
const SIDE = 96;

/** A picture file, made small, as a `data:` address that a page can hold. */
export async function thumbnail(path: string): Promise<string> {
  const picture = await readPicture(path);
  const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
  const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(scale * side)));
  const png = pngOf(scale < 1 ? resize(picture, width, height) : picture);
  return `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
}

/** A PNG file (ISO 15948) of 8-bit RGB. */
export function pngOf({ width, height, data }: Picture): Uint8Array {
  const rows = Array.from({ length: height }, (_, y) =>
    bytesOf([0], data.subarray(3 * width * y, 3 * width * (y + 1))),
  );
  const header = bytesOf(big(width), big(height), [8, 2, 0, 0, 0]);
  const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
  return bytesOf(signature, chunk("IHDR", header), chunk("IDAT", deflateSync(bytesOf(...rows))), chunk("IEND", []));
}

function chunk(kind: string, data: Uint8Array | readonly number[]): Uint8Array {
  const content = bytesOf(kind, data);
  return bytesOf(big(data.length), content, big(crc32(content)));
}

const big = (n: number): number[] => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
