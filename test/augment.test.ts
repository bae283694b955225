// Views of pictures: how they are drawn, and that the device resizes them to the bit as Pillow does.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { fileBytes } from "../src/clip/bytes.ts";
import {
  COOP_VIEWS,
  type Crop,
  clipPreprocess,
  cropBatch,
  openSafetensors,
  type Picture,
  type PreprocessOptions,
  randomView,
  resizeBox,
} from "../src/clip/index.ts";
import { normalise } from "../src/clip/preprocess.ts";
import type { Box } from "../src/clip/resize.ts";
import { MersenneTwister } from "../src/coop/mersenne.ts";
import { InputError } from "../src/tensor/errors.ts";
import { device } from "../src/tensor/index.ts";
import { collectLeftovers } from "./garbage.ts";
import { MORE, SEED } from "./gpu-settings.ts";

const TIMEOUT = 120_000;
const numbers = (seed: number) => {
  const random = new MersenneTwister(seed);
  return () => random.random();
};

describe("drawing a view", () => {
  const side = fc.integer({ min: 1, max: 700 });
  const viewOf = (width: number, height: number, seed: number) => randomView({ width, height }, numbers(seed));

  test("lies within the picture, in whole pixels", () => {
    fc.assert(
      fc.property(side, side, fc.nat(), (width, height, seed) => {
        const { box } = viewOf(width, height, seed);
        const [left, top, right, bottom] = box;
        assert.ok(box.every(Number.isInteger));
        assert.ok(0 <= left && left < right && right <= width && 0 <= top && top < bottom && bottom <= height);
      }),
      { seed: SEED },
    );
  });

  test("area and ratio are those of the paper, up to half a pixel a side", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 60, max: 700 }),
        fc.double({ min: 0.6, max: 1.6, noNaN: true }),
        fc.nat(),
        (width, proportion, seed) => {
          const height = Math.round(width / proportion);
          const { box } = viewOf(width, height, seed);
          const [w, h] = [box[2] - box[0], box[3] - box[1]];
          const [least, most] = [(w - 0.5) * (h - 0.5), (w + 0.5) * (h + 0.5)].map((area) => area / (width * height));
          assert.ok(most >= 0.08 && least <= 1, `area ${(w * h) / (width * height)}`);
          assert.ok((w + 0.5) / (h - 0.5) >= 3 / 4 && (w - 0.5) / (h + 0.5) <= 4 / 3, `ratio ${w / h}`);
        },
      ),
      { seed: SEED },
    );
  });

  test("too long a picture: mostly the largest allowed box in the middle", () => {
    // of 3 × 3000 no box of 8 % of the area has an allowed ratio
    assert.deepEqual(viewOf(3, 3000, 1).box, [0, 1498, 3, 1502]);
    assert.deepEqual(viewOf(3000, 3, 2).box, [1498, 0, 1502, 3]);
    assert.deepEqual(viewOf(1, 1, 3).box, [0, 0, 1, 1]);
    const never = { ...COOP_VIEWS, tries: 0 };
    assert.deepEqual(randomView({ width: 500, height: 375 }, numbers(1), never).box, [0, 0, 500, 375]);
    assert.deepEqual(randomView({ width: 600, height: 375 }, numbers(1), never).box, [50, 0, 550, 375]);
    assert.deepEqual(randomView({ width: 100, height: 200 }, numbers(1), never).box, [0, 33, 100, 166]);
  });

  test("areas are uniform, mirrors as frequent as not, places everywhere", () => {
    const random = numbers(SEED);
    const draws = Array.from({ length: 20_000 }, () => randomView({ width: 900, height: 900 }, random));
    // a square picture refuses the largest boxes that are not square, so what is uniform is the part below 3/4
    const areas = draws.map(({ box: [l, t, r, b] }) => ((r - l) * (b - t)) / 900 ** 2).filter((area) => area < 0.75);
    for (const part of [0.25, 0.5, 0.75]) {
      const limit = 0.08 + part * (0.75 - 0.08);
      const share = areas.filter((area) => area < limit).length / areas.length;
      assert.ok(Math.abs(share - part) < 0.02, `${share} of the areas are below ${limit}`);
    }
    const mirrored = draws.filter(({ flip }) => flip).length / draws.length;
    assert.ok(Math.abs(mirrored - 0.5) < 0.02, `${mirrored}`);
    const ratios = draws.map(({ box: [l, t, r, b] }) => Math.log((r - l) / (b - t)));
    assert.ok(Math.abs(ratios.reduce((sum, x) => sum + x, 0) / ratios.length) < 0.01);
    const free = draws.filter(({ box: [l, , r] }) => r - l < 880);
    const place = free.reduce((sum, { box: [l, , r] }) => sum + l / (900 - (r - l)), 0) / free.length;
    assert.ok(Math.abs(place - 0.5) < 0.02, `${place}`);
  });

  test("the same numbers give the same view", () => {
    for (const seed of [1, 2, 3]) assert.deepEqual(viewOf(300, 200, seed), viewOf(300, 200, seed));
    assert.notDeepEqual(viewOf(300, 200, 1), viewOf(300, 200, 2));
    assert.throws(() => viewOf(0, 10, 1), InputError);
  });
});

