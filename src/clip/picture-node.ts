import { InputError } from "../tensor/errors.ts";
import type { PictureDecoder } from "./picture.ts";

/** Decodes by the optional package `sharp`. InputError where it is not installed. */
export async function sharpDecoder(): Promise<PictureDecoder> {
  const { default: sharp } = await import("sharp").catch((cause) => {
    throw new InputError(
      "Pictures are decoded by the package sharp, which is not installed: run `npm install sharp`.",
      { cause },
    );
  });
  return async (bytes, { width, height }) => {
    const options = { failOn: "error", ignoreIcc: true, limitInputPixels: width * height } as const;
    const image = sharp(bytes, options).removeAlpha().toColourspace("srgb").raw();
    const { data, info } = await image.toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  };
}
