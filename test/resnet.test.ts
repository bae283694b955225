// The ResNet while training: statistics of the batch, and what becomes of the running ones.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { grad } from "../src/autograd/index.ts";
import { type ClipConfig, encodeImage, trainImage } from "../src/clip/index.ts";
import { namesFor, parameterTable, type Stored } from "../src/clip/layouts.ts";
import type { BatchNormParams, ResNetParams } from "../src/clip/params.ts";
import { withStatistics } from "../src/clip/resnet.ts";
import { compile, mul, read, sub, sum, type Tensor, tensor } from "../src/tensor/index.ts";
import { relativeError } from "./golden-model.ts";

const config: ClipConfig = {
  embedDim: 12,
  activation: "quickGelu",
  layerNormEpsilon: 1e-5,
  vision: { kind: "resnet", imageSize: 32, width: 4, depths: [1, 1, 1, 1], heads: 2 },
  text: { contextLength: 6, vocabularySize: 20, width: 16, layers: 1, heads: 2 },
};
const TIMEOUT = { timeout: 300_000 }; // two hundred kernels, compiled once
const BATCH = 4;

/** All norms of a ResNet with the number of values that each sees per channel. */
function normsOf({ stem, stages }: ResNetParams): { norm: BatchNormParams; count: number }[] {
  const at = (conv: ResNetParams["stem"][number], side: number) => {
    assert.ok("norm" in conv);
    return { norm: conv.norm, count: BATCH * side * side };
  };
  let side = 8;
  return [
    ...stem.map((conv) => at(conv, 16)),
    ...stages.flatMap((blocks, s) =>
      blocks.flatMap(({ reduce, spatial, expand, shortcut }, i) => {
        const before = side;
        if (s > 0 && i === 0) side /= 2;
        return [at(reduce, before), at(spatial, before), at(expand, side), ...(shortcut ? [at(shortcut, side)] : [])];
      }),
    ),
  ];
}

/** Numbers without pattern, of mean 0 and about this standard deviation. */
const noise = (shape: readonly number[], std: number): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((n, extent) => n * extent, 1) }, (_, i) => {
      return std * Math.SQRT2 * Math.sin(12.9898 * (i + 1) ** 1.5);
    }),
    shape,
  );

/** Filters as wide as their fan-in asks, gains and variances about 1, everything else about 0. */
const params = filled(parameterTable(config, namesFor(config)).vision, "") as ResNetParams;
function filled(tree: object, path: string): unknown {
  if ("names" in tree) {
    const { shape } = tree as Stored;
    if (shape.length > 1) return noise(shape, shape.slice(1).reduce((n, extent) => n * extent, 0.5) ** -0.5);
    const ones = /norm.(weight|variance)$/.test(path);
    return tensor(
      Float32Array.from({ length: shape[0] }, (_, i) => (ones ? 1 : 0) + 0.2 * Math.sin(3 * i + path.length)),
    );
  }
  if (Array.isArray(tree)) return tree.map((item) => filled(item, path));
  return Object.fromEntries(Object.entries(tree).map(([name, part]) => [name, filled(part, `${path}.${name}`)]));
}

const images = noise([BATCH, 3, 32, 32], 1);

test(
  "training features are those of the batch's own statistics, towards which the running ones move",
  TIMEOUT,
  async () => {
    const [features, moved] = trainImage(params, config, images);
    const before = normsOf(params);
    assert.equal(before.length, 3 + 3 * 4 + 4);
    // undo the moving average: what the batch itself had
    const own = before.map(({ norm, count }, i) => ({
      mean: mul(10, sub(moved[i].mean, mul(0.9, norm.mean))),
      variance: mul((10 * (count - 1)) / count, sub(moved[i].variance, mul(0.9, norm.variance))),
    }));
    const replaced = withStatistics(params, own);
    const [trained, evaluated, fixed, first] = (await read([
      features,
      encodeImage(replaced, config, images),
      encodeImage(params, config, images),
      own[0].mean,
    ])) as Float32Array[];
    assert.ok(relativeError(trained, evaluated) < 1e-4, `${relativeError(trained, evaluated)}`);
    assert.ok(relativeError(trained, fixed) > 1e-2);

    // the first norm's mean, from the definition
    const [pixels, filter] = (await read([images, params.stem[0].weight])) as Float32Array[];
    let total = 0;
    for (let n = 0; n < BATCH; n++)
      for (let i = 0; i < 16; i++)
        for (let j = 0; j < 16; j++)
          for (let c = 0; c < 3; c++)
            for (let p = 0; p < 3; p++)
              for (let q = 0; q < 3; q++) {
                const [y, x] = [2 * i + p - 1, 2 * j + q - 1];
                if (y < 0 || x < 0 || y > 31 || x > 31) continue;
                total += filter[(c * 3 + p) * 3 + q] * pixels[((n * 3 + c) * 32 + y) * 32 + x];
              }
    assert.ok(Math.abs(first[0] - total / (BATCH * 256)) < 1e-4, `${first[0]} against ${total / (BATCH * 256)}`);
  },
);

test("gradients reach every parameter but the running statistics", TIMEOUT, async () => {
  const loss = compile((p: ResNetParams) =>
    grad((q: ResNetParams) => sum(mul(trainImage(q, config, images)[0], noise([BATCH, 12], 1))))(p),
  );
  const grads = loss(params) as ResNetParams;
  const largest = (values: Float32Array) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const [norms, weights] = (await read([
    normsOf(grads).map(({ norm }) => norm),
    [...grads.stem, ...grads.stages.flat().flatMap(({ reduce, expand }) => [reduce, expand])].map(
      ({ weight }) => weight,
    ),
  ])) as [Record<string, Float32Array>[], Float32Array[]];
  for (const { weight, bias, mean, variance } of norms) {
    assert.ok(largest(weight) > 0 && largest(bias) > 0);
    assert.equal(largest(mean) + largest(variance), 0);
  }
  for (const weight of weights) assert.ok(largest(weight) > 0);
  loss.free();
});
