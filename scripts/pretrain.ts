// Trains the tiny CLIP on the drawn world from nothing (`npm run pretrain`, which then writes it to models/tiny-clip).
// Every picture and caption is a function of the seed and drawn at the step that uses it, and the checkpoint holds the
// optimizer's state: a run that was stopped goes on exactly where its last checkpoint was.
import { parseArgs } from "node:util";
import { adamw, cosine, linearWarmup } from "../src/autograd/index.ts";
import { loadTokenizer, textBatch } from "../src/clip/index.ts";
import { initClip } from "../src/clip/init.ts";
import { normalise } from "../src/clip/preprocess.ts";
import { lockFile } from "../src/coop/lock.ts";
import { pretrain } from "../src/coop/pretrain.ts";
import { progress } from "../src/coop/progress.ts";
import { loadTraining, saveTraining } from "../src/coop/training-state.ts";
import { device, key, tensor } from "../src/tensor/index.ts";
import { announce } from "../src/tensor/runtime.ts";
import { captionFor, PICTURE_SIZE, Random, trainingPair } from "../src/world/index.ts";
import { CHECKPOINT, config, pixels, tokenizerJson } from "./tiny-clip.ts";

const { values: flags } = parseArgs({
  options: {
    steps: { type: "string", default: "4000" },
    batch: { type: "string", default: "128" },
    seed: { type: "string", default: "1" },
    rate: { type: "string", default: "0.002" },
    checkpoint: { type: "string", default: CHECKPOINT },
  },
});
const [steps, batchSize, seed, rate] = [flags.steps, flags.batch, flags.seed, flags.rate].map(Number);
const SAVE_EVERY = 200;
const LOG_EVERY = 50;
/** Share of batches whose captions all end in web phrases; the others stay short. */
const WEB_TAILS = 0.12;
const WEB_TAIL_STREAM = 77;

const tokenizer = await loadTokenizer(tokenizerJson, { contextLength: config.text.contextLength });

/** The pairs of one step; texts are cut at a multiple of 4 tokens, so that few lengths are compiled. */
function batchAt(step: number) {
  const webTail = new Random(seed, WEB_TAIL_STREAM, step).chance(WEB_TAILS);
  const pairs = Array.from({ length: batchSize }, (_, i) => trainingPair(seed, step * batchSize + i));
  const images = new Float32Array(batchSize * 3 * PICTURE_SIZE ** 2);
  pairs.forEach((pair, i) => {
    images.set(
      normalise({ width: PICTURE_SIZE, height: PICTURE_SIZE, data: pair.pixels }, pixels),
      i * 3 * PICTURE_SIZE ** 2,
    );
  });
  const texts = pairs.map((pair) => captionFor(pair.latent, seed, 0, webTail));
  const rows = tokenizer.tokenize(texts);
  const longest = Math.max(...texts.map((_, i) => rows.ids.subarray(i * rows.length).indexOf(tokenizer.endToken) + 1));
  const padTo = Math.min(rows.length, Math.ceil(longest / 4) * 4);
  const piece = () => ({
    images: tensor(images, [batchSize, 3, PICTURE_SIZE, PICTURE_SIZE]),
    ...textBatch(rows, tokenizer, { padTo }),
  });
  return [piece];
}

const lock = await lockFile(flags.checkpoint).catch(({ message }: Error) => {
  console.error(message);
  process.exit(1);
});
announce((await device()).description);
const optimizer = adamw({ learningRate: rate, beta1: 0.9, beta2: 0.98, epsilon: 1e-6, weightDecay: 0.1 });
const schedule = linearWarmup(200, cosine(rate, steps - 200, 0.02 * rate));
const settings = { steps: flags.steps, batch: flags.batch, seed: flags.seed, rate: flags.rate };
const params = initClip(config, key(seed));
const start = { state: { params, optimizer: optimizer.init(params) }, step: 0 };
const from = (await loadTraining(flags.checkpoint, start.state, settings)) ?? start;

const bar = progress("pretrain", steps);
let losses: Promise<number>[] = [];
for await (const { done, loss, state } of pretrain(
  { config, optimizer, schedule, steps, batchAt, clipNorm: 1 },
  from,
)) {
  losses.push(loss);
  if (done % LOG_EVERY === 0 || done === steps) {
    const recent = await Promise.all(losses);
    losses = [];
    const mean = recent.reduce((a, b) => a + b) / recent.length;
    bar.update(done, `loss ${mean.toFixed(3)}`);
    bar.log(`step ${done} loss ${mean.toFixed(4)}`);
  }
  if (done % SAVE_EVERY === 0 || done === steps) await saveTraining(flags.checkpoint, state, settings, done);
}
bar.finish();
await lock.release();

await import("./model-card.ts");
