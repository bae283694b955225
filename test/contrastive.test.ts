import assert from "node:assert/strict";
import { test } from "node:test";
import { adamw, valueAndGrad } from "../src/autograd/index.ts";
import { clampLogitScale, contrastiveLoss, MAX_LOGIT_SCALE, pretrainLoss } from "../src/clip/contrastive.ts";
import { type ClipConfig, type ClipParams, textBatch } from "../src/clip/index.ts";
import { initClip } from "../src/clip/init.ts";
import { compile, device, key, read, tensor } from "../src/tensor/index.ts";
import { forEachLeaf } from "../src/tensor/tree.ts";

const TIMEOUT = { timeout: 120_000 };
await device();

const config: ClipConfig = {
  embedDim: 12,
  activation: "quickGelu",
  layerNormEpsilon: 1e-5,
  vision: { kind: "vit", imageSize: 8, patchSize: 4, width: 16, layers: 1, heads: 2 },
  text: { contextLength: 6, vocabularySize: 20, width: 16, layers: 1, heads: 2 },
};

test("the symmetric loss in float64", TIMEOUT, async () => {
  const n = 4;
  const a = Array.from({ length: n * 3 }, (_, i) => Math.sin(3 * i + 1));
  const b = Array.from({ length: n * 3 }, (_, i) => Math.cos(5 * i));
  const unit = (x: number[], i: number) => {
    const row = x.slice(3 * i, 3 * i + 3);
    return row.map((v) => v / Math.hypot(...row));
  };
  const s = Math.exp(1.3);
  const logits = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_v, j) => s * unit(a, i).reduce((sum, v, d) => sum + v * unit(b, j)[d], 0)),
  );
  const crossEntropy = (rows: number[][]) =>
    rows.reduce((sum, row, i) => sum + Math.log(row.reduce((t, v) => t + Math.exp(v), 0)) - row[i], 0) / n;
  const columns = logits.map((_, j) => logits.map((row) => row[j]));
  const expected = (crossEntropy(logits) + crossEntropy(columns)) / 2;
  const loss = await contrastiveLoss(tensor(a, [n, 3]), tensor(b, [n, 3]), tensor(1.3)).item();
  assert.ok(Math.abs(loss - expected) < 1e-5, `${loss}, not ${expected}`);
});

test("initial parameters are spread as they should be and differ between keys", TIMEOUT, async () => {
  const wide: ClipConfig = { ...config, text: { ...config.text, width: 64, vocabularySize: 500 } };
  const [a, b] = [await read(initClip(wide, key(1))), await read(initClip(wide, key(2)))];
  const deviation = (x: ArrayLike<number>) => Math.sqrt(Array.from(x).reduce((sum, v) => sum + v * v, 0) / x.length);
  const near = (x: ArrayLike<number>, std: number) =>
    assert.ok(Math.abs(deviation(x) / std - 1) < 0.1, `${deviation(x)}, not ${std}`);
  near(a.text.tokenEmbedding[0] as Float32Array, 0.02);
  near(a.text.blocks[0].inProjection.weight as Float32Array, 64 ** -0.5);
  near(a.text.blocks[0].contract.weight as Float32Array, 64 ** -0.5 * 2 ** -0.5);
  near(a.text.blocks[0].expand.weight as Float32Array, 128 ** -0.5);
  assert.deepEqual(
    [...(a.text.blocks[0].inProjection.bias as Float32Array)].filter((v) => v !== 0),
    [],
  );
  assert.ok(Math.abs((a.logitScale as Float32Array)[0] - Math.log(1 / 0.07)) < 1e-6);
  assert.notDeepEqual(a.text.projection, b.text.projection);
  forEachLeaf(a, (leaf, path) => assert.ok((leaf as Float32Array).every(Number.isFinite), path));
});

test("training tells pairs apart", TIMEOUT, async () => {
  const n = 6;
  const batch = {
    images: tensor(
      Float32Array.from({ length: n * 3 * 64 }, (_, i) => Math.sin(i * (1 + Math.floor(i / 192)))),
      [n, 3, 8, 8],
    ),
    ...textBatch(
      {
        ids: Int32Array.from({ length: n * 4 }, (_, i) => (i % 4 === 0 ? 18 : i % 4 === 3 ? 19 : 1 + ((7 * i) % 17))),
        count: n,
        length: 4,
      },
      { endToken: 19, contextLength: config.text.contextLength },
    ),
  };
  const optimizer = adamw({ learningRate: 0.01, weightDecay: 0 });
  const step = compile(
    (params: ClipParams, state: ReturnType<typeof optimizer.init>) => {
      const [loss, grads] = valueAndGrad((p: ClipParams) => pretrainLoss(p, config, batch))(params);
      const [updated, next] = optimizer.update(grads, state, params);
      return [clampLogitScale(updated), next, loss] as const;
    },
    { donate: [0, 1] },
  );
  let params = initClip(config, key(3));
  let state = optimizer.init(params);
  const losses: number[] = [];
  for (let i = 0; i < 120; i++) {
    const [updated, next, loss] = step(params, state);
    [params, state] = [updated, next];
    losses.push(await loss.item());
  }
  assert.ok(losses[0] > 1.4, `${losses[0]} at the start, about ln 6`);
  assert.ok(losses[119] < 0.2, `${losses[119]} after 120 steps`);
});

test("the logit scale stays in [0, ln 100]", TIMEOUT, async () => {
  const with_ = (value: number) => clampLogitScale({ logitScale: tensor(value) } as ClipParams).logitScale.item();
  assert.equal(await with_(-1), 0);
  assert.equal(await with_(2.5), 2.5);
  assert.equal(await with_(9), Math.fround(MAX_LOGIT_SCALE));
});