/** What the CPU makes of a view. */
function onCpu({ picture, box, flip }: Crop, side: number, options: PreprocessOptions): Float32Array {
  const { data } = resizeBox(picture, box, side);
  const seen = flip
    ? Uint8Array.from(data, (_, i) => {
        const [pixel, channel] = [Math.floor(i / 3), i % 3];
        const x = pixel % side;
        return data[3 * (pixel - x + (side - 1 - x)) + channel];
      })
    : data;
  return normalise({ width: side, height: side, data: seen }, options);
}

async function sameAsOnCpu(crops: readonly Crop[], side: number, most?: number): Promise<void> {
  const options = clipPreprocess(side);
  const images = await cropBatch(crops, side, options, most);
  assert.deepEqual(images.shape, [crops.length, 3, side, side]);
  const got = await images.data();
  images.free();
  crops.forEach((crop, n) => {
    const expected = onCpu(crop, side, options);
    const bad = expected.findIndex((value, i) => !Object.is(value, got[n * expected.length + i]));
    const { picture, box, flip } = crop;
    assert.equal(
      bad,
      -1,
      `picture ${n} of ${picture.width} × ${picture.height}, box ${box}, mirrored ${flip}: element ${bad} is ` +
        `${got[n * expected.length + bad]}, not ${expected[bad]}`,
    );
  });
}

/** Pictures whose bytes overshoot: black and white beside one another. */
function pictureOf(width: number, height: number, seed: number): Picture {
  const random = numbers(seed);
  const harsh = random() < 0.5;
  const data = Uint8Array.from({ length: 3 * width * height }, () =>
    harsh ? (random() < 0.5 ? 0 : 255) : Math.floor(256 * random()),
  );
  return { width, height, data };
}

describe("resizing on the device", { timeout: TIMEOUT }, () => {
  const extent = fc.integer({ min: 1, max: 60 });
  const anyCrop = fc
    .tuple(extent, extent, fc.nat(), fc.boolean(), fc.array(fc.nat(), { minLength: 4, maxLength: 4 }))
    .map(([width, height, seed, flip, [a, b, c, d]]): Crop => {
      const [left, top] = [a % width, b % height];
      const box: Box = [left, top, left + 1 + (c % (width - left)), top + 1 + (d % (height - top))];
      return { picture: pictureOf(width, height, seed), box, flip };
    });

  test("is what the CPU computes, to the bit, whatever the sizes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyCrop, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(1, 7, 16, 32),
        (crops, side) => sameAsOnCpu(crops, side),
      ),
      { numRuns: 25 * MORE, seed: SEED },
    );
  });

  test("drawn views", async () => {
    const pictures = [pictureOf(200, 150, 1), pictureOf(40, 90, 2), pictureOf(3, 100, 3)];
    const random = numbers(SEED);
    await sameAsOnCpu(
      pictures.flatMap((picture) => [0, 1].map(() => ({ picture, ...randomView(picture, random) }))),
      32,
    );
  });

  test("every pixel is Pillow's", async () => {
    const file = await fileBytes(fileURLToPath(new URL("./goldens/preprocess.safetensors", import.meta.url)));
    const { tensors, read } = await openSafetensors(file);
    const picture = async (name: string): Promise<Picture> => {
      const [height, width] = tensors.get(name)!.shape;
      return { width, height, data: await read(name) };
    };
    const names = [...tensors.keys()].filter((name) => name.endsWith(".image")).map((name) => name.slice(0, -6));
    assert.ok(names.length >= 4);
    const plain: PreprocessOptions = { scale: 1, mean: [0, 0, 0], std: [1, 1, 1] };
    for (const name of names) {
      const box = [...new Int32Array((await read(`${name}.box`)).buffer)] as unknown as Box;
      const { width, data } = await picture(`${name}.box_resized`);
      const images = await cropBatch([{ picture: await picture(`${name}.image`), box, flip: false }], width, plain);
      const got = await images.data();
      const planes = Float32Array.from(data, (_, i) => data[3 * (i % (width * width)) + Math.floor(i / width ** 2)]);
      assert.deepEqual(got, planes, name);
      images.free();
    }
    await file.close();
  });

  test("more than is resized at once, and one picture that is too large for it", async () => {
    const sizes = [
      [20, 20],
      [50, 5],
      [9, 30],
      [80, 80],
      [3, 3],
    ];
    const crops = sizes.map(([width, height], i): Crop => {
      return { picture: pictureOf(width, height, i), box: [0, 0, width, height], flip: i % 2 === 1 };
    });
    for (const most of [1, 500, 1000]) await sameAsOnCpu(crops, 8, most);
  });

  test("gives the device's memory back", async () => {
    const on = await device();
    const crops = [{ picture: pictureOf(30, 20, 5), ...randomView({ width: 30, height: 20 }, numbers(1)) }];
    const once = async () => {
      const images = await cropBatch(crops, 16, clipPreprocess(16));
      await images.data();
      images.free();
      return on.memory().byOwner.values;
    };
    await collectLeftovers(on);
    const before = await once();
    for (let i = 0; i < 3; i++) assert.equal(await once(), before);
  });

  test("no views at all, and a box outside", async () => {
    const picture = pictureOf(4, 4, 6);
    assert.deepEqual((await cropBatch([], 8, clipPreprocess(8))).shape, [0, 3, 8, 8]);
    await assert.rejects(
      cropBatch([{ picture, box: [0, 0, 5, 4], flip: false }], 8, clipPreprocess(8)),
      /not within a 4 × 4 picture/,
    );
  });
});
