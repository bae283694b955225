// The hand-written templates, and how the features of several become one.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import {
  type Clip,
  classFeatures,
  DEFAULT_TEMPLATE,
  ENSEMBLE_TEMPLATES,
  ensembleFeatures,
  fillTemplate,
  loadClip,
  TEMPLATE_DATASETS,
  templateFeatures,
  templatesFor,
} from "../src/clip/index.ts";
import { InputError } from "../src/tensor/index.ts";
import { SEED } from "./gpu-settings.ts";

const TIMEOUT = 60_000;

describe("templates", () => {
  test("each dataset in its spellings", () => {
    for (const [names, template] of [
      [["EuroSAT", "eurosat", "EUROSAT", "euro_sat"], "a centered satellite photo of {}."],
      [["OxfordPets", "oxford_pets", "oxford-pets", "Oxford-IIIT-Pet"], "a photo of a {}, a type of pet."],
      [["OxfordFlowers", "flowers102", "oxford_flowers"], "a photo of a {}, a type of flower."],
      [["Food101", "food-101"], "a photo of {}, a type of food."],
      [["FGVCAircraft", "fgvc_aircraft"], "a photo of a {}, a type of aircraft."],
      [["DTD", "describable_textures"], "{} texture."],
      [["UCF101", "ucf101"], "a photo of a person doing {}."],
      [["ImageNet", "Caltech101", "caltech-101", "stanford_cars", "SUN397"], DEFAULT_TEMPLATE],
      [["ImageNetV2", "imagenet_sketch", "imagenet-a", "ImageNet R"], DEFAULT_TEMPLATE],
    ] as const)
      for (const name of names) assert.deepEqual(templatesFor(name), [template], name);
    assert.equal(TEMPLATE_DATASETS.length, 15);
    for (const name of TEMPLATE_DATASETS) assert.equal(templatesFor(name).length, 1);
    assert.throws(() => templatesFor("cifar"), { name: "InputError", message: /"cifar".*EuroSAT.*--template/ });
  });
  test("the ensemble has the seven and the dataset's own, but on ImageNet", () => {
    assert.equal(ENSEMBLE_TEMPLATES.length, 7);
    assert.deepEqual(templatesFor("ImageNet", { ensemble: true }), ENSEMBLE_TEMPLATES);
    assert.deepEqual(templatesFor("imagenet_v2", { ensemble: true }), [...ENSEMBLE_TEMPLATES, DEFAULT_TEMPLATE]);
    const satellite = [...ENSEMBLE_TEMPLATES, "a centered satellite photo of {}."];
    assert.deepEqual(templatesFor("eurosat", { ensemble: true }), satellite);
    assert.deepEqual(templatesFor("eurosat", { ensemble: true }), satellite, "asking leaves the list as it was");
  });
  test("filling", () => {
    assert.deepEqual(fillTemplate("{} and {}", ["a_b", "$&"]), ["a b and a b", "$& and $&"]);
    assert.throws(() => fillTemplate("no place", []), InputError);
  });
});

describe("ensembles", () => {
  let clip: Clip;
  before(async () => {
    clip = await loadClip(join(import.meta.dirname, "../models/tiny-clip"));
  });
  after(() => clip.free());

  test("the mean of normalised vectors, normalised again", () => {
    const vector = (width: number) =>
      fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: width, maxLength: width });
    fc.assert(
      fc.property(fc.array(vector(6), { minLength: 2, maxLength: 5 }), (rows) => {
        const result = ensembleFeatures(
          rows.map((row) => Float32Array.from(row)),
          3,
        );
        for (const start of [0, 3]) {
          const mean = [0, 1, 2].map((i) => rows.reduce((sum, row) => sum + row[start + i], 0) / rows.length);
          const length = Math.sqrt(mean.reduce((sum, x) => sum + x * x, 0));
          if (length < 1e-30) continue;
          mean.forEach((x, i) => {
            assert.ok(Math.abs(result[start + i] - x / length) < 1e-6);
          });
        }
      }),
      { seed: SEED },
    );
    const one = Float32Array.of(1, 2);
    assert.equal(ensembleFeatures([one], 2), one);
    assert.throws(() => ensembleFeatures([], 2), InputError);
  });

  test("class features against texts encoded one by one", { timeout: TIMEOUT }, async () => {
    const names = ["red_star", "ball", "dark blue box"];
    const templates = ["a photo of a {}.", "{}", "a bad photo of the {}."];
    const width = clip.config.embedDim;
    const unit = (values: number[]) => values.map((x) => x / Math.sqrt(values.reduce((sum, y) => sum + y * y, 0)));
    const expected: number[] = [];
    for (const name of names) {
      const sum = new Array<number>(width).fill(0);
      for (const template of templates) {
        const features = clip.encodeText(clip.tokenize([template.replace("{}", name.replace("_", " "))]));
        unit([...((await features.data()) as Float32Array)]).forEach((x, i) => {
          sum[i] += x;
        });
      }
      expected.push(...unit(sum));
    }
    const found = await classFeatures(clip, names, templates);
    assert.equal(found.length, expected.length);
    found.forEach((x, i) => {
      assert.ok(Math.abs(x - expected[i]) < 2e-5, `${x} ${expected[i]}`);
    });
    assert.deepEqual(await classFeatures(clip, names, ["{}"]), await templateFeatures(clip, names, "{}"));
    await assert.rejects(classFeatures(clip, [], templates), /no class names/);
    await assert.rejects(classFeatures(clip, names, []), /no templates/);
  });
});
