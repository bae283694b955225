// The pieces of a step of pre-training against the plain gradient of the whole batch.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { valueAndGrad } from "../src/autograd/index.ts";
import { memoryBytes } from "../src/clip/bytes.ts";
import { type BatchPiece, cachedGradients } from "../src/clip/cached-gradients.ts";
import { type PairBatch, pretrainLoss } from "../src/clip/contrastive.ts";
import {
  type ClipConfig,
  type ClipParams,
  openSafetensors,
  storeWeights,
  textBatch,
  writeSafetensors,
} from "../src/clip/index.ts";
import { inferConfig } from "../src/clip/infer-config.ts";
import { initClip } from "../src/clip/init.ts";
import { decays, pretrainOptimizer, pretrainStep, type TrainingState } from "../src/clip/pretrain-step.ts";
import { loadWeights } from "../src/clip/weights.ts";
import { pretrain } from "../src/coop/pretrain.ts";
import {
  add,
  compile,
  device,
  foldIn,
  key,
  mul,
  normal,
  read,
  type Tensor,
  tensor,
  treeMap,
} from "../src/tensor/index.ts";
import { forEachLeaf } from "../src/tensor/tree.ts";

const TIMEOUT = { timeout: 120_000 };
await device();

const config: ClipConfig = {
  embedDim: 12,
  activation: "quickGelu",
  layerNormEpsilon: 1e-5,
  vision: { kind: "vit", imageSize: 16, patchSize: 8, width: 16, layers: 3, heads: 2 },
  text: { contextLength: 8, vocabularySize: 24, width: 16, layers: 1, heads: 2 },
};
const N = 8;

const images = Float32Array.from({ length: N * 3 * 256 }, (_, i) => Math.sin(i * (1 + Math.floor(i / 768))));
const lengths = [5, 3, 4, 5, 3, 5, 4, 5];
const ids = Int32Array.from({ length: N * 8 }, (_, i) => {
  const [row, at] = [Math.floor(i / 8), i % 8];
  return at === 0 ? 22 : at === lengths[row] - 1 ? 23 : at >= lengths[row] ? 0 : 1 + ((7 * i) % 20);
});

/** The batch in pieces of `size` pairs. */
const inPieces = (size: number): BatchPiece[] =>
  Array.from({ length: N / size }, (_, i) => () => ({
    images: tensor(images.slice(i * size * 768, (i + 1) * size * 768), [size, 3, 16, 16]),
    ...textBatch(
      { ids: ids.slice(i * size * 8, (i + 1) * size * 8), count: size, length: 8 },
      { endToken: 23, contextLength: 8 },
      { padTo: 5 },
    ),
  }));

/** Parameters that are all away from where they begin, so that every gradient is something. */
function params(): ClipParams {
  const start = initClip(config, key(3));
  let i = 0;
  return treeMap((leaf: Tensor) => {
    const noise = normal(foldIn(key(4), i++), leaf.shape, { std: 0.02 });
    return leaf.rank === 0 ? leaf : add(leaf, noise);
  }, start) as unknown as ClipParams;
}

/** Every leaf near in relation to the size of its own tensor. */
async function near(a: unknown, b: unknown, tolerance: number): Promise<void> {
  const found = new Map<string, ArrayLike<number>>();
  forEachLeaf(await read(a), (leaf, path) => found.set(path, leaf as Float32Array));
  forEachLeaf(await read(b), (leaf, path) => {
    const [values, other] = [leaf as Float32Array, found.get(path)!];
    const size = Math.hypot(...values) / Math.sqrt(values.length);
    const off = Math.hypot(...values.map((v, i) => v - other[i])) / Math.sqrt(values.length);
    assert.ok(size > 0, `${path} has no gradient`);
    assert.ok(off <= tolerance * size, `${path}: ${off} of ${size}`);
  });
}

const lossAndGradient = (recompute: boolean) =>
  compile((p: ClipParams, batch: PairBatch) =>
    valueAndGrad((q: ClipParams) => pretrainLoss(q, config, batch, { recompute }))(p),
  );

