// Sizes and parameter counts of the published models, and what a checkpoint's shapes say of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ARCHITECTURES } from "../src/clip/architectures.ts";
import type { ClipConfig } from "../src/clip/index.ts";
import { inferConfig } from "../src/clip/infer-config.ts";
import { namesFor, namesIn, parameterTable, type Stored } from "../src/clip/layouts.ts";
import { FormatError } from "../src/tensor/errors.ts";

/** Parameters in all, of the image and of the text tower (running statistics not counted), and tensors in a file. */
const PUBLISHED: Record<keyof typeof ARCHITECTURES, readonly [number, number, number, number]> = {
  RN50: [102_007_137, 38_316_896, 63_690_240, 489],
  RN101: [119_688_033, 56_259_936, 63_428_096, 795],
  RN50x4: [178_300_601, 87_137_080, 91_163_520, 669],
  RN50x16: [290_979_217, 167_328_912, 123_650_304, 921],
  RN50x64: [623_258_305, 420_380_352, 202_877_952, 1353],
  "ViT-B/32": [151_277_313, 87_849_216, 63_428_096, 302],
  "ViT-B/16": [149_620_737, 86_192_640, 63_428_096, 302],
  "ViT-L/14": [427_616_513, 303_966_208, 123_650_304, 446],
  "ViT-L/14@336px": [427_944_193, 304_293_888, 123_650_304, 446],
};

const isStored = (value: object): value is Stored => "names" in value;
const listOf = (tree: object): Stored[] => (isStored(tree) ? [tree] : Object.values(tree).flatMap(listOf));
const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const count = (tree: object): number =>
  listOf(tree)
    .filter(({ names }) => !names.some((name) => name.includes("running_")))
    .reduce((sum, { shape }) => sum + size(shape), 0);

const openai = namesIn(new Map([["visual.proj", 0]]));

/** The shapes under OpenAI's names. */
function shapesOf(config: ClipConfig) {
  return new Map(
    listOf(parameterTable(config, openai)).flatMap(({ shape, names, transposed }) =>
      names.map((name) => {
        const stored = transposed ? shape.toReversed() : names.length > 1 ? [shape[0] / 3, ...shape.slice(1)] : shape;
        return [name, { dtype: "F32", shape: stored, byteLength: 4 * size(stored) }] as const;
      }),
    ),
  );
}

for (const [name, config] of Object.entries(ARCHITECTURES)) {
  test(`${name}: parameters, tensors, and sizes from the shapes`, () => {
    const table = parameterTable(config, namesFor(config));
    const [total, vision, text, tensors] = PUBLISHED[name as keyof typeof ARCHITECTURES];
    assert.deepEqual([count(table), count(table.vision), count(table.text)], [total, vision, text]);
    const shapes = shapesOf(config);
    const tracked = [...shapes.keys()].filter((key) => key.endsWith("running_mean")).length; // num_batches_tracked
    assert.equal(shapes.size + tracked, tensors);
    assert.deepEqual(inferConfig(shapes, name), config);
  });
}

test("shapes that are no CLIP model are refused by the tensor that says so", () => {
  const shapes = shapesOf(ARCHITECTURES["ViT-B/32"]);
  const without = (name: string) => new Map([...shapes].filter(([key]) => key !== name));
  const refuse = (tensors: Parameters<typeof inferConfig>[0], says: RegExp) =>
    assert.throws(
      () => inferConfig(tensors, "a.pt"),
      (error: Error) => error instanceof FormatError && says.test(error.message) && error.message.startsWith("a.pt"),
    );
  refuse(without("ln_final.weight"), /no "ln_final.weight"/);
  refuse(without("visual.conv1.weight"), /no "visual.conv1.weight"/);
  refuse(without("visual.proj"), /no "visual.layer1.0.conv1.weight"/);
  refuse(
    new Map(shapes).set("text_projection", { dtype: "F32", shape: [], byteLength: 4 }),
    /"text_projection" is \[\]/,
  );
  refuse(
    new Map(shapes).set("ln_final.weight", { dtype: "F32", shape: [500], byteLength: 2000 }),
    /width 500 does not divide into heads of 64/,
  );
});
