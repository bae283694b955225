/** What the first bytes of a picture file say, before anything is decoded. */
export interface PictureHeader {
  readonly format: "PNG" | "JPEG" | "GIF" | "WebP" | "TIFF" | "AVIF";
  readonly width: number;
  readonly height: number;
}

/** Format and size in pixels, or undefined if the bytes are no picture of a known format or break off within the header. */
export function pictureHeader(bytes: Uint8Array): PictureHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    for (const [format, read] of FORMATS) {
      const size = read(view);
      if (size) return { format, width: size[0], height: size[1] };
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // a DataView read past the end
  }
  return undefined;
}

/** Whether the bytes look like text (a saved error page, a note) and not like a picture. */
export function isText(bytes: Uint8Array): boolean {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, 512), { stream: true });
    return text.trim() !== "" && !/[^\P{Cc}\s]/u.test(text);
  } catch {
    return false;
  }
}

/** A JPEG with its EXIF block made unreadable: a browser would turn the picture by it, whatever it is asked. */
export function withoutExif(jpeg: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(jpeg);
  const view = new DataView(copy.buffer);
  for (const { marker, at } of jpegSegments(view))
    if (marker === 0xe1 && ascii(view, at + 2, "Exif")) copy.fill(0, at + 2, at + 6);
  return copy;
}

type Size = readonly [width: number, height: number] | undefined;

const FORMATS: [PictureHeader["format"], (view: DataView) => Size][] = [
  ["PNG", (v) => (ascii(v, 1, "PNG\r\n") && ascii(v, 12, "IHDR") ? [v.getUint32(16), v.getUint32(20)] : undefined)],
  ["JPEG", jpegSize],
  ["GIF", (v) => (ascii(v, 0, "GIF8") ? [v.getUint16(6, true), v.getUint16(8, true)] : undefined)],
  ["WebP", (v) => (ascii(v, 0, "RIFF") && ascii(v, 8, "WEBP") ? webpSize(v) : undefined)],
  ["TIFF", tiffSize],
  ["AVIF", (v) => (ascii(v, 4, "ftyp") ? avifSize(v) : undefined)],
];

function ascii(view: DataView, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++)
    if (at + i >= view.byteLength || view.getUint8(at + i) !== text.charCodeAt(i)) return false;
  return true;
}

/** The size that the frame segment gives. */
function jpegSize(view: DataView): Size {
  for (const { marker, at } of jpegSegments(view)) {
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return [view.getUint16(at + 5), view.getUint16(at + 3)];
  }
  return undefined;
}

/** The segments before the first scan; `at` is where a segment's two length bytes lie. */
function* jpegSegments(view: DataView): Generator<{ marker: number; at: number }> {
  if (!ascii(view, 0, "\xff\xd8\xff")) return;
  for (let at = 2; at + 4 < view.byteLength && view.getUint8(at) === 0xff; at += view.getUint16(at)) {
    while (at + 4 < view.byteLength && view.getUint8(at) === 0xff) at++;
    const marker = view.getUint8(at++);
    if (marker === 0xd9 || marker === 0xda) return;
    yield { marker, at };
  }
}

function webpSize(view: DataView): Size {
  const uint24 = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  if (ascii(view, 12, "VP8X")) return [uint24(24) + 1, uint24(27) + 1];
  if (ascii(view, 12, "VP8L")) {
    const bits = view.getUint32(21, true);
    return [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
  }
  if (ascii(view, 12, "VP8 ")) return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff];
  return undefined;
}

/** Tags 256 and 257 of the first directory. */
function tiffSize(view: DataView): Size {
  const little = ascii(view, 0, "II*\0");
  if (!little && !ascii(view, 0, "MM\0*")) return undefined;
  const directory = view.getUint32(4, little);
  const size = [0, 0];
  for (let i = 0; i < view.getUint16(directory, little); i++) {
    const entry = directory + 2 + 12 * i;
    const axis = view.getUint16(entry, little) - 256;
    const short = view.getUint16(entry + 2, little) === 3;
    if (axis === 0 || axis === 1)
      size[axis] = short ? view.getUint16(entry + 8, little) : view.getUint32(entry + 8, little);
  }
  return [size[0], size[1]];
}

/** The largest "image spatial extents" box among the first bytes. */
function avifSize(view: DataView): Size {
  let size: Size;
  for (let at = 8; at < Math.min(view.byteLength - 16, 65536); at++)
    if (ascii(view, at, "ispe")) {
      const [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
      if (!size || width * height > size[0] * size[1]) size = [width, height];
    }
  return size;
}
