import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { deflateSync } from "node:zlib";
import { decodePicture, type Picture, readPicture, setPictureDecoder } from "../src/clip/picture.ts";
import { pictureHeader, withoutExif } from "../src/clip/picture-header.ts";
import { InputError } from "../src/tensor/errors.ts";

const photos = fileURLToPath(new URL("../../shared/data/skimage-photos/", import.meta.url));
const noPhotos = existsSync(photos) ? false : "the photographs are not here";
const sharp = await import("sharp").then((module) => module.default).catch(() => undefined);
const noSharp = sharp ? false : "sharp is not installed";

const utf8 = (text: string) => new TextEncoder().encode(text);
const bytesOf = (...parts: (Uint8Array | number[] | string)[]): Uint8Array =>
  new Uint8Array(
    Buffer.concat(
      parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Uint8Array.from(part))),
    ),
  );
const u32 = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];

function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc;
}
function chunk(type: string, data: Uint8Array | number[]): Uint8Array {
  const body = bytesOf(type, data);
  return bytesOf(u32(data.length), body, u32(crc32(body)));
}
interface PngParts {
  depth?: number;
  colour?: number;
  extra?: Uint8Array[];
  interlace?: number;
}
/** A PNG of `rows` (each with its filter byte), by hand, so that any header can be claimed. */
function png(
  width: number,
  height: number,
  rows: number[],
  { depth = 8, colour = 2, extra = [], interlace = 0 }: PngParts = {},
): Uint8Array {
  const header = chunk("IHDR", [...u32(width), ...u32(height), depth, colour, 0, 0, interlace]);
  const data = chunk("IDAT", deflateSync(Uint8Array.from(rows)));
  return bytesOf("\x89PNG\r\n\x1a\n", header, ...extra, data, chunk("IEND", []));
}
const PIXELS: Picture = { width: 2, height: 2, data: new Uint8Array([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7]) };
const GOOD = png(2, 2, [0, 255, 0, 0, 0, 255, 0, 0, 0, 0, 255, 9, 8, 7]);

