// Trains the tiny CLIP on the drawn world from nothing and writes models/tiny-clip (`npm run pretrain`).
// Everything is a function of the seed: pictures and captions are drawn at the step that uses them, so a run that was
// stopped goes on from its checkpoint exactly where it was.
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { adamw, clipByGlobalNorm, cosine, linearWarmup, valueAndGrad } from "../src/autograd/index.ts";
import { fileBytes } from "../src/clip/bytes.ts";
import { type ClipConfig } from "../src/clip/config.ts";
import { clampLogitScale, pretrainLoss } from "../src/clip/contrastive.ts";
import { initClip } from "../src/clip/init.ts";
import type { ClipParams } from "../src/clip/params.ts";
import { normalise, type PreprocessOptions } from "../src/clip/preprocess.ts";
import { openSafetensors, writeSafetensors } from "../src/clip/safetensors.ts";
import { loadTokenizer } from "../src/clip/tokenizer.ts";
import { wordLevelTokenizerJson } from "../src/clip/word-tokenizer.ts";
import { writeFileAtomic } from "../src/coop/atomic.ts";
import { compile, device, free, key, read, type Tensor, tensor } from "../src/tensor/index.ts";
import { forEachLeaf, treeMap } from "../src/tensor/tree.ts";
import { captionFor, PICTURE_SIZE, Random, trainingPair, vocabulary } from "../src/world/index.ts";

const { values: flags } = parseArgs({
  options: {
    steps: { type: "string", default: "4000" },
    batch: { type: "string", default: "128" },
    seed: { type: "string", default: "1" },
    rate: { type: "string", default: "0.002" },
    checkpoint: { type: "string", default: "runs/tiny-clip/checkpoint.safetensors" },
    until: { type: "string" },
  },
});
const steps = Number(flags.steps);
const batchSize = Number(flags.batch);
const seed = Number(flags.seed);
const until = Number(flags.until ?? flags.steps);

const tokenizer = await loadTokenizer(wordLevelTokenizerJson(vocabulary()), { contextLength: 32 });
const config: ClipConfig = {
  embedDim: 64,
  activation: "quickGelu",
  layerNormEpsilon: 1e-5,
  vision: { imageSize: PICTURE_SIZE, patchSize: 8, width: 96, layers: 4, heads: 3 },
  text: { contextLength: 32, vocabularySize: tokenizer.vocabularySize, width: 64, layers: 3, heads: 2 },
};
const pixels: PreprocessOptions = { scale: 1 / 255, mean: [0.45, 0.45, 0.45], std: [0.27, 0.27, 0.27] };
const schedule = linearWarmup(200, cosine(Number(flags.rate), steps - 200, 0.02 * Number(flags.rate)));
const optimizer = adamw({ learningRate: Number(flags.rate), beta1: 0.9, beta2: 0.98, epsilon: 1e-6, weightDecay: 0.1 });

/** The pairs of one step; texts are cut at a multiple of 4 tokens behind the longest. */
function batchAt(step: number) {
  const webTail = new Random(seed, 77, step).chance(0.12);
  const pairs = Array.from({ length: batchSize }, (_, i) => trainingPair(seed, step * batchSize + i));
  const images = new Float32Array(batchSize * 3 * PICTURE_SIZE ** 2);
  pairs.forEach((pair, i) => {
    images.set(normalise({ width: PICTURE_SIZE, height: PICTURE_SIZE, data: pair.pixels }, pixels), i * 3 * PICTURE_SIZE ** 2);
  });
  const rows = tokenizer.tokenize(pairs.map((pair) => captionFor(pair.latent, seed, 0, webTail)));
  const ends = Int32Array.from({ length: batchSize }, (_, i) => rows.ids.subarray(i * rows.length, (i + 1) * rows.length).indexOf(tokenizer.endToken));
  const length = Math.min(rows.length, Math.ceil((Math.max(...ends) + 1) / 4) * 4);
  const ids = new Int32Array(batchSize * length);
  for (let i = 0; i < batchSize; i++) ids.set(rows.ids.subarray(i * rows.length, i * rows.length + length), i * length);
  return { images: tensor(images, [batchSize, 3, PICTURE_SIZE, PICTURE_SIZE]), ids: tensor(ids, [batchSize, length]), ends: tensor(ends) };
}

