// A task of the drawn world as a folder of pictures.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { PICTURE_SIZE, taskPictures } from "../src/world/index.ts";

/** Writes train/ and test/ with a folder of PNGs for each of the first classes; returns the classes' names. */
export async function drawFolder(
  dir: string,
  { task = "above", perClass = 6, classes = 3, seed = 3 } = {},
): Promise<readonly string[]> {
  let names: readonly string[] = [];
  for (const split of ["train", "test"] as const) {
    const { pixels, labels, classNames } = taskPictures(task, { perClass, seed, split });
    names = classNames.slice(0, classes);
    for (const [i, data] of pixels.entries()) {
      if (labels[i] >= classes) continue;
      const folder = join(dir, split, classNames[labels[i]].replaceAll(" ", "_"));
      mkdirSync(folder, { recursive: true });
      const size = { width: PICTURE_SIZE, height: PICTURE_SIZE };
      await sharp(data, { raw: { ...size, channels: 3 } })
        .png()
        .toFile(join(folder, `${i}.png`));
    }
  }
  return names;
}
