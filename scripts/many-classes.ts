// Trains a prompt for very many classes, all at once and in blocks, and says what memory that takes:
// npm run many-classes [-- --classes 10000] [--blocks 0,1000] [--write]
import "../test/gpu-settings.ts";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadClip } from "../src/clip/index.ts";
import { fitLearner } from "../src/coop/fit.ts";
import { promptLearner } from "../src/coop/prompt-learner.ts";
import { device } from "../src/tensor/index.ts";

const { values: flags } = parseArgs({
  options: {
    classes: { type: "string", default: "10000" },
    blocks: { type: "string", default: "0,1000" },
    write: { type: "boolean", default: false },
  },
});
const count = Number(flags.classes);
const WORDS = ["red", "green", "blue", "big", "small", "old", "new", "dark", "pale", "round"];
const names = Array.from({ length: count }, (_, i) =>
  [1000, 100, 10, 1].map((unit) => WORDS[Math.floor(i / unit) % 10]).join(" "),
);
const EXAMPLES = 32;
const on = await device();
const rows: object[] = [];
let first: Float32Array | undefined;
for (const block of flags.blocks.split(",").map(Number)) {
  const clip = await loadClip(join(import.meta.dirname, "../models/tiny-clip"));
  await on.idle();
  on.buffers.trim();
  const model = on.memory().bytes;
  const started = performance.now();
  const learner = promptLearner(clip, names, { contextTokens: 4, classesPerBlock: block || count });
  const width = clip.config.embedDim;
  const examples = {
    features: Float32Array.from({ length: EXAMPLES * width }, (_, i) => Math.sin(7 * i)),
    labels: Int32Array.from({ length: EXAMPLES }, (_, i) => Math.floor((i * count) / EXAMPLES)),
  };
  let most = 0;
  const onEpoch = () => {
    most = Math.max(most, on.memory().bytes);
  };
  const { context } = await fitLearner(learner, examples, { epochs: 2, seed: 1 }, { onEpoch });
  first ??= context;
  const apart = Math.max(...context.map((v, i) => Math.abs(v - first![i])));
  rows.push({
    classes: count,
    classesPerBlock: block || count,
    trainingMiB: Number(((most - model) / 2 ** 20).toFixed(1)),
    seconds: Number(((performance.now() - started) / 1000).toFixed(1)),
    largestDifferenceOfContext: apart,
  });
  console.log(JSON.stringify(rows.at(-1)));
  learner.free();
  clip.free();
}
if (flags.write) {
  await mkdir("reliability", { recursive: true });
  await writeFile("reliability/many-classes.json", `${JSON.stringify({ adapter: on.adapter, rows }, null, 2)}\n`);
}