const trainStep = compile(
  (params: ClipParams, state: ReturnType<typeof optimizer.init>, batch: ReturnType<typeof batchAt>, rate: Tensor) => {
    const [loss, grads] = valueAndGrad((p: ClipParams) => pretrainLoss(p, config, batch))(params);
    const [updated, next] = optimizer.update(clipByGlobalNorm(grads, 1), state, params, rate);
    return [clampLogitScale(updated), next, loss] as const;
  },
  { donate: [0, 1], name: "the pre-training step" },
);

await device();
let params = initClip(config, key(seed));
let state = optimizer.init(params);
let first = 0;
if (existsSync(flags.checkpoint)) ({ params, state, first } = await restore());

let losses: Promise<number>[] = [];
const started = performance.now();
for (let step = first; step < Math.min(steps, until); step++) {
  const batch = batchAt(step);
  const [p, s, loss] = trainStep(params, state, batch, schedule(step) as unknown as Tensor);
  params = p;
  state = s;
  free(batch);
  if (process.env.SHOW) loss.item().then((l) => console.log(step, l));
  losses.push(loss.item().finally(() => loss.free()));
  if (losses.length % 10 === 0) await losses.at(-10);
  if ((step + 1) % 50 === 0 || step + 1 === Math.min(steps, until)) {
    const recent = await Promise.all(losses);
    losses = [];
    const each = (performance.now() - started) / (step + 1 - first);
    console.log(`step ${step + 1} loss ${(recent.reduce((a, b) => a + b) / recent.length).toFixed(4)} ${each.toFixed(0)} ms/step left ${((steps - step - 1) * each / 60000).toFixed(1)} min`);
    if (recent.some((l) => !Number.isFinite(l))) throw new Error("the loss is not finite");
  }
  if ((step + 1) % 200 === 0 || step + 1 === Math.min(steps, until)) await save(step + 1);
}

async function save(step: number): Promise<void> {
  const tree = await read({ params, state });
  const entries: [string, { dtype: string; shape: readonly number[]; data: Uint8Array }][] = [];
  const shapes = new Map<string, readonly number[]>();
  forEachLeaf({ params, state }, (leaf, path) => shapes.set(path, (leaf as Tensor).shape));
  forEachLeaf(tree, (leaf, path) => {
    const data = leaf as Float32Array;
    entries.push([path, { dtype: "F32", shape: shapes.get(path)!, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }]);
  });
  await mkdir(dirname(flags.checkpoint), { recursive: true });
  await writeFileAtomic(flags.checkpoint, writeSafetensors(entries as never, { step: String(step), steps: flags.steps, seed: flags.seed, batch: flags.batch, rate: flags.rate } as never));
}

async function restore() {
  const file = await openSafetensors(await fileBytes(flags.checkpoint));
  for (const flag of ["steps", "seed", "batch", "rate"] as const) {
    if (file.metadata.get(flag) !== flags[flag]) throw new Error(`${flags.checkpoint} was made with --${flag} ${file.metadata.get(flag)}, not ${flags[flag]}`);
  }
  const paths = new Map<unknown, string>();
  forEachLeaf({ params, state }, (leaf, path) => paths.set(leaf, path));
  const values = new Map<string, Tensor>();
  for (const [path, { shape }] of file.tensors) {
    const bytes = await file.read(path);
    values.set(path, tensor(new Float32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / 4), shape));
  }
  const restored = treeMap((leaf: unknown) => values.get(paths.get(leaf)!)!, { params, state }) as { params: ClipParams; state: typeof state };
  return { ...restored, first: Number(file.metadata.get("step")) };
}

void readFile;
