import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { fileBytes } from "../src/clip/bytes.ts";
import {
  centreCrop,
  clipPreprocess,
  normalise,
  preprocess,
  readPreprocess,
  resizeBox,
  resizeShortSide,
} from "../src/clip/preprocess.ts";
import { type Box, crop, type Picture, resize } from "../src/clip/resize.ts";
import { openSafetensors } from "../src/clip/safetensors.ts";
import { FormatError, InputError } from "../src/tensor/errors.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const GOLDENS = ["./goldens/preprocess.safetensors", "../../shared/goldens/preprocess/bicubic.safetensors"];

for (const golden of GOLDENS) {
  const skip = existsSync(path(golden)) ? false : `${golden} is not here`;
  test(`every pixel is Pillow's: ${golden}`, { skip }, async () => {
    const file = await fileBytes(path(golden));
    const { tensors, read } = await openSafetensors(file);
    const picture = async (name: string): Promise<Picture> => {
      const [height, width] = tensors.get(name)!.shape;
      return { width, height, data: await read(name) };
    };
    const cases = [...tensors.keys()].filter((name) => name.endsWith(".image")).map((name) => name.slice(0, -6));
    assert.ok(cases.length >= 4);
    for (const i of cases) {
      const image = await picture(`${i}.image`);
      const cropped = await picture(`${i}.cropped`);
      const resized = resizeShortSide(image, cropped.width);
      assert.deepEqual(resized, await picture(`${i}.resized`));
      assert.deepEqual(centreCrop(resized, cropped.width), cropped);
      const box = [...new Int32Array((await read(`${i}.box`)).buffer)] as unknown as Box;
      assert.deepEqual(resizeBox(image, box, cropped.width), await picture(`${i}.box_resized`));
      const options = clipPreprocess(cropped.width);
      assert.deepEqual(preprocess(image, options), normalise(cropped, options));
    }
    await file.close();
  });
}

const side = fc.integer({ min: 1, max: 24 });
const anyPicture = fc
  .tuple(side, side)
  .chain(([width, height]) =>
    fc
      .uint8Array({ minLength: 3 * width * height, maxLength: 3 * width * height })
      .map((data): Picture => ({ width, height, data })),
  );

test("a window of the result is that part of the whole result", () => {
  fc.assert(
    fc.property(anyPicture, side, side, fc.nat(), fc.nat(), (picture, width, height, a, b) => {
      const [left, top] = [a % width, b % height];
      const window = [left, top, left + 1 + (b % (width - left)), top + 1 + (a % (height - top))] as const;
      assert.deepEqual(resize(picture, width, height, window), crop(resize(picture, width, height), window));
    }),
  );
});

test("resizing to the same size changes nothing, and a flat picture stays flat", () => {
  fc.assert(
    fc.property(anyPicture, side, side, (picture, width, height) => {
      assert.deepEqual(resize(picture, picture.width, picture.height), picture);
      const flat = { ...picture, data: picture.data.map((_, i) => [255, 0, 77][i % 3]) };
      const resized = resize(flat, width, height);
      assert.ok(resized.data.every((value, i) => value === [255, 0, 77][i % 3]));
    }),
  );
});

test("a very long picture is resized only where the crop sees it", () => {
  const line = { width: 20_000, height: 1, data: new Uint8Array(60_000).fill(128) };
  const values = preprocess(line, clipPreprocess(224));
  assert.equal(values.length, 3 * 224 * 224);
  assert.ok(values.every(Number.isFinite));
  assert.throws(() => resizeShortSide(line, 224), /too large/);
});

test("the long side is rounded down, an odd remainder goes to the even offset", () => {
  const picture = (width: number, height: number): Picture => ({
    width,
    height,
    data: Uint8Array.from({ length: 3 * width * height }, (_, i) => Math.floor(i / 3) % width),
  });
  const { width, height } = resizeShortSide(picture(131, 97), 32);
  assert.deepEqual([width, height], [43, 32]);
  // remainders 1, 3, 5, 7 are halved to 0, 2, 2, 4
  for (const [remainder, left] of [
    [0, 0],
    [1, 0],
    [2, 1],
    [3, 2],
    [5, 2],
    [7, 4],
  ])
    assert.equal(centreCrop(picture(4 + remainder, 4), 4).data[0], left);
  assert.throws(() => centreCrop(picture(3, 9), 4), InputError);
});

