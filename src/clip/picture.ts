import { InputError } from "../tensor/errors.ts";
import { fileBytes, oneLine } from "./bytes.ts";
import type { PictureHeader } from "./picture-header.ts";
import type { Picture } from "./resize.ts";

export type { Picture } from "./resize.ts";

/** What is refused before it is decoded. */
export interface PictureLimits {
  /** default 50 million */
  readonly maxPixels?: number;
  /** default 64 MiB */
  readonly maxBytes?: number;
}

/** Turns the bytes of a picture file into pixels; may throw anything, the message is passed on. */
export type PictureDecoder = (bytes: Uint8Array, header: PictureHeader) => Promise<Picture>;

const MAX_PIXELS = 50_000_000;
const MAX_BYTES = 2 ** 26;
let chosen: PictureDecoder | undefined;

/**
 * Replaces the decoder for every later call; undefined brings the built-in one back.
 * @example setPictureDecoder(async (bytes) => myDecoder(bytes)); // { width, height, data: RGB }
 */
export function setPictureDecoder(decoder: PictureDecoder | undefined): void {
  chosen = decoder;
}

/**
 * Decodes a picture file. As in the reference (Pillow's `convert("RGB")`), transparency is dropped without blending,
 * EXIF orientation and colour profiles are not applied, and of an animation the first frame is taken. Deeper samples
 * become 8 bits. In Node by the optional package `sharp`, in a browser by the browser (where wholly transparent
 * pixels come out black). InputError, in one line with the file's name and what to do, for everything that is not a picture
 * or too large a one.
 *
 * @example const { width, height, data } = await decodePicture(new Uint8Array(await file.arrayBuffer()), file.name);
 */
export async function decodePicture(bytes: Uint8Array, name = "picture", limits: PictureLimits = {}): Promise<Picture> {
  const own = chosen;
  const header = await checkPicture(bytes, oneLine(name), limits);
  const decode = own ?? (await builtInDecoder());
  const picture = await decode(bytes, header).catch((error: unknown) => {
    if (error instanceof InputError) throw error;
    const [why] = (error instanceof Error ? error.message : String(error)).split("\n");
    throw new InputError(
      `${oneLine(name)}: this ${header.format} is damaged or cut short (${oneLine(why)}). Download it again.`,
    );
  });
  if (picture.data.length !== 3 * picture.width * picture.height)
    throw new InputError(`${oneLine(name)}: the decoder did not give three bytes a pixel.`);
  return picture;
}

/**
 * Reads and decodes a picture file (Node). Errors as in decodePicture, and InputError if it cannot be read.
 * @example const pixels = clip.preprocess(await readPicture("photo.jpg"));
 */
export async function readPicture(path: string, limits: PictureLimits = {}): Promise<Picture> {
  return decodePicture(await readPictureFile(path, limits), path, limits);
}

/**
 * The bytes of a picture file (Node), not decoded; InputError where there are none, or too many.
 * @example const picture = await decodePicture(await readPictureFile("photo.jpg"), "photo.jpg");
 */
export async function readPictureFile(path: string, limits: PictureLimits = {}): Promise<Uint8Array> {
  const file = await fileBytes(path);
  try {
    checkBytes(file.size, file.name, limits);
    return await file.read(0, file.size);
  } finally {
    await file.close();
  }
}

function checkBytes(size: number, name: string, { maxBytes = MAX_BYTES }: PictureLimits): void {
  if (size === 0) throw new InputError(`${name} is empty: 0 bytes. Download it again.`);
  if (size > maxBytes)
    throw new InputError(`${name} has ${size} bytes, over the limit of ${maxBytes}. Make it smaller.`);
}

/** Loaded with the first picture. */
const headers = () => import("./picture-header.ts");

async function checkPicture(bytes: Uint8Array, name: string, limits: PictureLimits): Promise<PictureHeader> {
  checkBytes(bytes.length, name, limits);
  const { isText, pictureHeader } = await headers();
  const header = pictureHeader(bytes);
  if (!header && /^\s*(<\?xml[\s\S]*)?<svg/.test(new TextDecoder().decode(bytes.subarray(0, 512))))
    throw new InputError(`${name} is an SVG drawing, which is not supported. Save it as a PNG.`);
  if (!header && isText(bytes))
    throw new InputError(`${name} is not a picture: it holds text (an HTML page?). Download it again.`);
  if (!header)
    throw new InputError(
      `${name} is not a picture that can be read, or is cut short. Save it again as a JPEG or a PNG.`,
    );
  const { format, width, height } = header;
  if (!(width > 0 && height > 0)) throw new InputError(`${name}: this ${format} has no pixels (${width} × ${height}).`);
  const { maxPixels = MAX_PIXELS } = limits;
  if (width * height > maxPixels)
    throw new InputError(`${name}: ${width} × ${height} pixels are over the limit of ${maxPixels}. Make it smaller.`);
  return header;
}

async function builtInDecoder(): Promise<PictureDecoder> {
  if (typeof createImageBitmap === "function" && typeof OffscreenCanvas === "function") return decodeInBrowser;
  return (await import("./picture-node.ts")).sharpDecoder();
}

async function decodeInBrowser(bytes: Uint8Array, { format }: PictureHeader): Promise<Picture> {
  const { withoutExif } = await headers();
  const blob = new Blob([format === "JPEG" ? withoutExif(bytes) : (bytes as Uint8Array<ArrayBuffer>)]);
  const bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(3 * width * height);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    data[to++] = rgba[from];
    data[to++] = rgba[from + 1];
    data[to++] = rgba[from + 2];
  }
  return { width, height, data };
}