/** Refused with one line that names the file. */
async function refused(promise: Promise<unknown>, says: RegExp): Promise<void> {
  await assert.rejects(promise, (error: Error) => {
    assert.ok(error instanceof InputError, `${error.name}: ${error.message}`);
    assert.match(error.message, says);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
}

test("a small PNG is decoded exactly", { skip: noSharp }, async () => {
  assert.deepEqual(await decodePicture(GOOD), PIXELS);
});

test("transparency is dropped, not blended", { skip: noSharp }, async () => {
  const rgba = png(2, 1, [0, 10, 20, 30, 0, 40, 50, 60, 128], { colour: 6 });
  assert.deepEqual([...(await decodePicture(rgba)).data], [10, 20, 30, 40, 50, 60]);
  const palette = [chunk("PLTE", [1, 2, 3, 4, 5, 6]), chunk("tRNS", [0, 128])];
  assert.deepEqual(
    [...(await decodePicture(png(2, 1, [0, 0, 1], { colour: 3, extra: palette }))).data],
    [1, 2, 3, 4, 5, 6],
  );
});

test("grey, 1-bit, 16-bit and interlaced pictures become 8-bit RGB", { skip: noSharp }, async () => {
  assert.deepEqual([...(await decodePicture(png(2, 1, [0, 7, 200], { colour: 0 }))).data], [7, 7, 7, 200, 200, 200]);
  assert.deepEqual(
    [...(await decodePicture(png(2, 1, [0, 0x40], { colour: 0, depth: 1 }))).data],
    [0, 0, 0, 255, 255, 255],
  );
  const deep = png(3, 1, [0, 0, 0, 128, 0, 255, 255], { colour: 0, depth: 16 });
  assert.deepEqual([...(await decodePicture(deep)).data], [0, 0, 0, 128, 128, 128, 255, 255, 255]);
  assert.deepEqual([...(await decodePicture(png(1, 1, [0, 1, 2, 3], { interlace: 1 }))).data], [1, 2, 3]);
});

test("hiding a JPEG's EXIF block leaves the rest as it was", { skip: noSharp }, async () => {
  const create = { width: 31, height: 17, channels: 3, background: "#804020" } as const;
  const turned = await sharp!({ create }).withMetadata({ orientation: 6 }).jpeg().toBuffer();
  const hidden = withoutExif(turned);
  assert.equal((await sharp!(turned).metadata()).orientation, 6);
  assert.equal((await sharp!(hidden).metadata()).orientation, undefined);
  assert.equal(turned.filter((byte, i) => byte !== hidden[i]).length, 4);
  assert.deepEqual(await decodePicture(hidden), await decodePicture(turned));
});

test("orientation, colour profiles and later frames are passed over", { skip: noSharp }, async () => {
  const raw = { raw: { width: 3, height: 2, channels: 3 } } as const;
  const pixels = Uint8Array.from({ length: 18 }, (_, i) => 14 * i);
  const plain = await sharp!(pixels, raw).jpeg({ quality: 100 }).toBuffer();
  const turned = await sharp!(pixels, raw).withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer();
  assert.deepEqual(await decodePicture(turned), await decodePicture(plain));
  const profiled = await sharp!(pixels, raw).withIccProfile("p3", { attach: true }).png().toBuffer();
  assert.ok(profiled.includes("iCCP"));
  const untagged = await sharp!(profiled, { ignoreIcc: true }).raw().toBuffer();
  assert.deepEqual([...(await decodePicture(profiled)).data], [...untagged]);
  const frames = Uint8Array.from({ length: 2 * 12 }, (_, i) => (i < 12 ? 255 : 0));
  const film = await sharp!(frames, { raw: { width: 2, height: 4, channels: 3, pageHeight: 2 } })
    .gif()
    .toBuffer();
  assert.deepEqual(await decodePicture(film), { width: 2, height: 2, data: new Uint8Array(12).fill(255) });
});

test("every supported format gives its size, before and after decoding", { skip: noSharp }, async () => {
  const source = () => sharp!({ create: { width: 31, height: 17, channels: 3, background: "#804020" } });
  const files = {
    "a.jpg": await source().jpeg().toBuffer(),
    "progressive.jpg": await source().jpeg({ progressive: true }).toBuffer(),
    "cmyk.jpg": await source().toColourspace("cmyk").jpeg().toBuffer(),
    "a.png": await source().png().toBuffer(),
    "a.gif": await source().gif().toBuffer(),
    "lossy.webp": await source().webp().toBuffer(),
    "lossless.webp": await source().webp({ lossless: true }).toBuffer(),
    "alpha.webp": await source().ensureAlpha(0.5).webp().toBuffer(),
    "a.tif": await source().tiff().toBuffer(),
    "a.avif": await source().avif({ effort: 0 }).toBuffer(),
  };
  for (const [name, bytes] of Object.entries(files)) {
    const header = pictureHeader(bytes);
    assert.deepEqual([header?.width, header?.height], [31, 17], name);
    const { width, height, data } = await decodePicture(bytes, name);
    assert.deepEqual([width, height, data.length], [31, 17, 3 * 31 * 17], name);
  }
  for (const bytes of [files["a.jpg"], files["a.png"], files["lossy.webp"], files["a.gif"]])
    for (const length of [12, 25, Math.floor(bytes.length / 2), bytes.length - 20])
      await refused(decodePicture(bytes.subarray(0, length), "cut.jpg"), /^cut\.jpg.*(cut short)/);
});

test("the shape of the file decides, not its name", { skip: noSharp }, async () => {
  assert.deepEqual(await decodePicture(GOOD, "really-a-png.jpg"), PIXELS);
});

const REFUSED: [string, Uint8Array, RegExp][] = [
  ["empty.jpg", new Uint8Array(0), /empty\.jpg is empty/],
  [
    "page.jpg",
    utf8("<!DOCTYPE html>\n<html><body>Not found</body></html>"),
    /page\.jpg is not a picture: it holds text \(an HTML page\?\)/,
  ],
  ["note.png", utf8("ceci n'est pas une image, café".repeat(40)), /holds text/],
  ["drawing.svg", utf8('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'), /SVG/],
  ["noise.jpg", Uint8Array.from({ length: 600 }, (_, i) => (i * 37) & 255), /not a picture that can be read/],
  ["flat.png", png(0, 5, []), /no pixels \(0 × 5\)/],
  ["bomb.png", png(60_000, 60_000, [0]), /60000 × 60000 pixels are over the limit of 50000000/],
  ["bomb.gif", bytesOf("GIF89a", [0xff, 0xff, 0xff, 0xff, 0, 0, 0]), /65535 × 65535/],
  [
    "bomb.jpg",
    bytesOf([255, 0xd8, 255, 0xe0, 0, 4, 0, 0, 255, 255, 0xc2, 0, 11, 8, 0xff, 0xff, 0xff, 0xff, 1]),
    /65535 × 65535/,
  ],
  [
    "bomb.webp",
    bytesOf("RIFF\0\0\0\0WEBPVP8X", [10, 0, 0, 0, 0, 0, 0, 0, 255, 255, 63, 255, 255, 63]),
    /4194304 × 4194304/,
  ],
  [
    "bomb.tif",
    bytesOf("MM\0*", u32(8), [0, 2, 1, 0, 0, 4, 0, 0, 0, 1, ...u32(1e6), 1, 1, 0, 4, 0, 0, 0, 1, ...u32(1e6)]),
    /1000000 × 1000000/,
  ],
  ["loop.jpg", bytesOf([255, 0xd8, 255, 0xe0, 0, 0, 255, 0xe0, 0, 0]), /not a picture that can be read/],
  [
    "a.bmp",
    bytesOf("BM", new Array(12).fill(0), [40, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0]),
    /not a picture that can be read/,
  ],
  ["short.tif", bytesOf("II*\0", [255, 255, 255, 255]), /not a picture that can be read/],
  ["a\nb\u202Egnp.jpg", new Uint8Array(0), /a\\u\{a\}b\\u\{202e\}gnp\.jpg is empty/],
];
for (const [name, bytes, says] of REFUSED)
  test(`refuses ${JSON.stringify(name)} before decoding`, async () => {
    setPictureDecoder(() => assert.fail("decoded"));
    try {
      await refused(decodePicture(bytes, name), says);
    } finally {
      setPictureDecoder(undefined);
    }
  });

test("limits can be changed, and a broken PNG of allowed size is refused in decoding", { skip: noSharp }, async () => {
  await refused(decodePicture(GOOD, "a.png", { maxPixels: 3 }), /2 × 2 pixels are over the limit of 3/);
  await refused(decodePicture(GOOD, "a.png", { maxBytes: 10 }), /over the limit of 10/);
  await refused(decodePicture(png(2, 2, [0, 1]), "half.png"), /half\.png: this PNG is damaged or cut short/);
});

test("another decoder can be put in, and its mistakes are caught", async () => {
  setPictureDecoder(async (_, { width, height }) => ({
    width,
    height,
    data: new Uint8Array(3 * width * height).fill(5),
  }));
  assert.deepEqual([...(await decodePicture(GOOD)).data], new Array(12).fill(5));
  setPictureDecoder(async () => ({ width: 2, height: 2, data: new Uint8Array(16) }));
  await refused(decodePicture(GOOD, "a.png"), /a\.png: the decoder did not give three bytes a pixel/);
  setPictureDecoder(() => Promise.reject(new Error("first\nsecond")));
  await refused(decodePicture(GOOD, "a.png"), /damaged or cut short \(first\)/);
  setPictureDecoder(undefined);
});

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "picture-"));
});
after(() => rm(folder, { recursive: true }));

