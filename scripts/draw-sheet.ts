/**
 * Draws a contact sheet of the drawn world as a PNG: a row per task, its classes side by side, then a row per shift.
 *
 *   npx tsx scripts/draw-sheet.ts [file = world.png] [seed = 1]
 */
import { PICTURE_SIZE, Random, SHIFTS, TASKS } from "../src/world/index.ts";

const COLUMNS = 16;
const ZOOM = 2;

const [file = "world.png", seed = "1"] = process.argv.slice(2);

const lines = [
  ...Object.values(TASKS).map((task) => ({ title: task.name, task, shift: {} })),
  ...Object.entries(SHIFTS).map(([name, shift]) => ({ title: `objects, ${name}`, task: TASKS.objects, shift })),
];

const width = COLUMNS * PICTURE_SIZE;
const height = lines.length * PICTURE_SIZE;
const sheet = new Uint8Array(width * height * 3);
lines.forEach(({ title, task, shift }, line) => {
  console.log(`row ${line + 1}: ${title} (${task.classNames.join(", ")})`);
  for (let column = 0; column < COLUMNS; column++) {
    const random = new Random(Number(seed), line, column);
    const pixels = task.draw(column % task.classNames.length, random, shift);
    for (let y = 0; y < PICTURE_SIZE; y++) {
      const row = pixels.subarray(y * PICTURE_SIZE * 3, (y + 1) * PICTURE_SIZE * 3);
      sheet.set(row, ((line * PICTURE_SIZE + y) * width + column * PICTURE_SIZE) * 3);
    }
  }
});

const { default: sharp } = await import("sharp").catch(() => {
  throw new Error("writing a PNG needs the optional package sharp: npm install sharp");
});
await sharp(sheet, { raw: { width, height, channels: 3 } })
  .resize(width * ZOOM, height * ZOOM, { kernel: "nearest" })
  .png()
  .toFile(file);
console.log(`wrote ${file}`);
