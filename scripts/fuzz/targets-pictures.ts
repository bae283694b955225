import { pngOf } from "../../src/cli/thumbnail.ts";
import { decodePicture } from "../../src/clip/picture.ts";
import { isText, pictureHeader, withoutExif } from "../../src/clip/picture-header.ts";
import { editPngChunk } from "./mutate-formats.ts";
import type { Target } from "./target.ts";

/** Large ones take their time; what a bomb may cost is measured by itself. */
const MAX_PIXELS = 2 ** 20;

/** Small pictures of every format and of odd kinds. */
async function seeds(): Promise<Uint8Array[]> {
  const noise = Uint8Array.from({ length: 3 * 13 * 7 }, (_, i) => (i * 37) & 255);
  const png = pngOf({ width: 13, height: 7, data: noise });
  const { default: sharp } = await import("sharp").catch(() => ({ default: undefined }));
  if (!sharp) return [png];
  const source = () => sharp(noise, { raw: { width: 13, height: 7, channels: 3 } });
  const made = [
    source().jpeg(),
    source().jpeg({ progressive: true }),
    source().withMetadata({ orientation: 6 }).jpeg(),
    source().toColourspace("cmyk").jpeg(),
    source().png({ palette: true }),
    source().toColourspace("rgb16").png(),
    source().png({ progressive: true }),
    source().gif(),
    source().webp(),
    source().webp({ lossless: true }),
    source().ensureAlpha(0.5).webp(),
    source().tiff({ compression: "lzw" }),
    source().tiff({ tile: true, tileWidth: 16, tileHeight: 16 }),
    source().avif({ effort: 0 }),
  ];
  return [png, ...(await Promise.all(made.map((image) => image.toBuffer()))).map((bytes) => new Uint8Array(bytes))];
}

/** Picture files. */
export const PICTURES: readonly Target[] = [
  {
    name: "picture-header",
    files: ["/clip/picture-header.ts"],
    seeds,
    mutations: [editPngChunk],
    async parse(bytes) {
      pictureHeader(bytes);
      isText(bytes);
      withoutExif(bytes);
    },
  },
  {
    name: "picture",
    files: ["/clip/picture-header.ts", "/clip/picture.ts"],
    seeds,
    mutations: [editPngChunk],
    async parse(bytes) {
      const { width, height, data } = await decodePicture(bytes, "picture", { maxPixels: MAX_PIXELS });
      if (data.length !== 3 * width * height || width * height > MAX_PIXELS) throw new Error(`${width} × ${height}`);
    },
  },
];