test("reads files, and refuses what is not one", async () => {
  const at = (name: string) => join(folder, name);
  await mkdir(at("folder.jpg"));
  await symlink(at("loop.jpg"), at("loop.jpg"));
  await writeFile(at("empty.png"), "");
  await refused(readPicture(at("folder.jpg")), /folder\.jpg is a folder/);
  await refused(readPicture(at("loop.jpg")), /loop\.jpg: it is a loop of symbolic links/);
  await refused(readPicture(at("none.jpg")), /none\.jpg: there is no such file/);
  await refused(readPicture(at("empty.png")), /empty\.png is empty/);
  if (process.platform !== "win32") {
    execFileSync("mkfifo", [at("pipe.jpg")]);
    await refused(readPicture(at("pipe.jpg")), /pipe\.jpg is not a plain file/);
  }
  if (!sharp) return;
  await writeFile(at("🙂 good.png"), GOOD);
  assert.deepEqual(await readPicture(at("🙂 good.png")), PIXELS);
  await writeFile(at("long.png"), new Uint8Array(2 ** 20));
  await refused(
    readPicture(at("long.png"), { maxBytes: 2 ** 19 }),
    /long\.png has 1048576 bytes, over the limit of 524288/,
  );
});

test("photographs decode to their size and first pixel", { skip: noPhotos || noSharp }, async () => {
  const first = async (name: string) => {
    const { width, height, data } = await readPicture(photos + name);
    assert.equal(data.length, 3 * width * height);
    return [width, height, ...data.subarray(0, 3)];
  };
  assert.deepEqual(await first("astronaut.png"), [512, 512, 154, 147, 151]);
  assert.deepEqual(await first("camera.png"), [512, 512, 200, 200, 200]);
  assert.deepEqual(await first("rocket.jpg"), [640, 427, 17, 33, 58]);
  assert.deepEqual((await first("palette_color.png")).slice(0, 2), [10, 10]);
  assert.deepEqual((await first("chessboard_GRAY_U16.tif")).slice(0, 2), [200, 200]);
  await refused(
    readPicture(`${photos}truncated.jpg`),
    /truncated\.jpg: this JPEG is damaged or cut short .* Download it again/,
  );
  await refused(readPicture(`${photos}LICENSE.txt`), /holds text/);
  const rocket = readFileSync(`${photos}rocket.jpg`);
  for (const length of [2000, rocket.length >> 1, rocket.length - 100])
    await refused(
      decodePicture(rocket.subarray(0, length), "rocket.jpg"),
      /rocket\.jpg: this JPEG is damaged or cut short/,
    );
});
