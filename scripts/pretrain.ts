// Trains the tiny CLIP on the drawn world from nothing (`npm run pretrain`, which then writes it to models/tiny-clip).
// Every picture and caption is a function of the seed and drawn at the step that uses it, and the checkpoint holds the
// optimizer's state: a run that was stopped goes on exactly where its last checkpoint was.
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { type AdamWState, adamw, clipByGlobalNorm, cosine, linearWarmup, valueAndGrad } from "../src/autograd/index.ts";
import { fileBytes } from "../src/clip/bytes.ts";
import {
  type ClipParams,
  clampLogitScale,
  initClip,
  loadTokenizer,
  openSafetensors,
  pretrainLoss,
  type TensorToStore,
  textBatch,
  writeSafetensors,
} from "../src/clip/index.ts";
import { normalise } from "../src/clip/preprocess.ts";
import { writeFileAtomic } from "../src/coop/atomic.ts";
import { progress } from "../src/coop/progress.ts";
import { compile, device, free, key, read, type Tensor, tensor } from "../src/tensor/index.ts";
import { announce } from "../src/tensor/runtime.ts";
import { forEachLeaf, treeMap } from "../src/tensor/tree.ts";
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
/** Steps whose losses may be under way before the loop waits. */
const AHEAD = 4;

const tokenizer = await loadTokenizer(tokenizerJson, { contextLength: config.text.contextLength });
const schedule = linearWarmup(200, cosine(rate, steps - 200, 0.02 * rate));
const optimizer = adamw({ learningRate: rate, beta1: 0.9, beta2: 0.98, epsilon: 1e-6, weightDecay: 0.1 });
type State = { params: ClipParams; optimizer: AdamWState };
type Batch = ReturnType<typeof batchAt>;

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
  return {
    images: tensor(images, [batchSize, 3, PICTURE_SIZE, PICTURE_SIZE]),
    ...textBatch(rows, tokenizer, { padTo }),
  };
}

const trainStep = compile(
  (state: State, batch: Batch, learningRate: number | Tensor) => {
    const [loss, grads] = valueAndGrad((p: ClipParams) => pretrainLoss(p, config, batch))(state.params);
    const [params, next] = optimizer.update(clipByGlobalNorm(grads, 1), state.optimizer, state.params, learningRate);
    return [{ params: clampLogitScale(params), optimizer: next }, loss] as const;
  },
  { donate: [0], name: "the pre-training step" },
);

/** Numbers that a checkpoint must agree on. */
const identity = { steps: flags.steps, batch: flags.batch, seed: flags.seed, rate: flags.rate };

async function save(state: State, step: number): Promise<void> {
  const shapes: (readonly number[])[] = [];
  forEachLeaf(state, (leaf) => shapes.push((leaf as Tensor).shape));
  const entries: [string, TensorToStore][] = [];
  forEachLeaf(await read(state), (leaf, path) => {
    const { buffer, byteOffset, byteLength } = leaf as Float32Array;
    entries.push([
      path,
      { dtype: "F32", shape: shapes[entries.length], data: new Uint8Array(buffer, byteOffset, byteLength) },
    ]);
  });
  await mkdir(dirname(flags.checkpoint), { recursive: true });
  await writeFileAtomic(flags.checkpoint, writeSafetensors(entries, { ...identity, step: String(step) }));
}

async function restore(like: State): Promise<{ state: State; step: number }> {
  const source = await fileBytes(flags.checkpoint);
  const file = await openSafetensors(source);
  for (const [flag, value] of Object.entries(identity)) {
    const found = file.metadata.get(flag);
    if (found !== value)
      throw new Error(
        `${flags.checkpoint} was made with --${flag} ${found}, not ${value}; give that, or another --checkpoint`,
      );
  }
  const paths = new Map<unknown, string>();
  forEachLeaf(like, (leaf, path) => paths.set(leaf, path));
  const values = new Map<string, Tensor>();
  for (const [path, { shape }] of file.tensors)
    values.set(path, tensor(new Float32Array((await file.read(path)).buffer as ArrayBuffer), shape));
  await source.close();
  return {
    state: treeMap((leaf: unknown) => values.get(paths.get(leaf)!)!, like) as unknown as State,
    step: Number(file.metadata.get("step")),
  };
}

announce((await device()).description);
const params = initClip(config, key(seed));
let state: State = { params, optimizer: optimizer.init(params) };
let first = 0;
if (existsSync(flags.checkpoint)) ({ state, step: first } = await restore(state));

const bar = progress("pretrain", steps);
let losses: Promise<number>[] = [];
for (let step = first; step < steps; step++) {
  const batch = batchAt(step);
  const [next, loss] = trainStep(state, batch, schedule(step));
  state = next;
  free(batch);
  losses.push(loss.item().finally(() => loss.free()));
  await losses.at(-AHEAD);
  const done = step + 1;
  if (done % LOG_EVERY === 0 || done === steps) {
    const recent = await Promise.all(losses);
    losses = [];
    const mean = recent.reduce((a, b) => a + b) / recent.length;
    if (!Number.isFinite(mean)) throw new Error(`the loss became ${mean} before step ${done}`);
    bar.update(done, `loss ${mean.toFixed(3)}`);
    bar.log(`step ${done} loss ${mean.toFixed(4)}`);
  }
  if (done % SAVE_EVERY === 0 || done === steps) await save(state, done);
}
bar.finish();
trainStep.free();

await import("./model-card.ts");
