import sharp from "sharp";
import { PICTURE_SIZE, trainingPair } from "../../src/world/index.ts";

/** Writes one picture of the drawn world. */
export async function drawPicture(path: string, index: number): Promise<void> {
  const size = { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 as const };
  await sharp(trainingPair(5, index).pixels, { raw: size }).png().toFile(path);
}