describe("gradients", () => {
  test("recomputed blocks: the same loss and gradients, and less memory", TIMEOUT, async () => {
    const at = params();
    const batch = inPieces(N)[0]();
    const [plain, again] = [lossAndGradient(false), lossAndGradient(true)];
    const [loss, grads] = plain(at, batch);
    const [sameLoss, sameGrads] = again(at, batch);
    assert.ok(Math.abs((await loss.item()) - (await sameLoss.item())) < 1e-6);
    await near(sameGrads, grads, 1e-5);
    const bytes = (f: typeof plain) => f.inspect()[0].plan.liveBytes;
    assert.ok(bytes(again) < bytes(plain), `${bytes(again)}, not less than ${bytes(plain)}`);
  });

  for (const recompute of [false, true]) {
    test(
      `pieces of 2 and 4 pairs${recompute ? ", recomputed" : ""}: the gradient of the whole batch`,
      TIMEOUT,
      async () => {
        const at = params();
        const [loss, grads] = lossAndGradient(false)(at, inPieces(N)[0]());
        const cached = cachedGradients(config, { recompute });
        for (const size of recompute ? [4] : [2, 4]) {
          const [sameLoss, sameGrads] = cached(at, inPieces(size));
          assert.ok(Math.abs((await loss.item()) - (await sameLoss.item())) < 1e-6);
          await near(sameGrads, grads, 1e-5);
        }
        cached.free();
      },
    );
  }
});

describe("a step", () => {
  test("examined, a batch or a state that is not finite is told, in one piece and in several", TIMEOUT, async () => {
    const optimizer = pretrainOptimizer(config, { learningRate: 1e-3 });
    const step = pretrainStep(config, optimizer);
    const state: TrainingState = { params: params(), optimizer: optimizer.init(params()) };
    const dark = (piece: BatchPiece): BatchPiece => {
      return () => ({ ...piece(), images: mul(piece().images, Number.NaN) });
    };
    const whole = await step.examine(state, inPieces(N).map(dark), 1e-3);
    assert.match(whole?.text ?? "", /^argument \[1\]\.images holds NaN for 6144 of 6144 numbers/);
    const second = inPieces(4).map((piece, i) => (i === 1 ? dark(piece) : piece));
    const inPart = await step.examine(state, second, 1e-3);
    assert.match(inPart?.text ?? "", /^argument \[1\]\.images holds NaN for 3072 of 3072 numbers/);
    const wild = { ...state, params: { ...state.params, logitScale: tensor(Number.POSITIVE_INFINITY) } };
    const inState = await step.examine(wild, inPieces(N), 1e-3);
    assert.match(inState?.text ?? "", /^argument \[0\]\.params\.logitScale holds infinity/);
    step.free();
  });

  test("which parameters decay", () => {
    const [yes, no]: string[][] = [[], []];
    forEachLeaf(initClip(config, key(0)), (leaf, path) => (decays(leaf as Tensor) ? yes : no).push(path));
    const of = (tower: string, layers: number, leaves: string[]) =>
      Array.from({ length: layers }, (_, i) => leaves.map((leaf) => `${tower}.blocks[${i}].${leaf}`)).flat();
    const matrices = ["contract.weight", "expand.weight", "inProjection.weight", "outProjection.weight"];
    const vectors = ["contract", "expand", "inProjection", "norm1", "norm2", "outProjection"].map((l) => `${l}.bias`);
    assert.deepEqual(
      yes.sort(),
      [
        ...of("text", 1, matrices),
        "text.positionalEmbedding",
        "text.projection",
        "text.tokenEmbedding[0]",
        ...of("vision", 3, matrices),
        "vision.patchEmbedding",
        "vision.positionalEmbedding",
        "vision.projection",
      ].sort(),
    );
    const norms = (name: string) => [`${name}.bias`, `${name}.weight`];
    assert.deepEqual(
      no.sort(),
      [
        "logitScale",
        ...of("text", 1, [...vectors, "norm1.weight", "norm2.weight"]),
        ...norms("text.finalNorm"),
        ...of("vision", 3, [...vectors, "norm1.weight", "norm2.weight"]),
        "vision.classEmbedding",
        ...norms("vision.preNorm"),
        ...norms("vision.postNorm"),
      ].sort(),
    );
  });

  test("in one piece and in several: the same state; the logit scale is clamped", TIMEOUT, async () => {
    const optimizer = pretrainOptimizer(config, { learningRate: 1e-3 });
    const step = pretrainStep(config, optimizer, { clipNorm: 1 });
    const run = async (size: number): Promise<TrainingState> => {
      const start = { ...params(), logitScale: tensor(4.61) };
      let state: TrainingState = { params: start, optimizer: optimizer.init(start) };
      for (let i = 0; i < 3; i++) [state] = step(state, inPieces(size), 1e-3);
      return state;
    };
    const [one, several] = [await run(N), await run(4)];
    await near(several.params, one.params, 1e-4); // Adam divides by the size of gradients, small ones too
    assert.ok((await one.params.logitScale.item()) <= Math.fround(Math.log(100)));
    assert.equal(await one.optimizer.step.item(), 3);
    step.free();
  });

  test("a weight without gradient shrinks by the rate times 0.2, a gain does not", TIMEOUT, async () => {
    const optimizer = pretrainOptimizer(config, { learningRate: 0.1 });
    const p = { weight: tensor([[1]]), gain: tensor([1]) };
    const zero = { weight: tensor([[0]]), gain: tensor([0]) };
    const [next] = optimizer.update(zero, optimizer.init(p), p);
    assert.ok(Math.abs((await next.weight.item()) - 0.98) < 1e-6);
    assert.equal(await next.gain.item(), 1);
  });
});