test("a box must lie within the picture", () => {
  const picture = { width: 4, height: 3, data: new Uint8Array(36) };
  for (const box of [
    [-1, 0, 2, 2],
    [0, 0, 5, 2],
    [0, 0, 2, 4],
    [2, 0, 2, 2],
    [0, 0.5, 2, 2],
  ] as unknown as Box[])
    assert.throws(() => crop(picture, box), InputError);
});

test("channels are separated and normalised in float32", () => {
  const picture = { width: 2, height: 1, data: new Uint8Array([0, 128, 255, 10, 20, 30]) };
  const { mean, std } = clipPreprocess(2);
  const values = normalise(picture, clipPreprocess(2));
  const expected = [0, 10, 128, 20, 255, 30].map((byte, i) => (byte / 255 - mean[i >> 1]) / std[i >> 1]);
  assert.ok(values.every((value, i) => Math.abs(value - expected[i]) < 1e-6));
  const plain = readPreprocess({ do_resize: false, do_center_crop: false, do_rescale: false, do_normalize: false });
  assert.deepEqual([...preprocess(picture, plain)], [0, 10, 128, 20, 255, 30]);
});

const CONFIG = {
  crop_size: { height: 224, width: 224 },
  do_center_crop: true,
  do_convert_rgb: true,
  do_normalize: true,
  do_resize: true,
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
  resample: 3,
  size: { shortest_edge: 224 },
};

test("reads the configurations that CLIP models come with", () => {
  assert.deepEqual(readPreprocess(CONFIG), clipPreprocess(224));
  assert.deepEqual(readPreprocess({ ...CONFIG, size: 224, crop_size: 224 }), clipPreprocess(224));
  assert.deepEqual(readPreprocess({ ...CONFIG, rescale_factor: 1 / 255, do_rescale: true }), clipPreprocess(224));
  assert.equal(readPreprocess({ ...CONFIG, do_center_crop: false }).crop, undefined);
  assert.equal(readPreprocess({ ...CONFIG, do_resize: false, resample: 2 }).size, undefined);
});

test("refuses what it would do differently, naming the file and the key", () => {
  const bad: [object | null, RegExp][] = [
    [null, /must be a JSON object/],
    [[], /must be a JSON object/],
    [{ ...CONFIG, resample: 2 }, /resample 2 is not supported/],
    [{ ...CONFIG, size: { height: 224, width: 224 } }, /size \{"height":224,"width":224\} is not supported/],
    [{ ...CONFIG, size: undefined }, /size undefined/],
    [{ ...CONFIG, size: "224" }, /size "224"/],
    [{ ...CONFIG, size: 0 }, /size 0/],
    [{ ...CONFIG, size: 1e9 }, /size 1000000000/],
    [{ ...CONFIG, crop_size: { height: 224, width: 225 } }, /crop_size/],
    [{ ...CONFIG, crop_size: 256 }, /crop_size 256 is larger than size 224/],
    [{ ...CONFIG, image_mean: [0.5] }, /image_mean must be three numbers/],
    [{ ...CONFIG, image_std: [0.5, 0.5, "0.5"] }, /image_std must be three numbers/],
    [{ ...CONFIG, image_std: [0.5, 0.5, 0] }, /image_std must be above 0/],
    [{ ...CONFIG, do_resize: "yes" }, /do_resize must be true or false/],
    [{ ...CONFIG, rescale_factor: 0 }, /rescale_factor/],
  ];
  for (const [config, says] of bad)
    assert.throws(
      () => readPreprocess(config, "a/preprocessor_config.json"),
      (error: Error) => error instanceof FormatError && says.test(error.message) && error.message.startsWith("a/pre"),
      String(says),
    );
});
