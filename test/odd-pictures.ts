/**
 * Picture files as one meets them: whole and of every kind, cut short, damaged, made to take all memory. Run by itself,
 * this reads them all and prints what came of it, with the most memory that the process had.
 */
import { deflateSync } from "node:zlib";
import { pngOf } from "../src/cli/thumbnail.ts";
import { crc32 } from "../src/clip/crc32.ts";
import { decodePicture } from "../src/clip/picture.ts";
import { InputError } from "../src/tensor/errors.ts";

const noise = (width: number, height: number): Uint8Array =>
  Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * i * 37) & 255);

function chunk(kind: string, data: Uint8Array): Buffer {
  const content = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(content), 4);
  return Buffer.concat([ends.subarray(0, 4), content, ends.subarray(4)]);
}
/** A PNG with any header and any chunks before its pixels. */
function png(
  width: number,
  height: number,
  pixels: Uint8Array,
  [depth, colour, interlace] = [8, 0, 0],
  ...before: Buffer[]
): Uint8Array {
  // biome-ignore format: one row
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour, 0, 0, interlace], 8);
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return new Uint8Array(Buffer.concat([signature, chunk("IHDR", header), ...before, chunk("IDAT", pixels), chunk("IEND", Buffer.of())])); // biome-ignore format: one row
}

/** What is to come of a file; "either" where decoders may differ. */
type Expected = "read" | "refused" | "either";
export interface OddPicture {
  readonly name: string;
  readonly expected: Expected;
  readonly bytes: Uint8Array;
}