test("losses are told in the order of their steps, whichever is read first", TIMEOUT, async () => {
  const on = await device();
  const { read: readNow } = on;
  let reads = 0;
  on.read = async (...args) => {
    if (reads++ === 0) await new Promise((later) => setTimeout(later, 300));
    return readNow.apply(on, args);
  };
  try {
    const optimizer = pretrainOptimizer(config, { learningRate: 1e-3 });
    const start = initClip(config, key(5));
    const state = { params: start, optimizer: optimizer.init(start) };
    const training = { config, optimizer, schedule: () => 1e-3, steps: 3, batchAt: () => inPieces(N) };
    const told: number[] = [];
    for await (const { done, loss } of pretrain(training, { state, step: 0 })) loss.then(() => told.push(done));
    assert.equal(reads, 3);
    assert.deepEqual(told, [1, 2, 3]);
  } finally {
    on.read = readNow;
  }
});

describe("a ResNet", () => {
  const resnet: ClipConfig = {
    ...config,
    vision: { kind: "resnet", imageSize: 32, width: 4, depths: [1, 1, 1, 1], heads: 2 },
  };
  // as many pairs as the tests of resnet.test.ts, so that they compile the same kernels
  const pieces = (count: number): BatchPiece[] =>
    inPieces(4)
      .slice(0, count)
      .map((piece, i) => () => ({ ...piece(), images: normal(foldIn(key(8), i), [4, 3, 32, 32]) }));
  const meanOf = ({ params: { vision } }: TrainingState) => {
    assert.ok("stem" in vision && "norm" in vision.stem[0]);
    return vision.stem[0].norm.mean.data();
  };

  for (const count of [1, 2])
    test(
      `its running statistics move, with ${count} pieces a step, and the model that is saved loads`,
      TIMEOUT,
      async () => {
        const optimizer = pretrainOptimizer(resnet, { learningRate: 1e-3 });
        const start = initClip(resnet, key(5));
        const step = pretrainStep(resnet, optimizer);
        let state: TrainingState = { params: start, optimizer: optimizer.init(start) };
        const losses: number[] = [];
        const means: ArrayLike<number>[] = [];
        for (let i = 0; i < 3; i++) {
          const [next, loss] = step(state, pieces(count), 1e-3);
          state = next;
          losses.push(await loss.item());
          means.push(await meanOf(state));
        }
        step.free();
        assert.ok(losses[2] < losses[0], `${losses}`);
        assert.ok(Math.hypot(...Array.from(means[0])) > 1e-4);
        assert.notDeepEqual(means[0], means[1]);
        const file = await openSafetensors(memoryBytes(writeSafetensors(await storeWeights(state.params, resnet))));
        const loaded = await loadWeights(
          file,
          inferConfig(file.tensors, "saved", { headWidth: { vision: 64, text: 8 } }),
          {
            fold: false,
          },
        );
        await near(state.params.vision, loaded.vision, 0);
      },
    );
});
