import { isText, pictureHeader } from "../../src/clip/picture-header.ts";

const MAX_BYTES = 2 ** 26;
/** Where the size of a picture usually stands. */
const HEAD = 2 ** 16;
/** On the longer side of a thumbnail. */
const SIDE = 128;

/** Why a file is no picture, by its first bytes; undefined where it seems to be one. */
export async function refusal(file: Blob, name: string): Promise<string | undefined> {
  if (file.size === 0) return `${name} is empty.`;
  if (file.size > MAX_BYTES)
    return `${name} has ${Math.round(file.size / 1e6)} MB; at most 67 are read. Make it smaller.`;
  try {
    const head = await bytesOf(file.slice(0, HEAD));
    if (pictureHeader(head) || (file.size > HEAD && pictureHeader(await bytesOf(file)))) return undefined;
    return isText(head)
      ? `${name} is no picture: it holds text.`
      : `${name} is no picture that can be read here. Save it as a JPEG or a PNG.`;
  } catch {
    return `${name} could not be read. Was it moved or deleted?`;
  }
}

/** A small copy for the screen. Throws where the browser cannot decode the file. */
export async function makeThumbnail(file: Blob): Promise<Blob> {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const side = (pixels: number) => Math.max(1, Math.round(pixels * scale));
  const canvas = new OffscreenCanvas(side(bitmap.width), side(bitmap.height));
  const context = canvas.getContext("2d")!;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.convertToBlob({ type: "image/png" });
}

const bytesOf = async (blob: Blob) => new Uint8Array(await blob.arrayBuffer());