/** About a hundred files. */
export async function oddPictures(): Promise<OddPicture[]> {
  const { default: sharp } = await import("sharp");
  const [width, height] = [61, 47];
  const source = () => sharp(noise(width, height), { raw: { width, height, channels: 3 } });
  const pages = sharp(noise(8, 24), { raw: { width: 8, height: 24, channels: 3, pageHeight: 8 } });
  const whole: Record<string, Promise<Buffer>> = {
    "a.jpg": source().jpeg().toBuffer(),
    "progressive.jpg": source().jpeg({ progressive: true }).toBuffer(),
    "cmyk.jpg": source().toColourspace("cmyk").jpeg().toBuffer(),
    "grey.jpg": source().greyscale().jpeg().toBuffer(),
    "a.png": source().png().toBuffer(),
    "palette.png": source().png({ palette: true }).toBuffer(),
    "interlaced.png": source().png({ progressive: true }).toBuffer(),
    "deep.png": source().toColourspace("rgb16").png().toBuffer(),
    "a.gif": source().gif().toBuffer(),
    "a.webp": source().webp().toBuffer(),
    "lossless.webp": source().webp({ lossless: true }).toBuffer(),
    "a.tif": source().tiff({ compression: "lzw" }).toBuffer(),
    "a.avif": source().avif({ effort: 0 }).toBuffer(),
  };
  const files: OddPicture[] = [];
  const add = (name: string, expected: Expected, bytes: Uint8Array) => files.push({ name, expected, bytes: new Uint8Array(bytes) }); // biome-ignore format: one row
  for (const [name, made] of Object.entries(whole)) {
    const bytes = await made;
    const damaged = Buffer.from(bytes).fill(0, bytes.length >> 1, (bytes.length >> 1) + 200);
    add(name, "read", bytes);
    for (const part of [10, 30, Math.floor(bytes.length / 2), bytes.length - 40])
      add(`${part} bytes of ${name}`, name === "a.tif" ? "either" : "refused", bytes.subarray(0, part));
    add(`zeros in ${name}`, "either", damaged);
    add(`more behind ${name}`, name === "a.avif" ? "either" : "read", Buffer.concat([bytes, Buffer.alloc(3000, "x")]));
  }
  for (let orientation = 1; orientation <= 8; orientation++)
    add(`orientation ${orientation}.jpg`, "read", await source().withMetadata({ orientation }).jpeg().toBuffer());
  add("film.gif", "read", await pages.clone().gif().toBuffer());
  add("film.webp", "read", await pages.clone().webp().toBuffer());
  add("1 × 1.png", "read", pngOf({ width: 1, height: 1, data: noise(1, 1) }));
  add("20000 × 1.png", "read", pngOf({ width: 20_000, height: 1, data: noise(20_000, 1) }));
  add("1 × 20000.png", "read", pngOf({ width: 1, height: 20_000, data: noise(1, 20_000) }));
  add("a PNG.jpg", "read", await whole["a.png"]);
  add("transparent.png", "read", await source().ensureAlpha(0.3).png().toBuffer());
  const squeezed = deflateSync(new Uint8Array(7001 * 7000));
  add("49 million pixels in 48 KB.png", "read", png(7000, 7000, squeezed));
  add("50 million pixels.png", "refused", png(7072, 7072, squeezed));
  add("65535 × 65535 in 1 KB.png", "refused", png(65535, 65535, new Uint8Array(900)));
  add("4 billion wide.png", "refused", png(2 ** 32 - 1, 1, squeezed.subarray(0, 500)));
  add("more rows than it says.png", "either", png(10, 10, squeezed));
  add("fewer rows than it says.png", "refused", png(3000, 3000, deflateSync(new Uint8Array(100))));
  const text = Buffer.concat([Buffer.from("note\0\0"), deflateSync(Buffer.alloc(2 ** 26))]);
  add("a note of 64 MB.png", "either", png(2, 1, deflateSync(Uint8Array.of(0, 1, 2)), [8, 0, 0], chunk("zTXt", text)));
  const profile = Buffer.concat([Buffer.from("p\0\0"), deflateSync(Buffer.alloc(2 ** 26))]);
  add("a profile of 64 MB.png", "either", png(2, 1, deflateSync(Uint8Array.of(0, 1, 2)), [8, 0, 0], chunk("iCCP", profile))); // biome-ignore format: one row
  add("no pixels.png", "refused", png(0, 0, deflateSync(new Uint8Array())));
  add("7 bits.png", "refused", png(2, 1, deflateSync(Uint8Array.of(0, 1, 2)), [7, 0, 0]));
  add("no colours.png", "refused", png(2, 1, deflateSync(Uint8Array.of(0, 1, 2)), [8, 3, 0]));
  add("empty.jpg", "refused", new Uint8Array());
  add("page.jpg", "refused", Buffer.from("<!DOCTYPE html><html><body>404</body></html>"));
  add("drawing.png", "refused", Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'));
  add("noise.jpg", "refused", noise(20, 20));
  add("a.bmp", "refused", Buffer.concat([Buffer.from("BM"), new Uint8Array(200)]));
  return files;
}

if (process.argv[1] === import.meta.filename) {
  const files = await oddPictures();
  const mistaken: string[] = [];
  const counts = { read: 0, refused: 0 };
  const [start, before] = [performance.now(), process.resourceUsage().maxRSS];
  let slowest = 0;
  let bomb = 0;
  for (const { name, expected, bytes } of files) {
    const began = performance.now();
    const outcome = await decodePicture(bytes, name).then(
      ({ data, width, height }) => (data.length === 3 * width * height ? "read" : "of another size"),
      (error) => (error instanceof InputError && !error.message.includes("\n") ? "refused" : `${error.stack}`),
    );
    const took = performance.now() - began;
    slowest = Math.max(slowest, took);
    if (name.startsWith("65535")) bomb = took;
    if (outcome === "read" || outcome === "refused") counts[outcome]++;
    if (outcome !== expected && (expected !== "either" || !(outcome in counts))) mistaken.push(`${name}: ${outcome}`);
  }
  const peakMiB = Math.round(process.resourceUsage().maxRSS / 1024);
  const milliseconds = Math.round(performance.now() - start);
  console.log(JSON.stringify({ files: files.length, ...counts, mistaken, slowest: Math.round(slowest), bombMilliseconds: Math.round(10 * bomb) / 10, beforeMiB: Math.round(before / 1024), peakMiB, milliseconds })); // biome-ignore format: one row
}
