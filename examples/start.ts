// `npm start`: draws pictures of one task of the drawn world, learns a prompt from 16 of each class with `coop train`,
// and shows it beside the hand-written prompt. The pictures are PNG files in a folder per class, as anyone's would be.
// The recipe's 200 epochs gain little more on this task than the 80 that keep it short on a CPU; `npm start -- above
// --epochs 200` takes them all.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { main } from "../src/cli/cli.ts";
import { PICTURE_SIZE, taskPictures } from "../src/world/index.ts";

const [task = "above", ...flags] = process.argv.slice(2);
const root = join("runs", "drawn-world", task);

for (const split of ["train", "test"] as const) {
  const { pixels, labels, classNames } = taskPictures(task, { perClass: split === "train" ? 16 : 40, seed: 1, split });
  const counts = classNames.map(() => 0);
  for (const [i, data] of pixels.entries()) {
    const folder = join(root, split, classNames[labels[i]].replaceAll(" ", "_"));
    await mkdir(folder, { recursive: true });
    const file = join(folder, `${String(++counts[labels[i]]).padStart(2, "0")}.png`);
    await sharp(data, { raw: { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } })
      .png()
      .toFile(file);
  }
}
console.error(`drew ${root}: look at it`);

process.exitCode = await main(["train", root, "--shots", "16", "--epochs", "80", ...flags]);
