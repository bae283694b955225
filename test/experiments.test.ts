// Experiments on tasks of the drawn world: the plan, going on after a crash, and results that equal separate runs.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Clip, classFeatures, ENSEMBLE_TEMPLATES, imageFeatures, loadClip } from "../src/clip/index.ts";
import { conditionalClassifier } from "../src/coop/conditional-predict.ts";
import { conditionalPromptLearner } from "../src/coop/conditional-prompt-learner.ts";
import { withNoise } from "../src/coop/experiments/dataset.ts";
import {
  type Dataset,
  type DatasetSpec,
  type ExperimentOptions,
  parseResults,
  parseSpec,
  partOf,
  plan,
  type Result,
  runExperiments,
} from "../src/coop/experiments/index.ts";
import { shotsAndValidation } from "../src/coop/few-shot.ts";
import { fitLearner, fitPrompt } from "../src/coop/fit.ts";
import { predictProbe } from "../src/coop/linear-probe.ts";
import { predictLabels, promptFeatures } from "../src/coop/predict.ts";
import { searchProbe } from "../src/coop/probe-search.ts";
import { promptLearner } from "../src/coop/prompt-learner.ts";
import { withKnowledge } from "../src/coop/regularised.ts";
import { tensor } from "../src/tensor/index.ts";
import { PICTURE_SIZE, type ShiftName, taskPictures } from "../src/world/index.ts";

const TIMEOUT = { timeout: 240_000 };
const TINY = new URL("../models/tiny-clip", import.meta.url).pathname;
const SPEC = {
  datasets: [{ name: "positions", template: "a photo of a ball at the {}.", shifts: { rotated: "rotated" } }],
  shots: [1, 4],
  seeds: [1, 2],
  methods: [
    { name: "hand", kind: "zero-shot" },
    { name: "ensemble", kind: "ensemble" },
    { name: "probe", kind: "probe" },
    { name: "CoOp", kind: "coop", contextTokens: 2, epochs: 3 },
    { name: "CoOp CSC", kind: "coop", contextTokens: 2, classSpecific: true, epochs: 2, shots: [4] },
    { name: "CoOp words", kind: "coop", init: "a photo", position: "middle", epochs: 2, shots: [4] },
  ],
  baseToNew: { methods: ["hand", "CoOp"] },
  labelNoise: { fractions: [0.5], methods: ["CoOp"] },
};
const text = (changes: object = {}) => JSON.stringify({ ...SPEC, ...changes });
const LEARNED = 3; // of the five classes, in base-to-new

let clip: Clip;
let root: string;
const drawn = new Map<string, { features: Float32Array; labels: Int32Array; classNames: readonly string[] }>();

async function pictures(split: "train" | "test", shift?: ShiftName) {
  const key = `${split} ${shift}`;
  if (!drawn.has(key)) {
    const options = { perClass: 8, seed: 2, split, shift };
    const { pixels, labels, classNames } = taskPictures("positions", options);
    const images = pixels.map((data) => clip.preprocess({ width: PICTURE_SIZE, height: PICTURE_SIZE, data }));
    drawn.set(key, { features: await imageFeatures(clip, images), labels: Int32Array.from(labels), classNames });
  }
  return drawn.get(key)!;
}

async function openDataset({ shifts }: DatasetSpec): Promise<Dataset> {
  const [train, test] = [await pictures("train"), await pictures("test")];
  const parts: Dataset["shifts"] = Object.fromEntries(
    await Promise.all(
      shifts.map(async ({ name, source }) => {
        const { features, labels } = await pictures("test", source as ShiftName);
        return [name, partOf(features, labels)] as const;
      }),
    ),
  );
  return {
    classNames: train.classNames,
    train: partOf(train.features, train.labels),
    val: partOf(new Float32Array(), []),
    test: partOf(test.features, test.labels),
    shifts: parts,
    fingerprint: "positions 8 2",
  };
}

const options = (changes: Partial<ExperimentOptions> = {}): ExperimentOptions => ({
  openModel: async () => ({ ...clip, free: () => {} }),
  openDataset,
  madeBy: { coop: "0", adapter: "here" },
  ...changes,
});

before(async () => {
  root = mkdtempSync(join(tmpdir(), "coop-experiments-"));
  clip = await loadClip(TINY);
});
after(() => {
  clip.free();
  rmSync(root, { recursive: true });
});

test("a plan: every run once, with an id that only what decides the result changes", async () => {
  const runs = await plan(parseSpec(text()));
  const of = (name: string) => runs.filter(({ method }) => method.name === name);
  assert.equal(new Set(runs.map(({ id }) => id)).size, runs.length);
  assert.deepEqual(
    ["hand", "ensemble", "probe", "CoOp", "CoOp CSC", "CoOp words"].map((name) => of(name).length),
    [2, 1, 4, 4 + 2 + 2, 2, 2],
  );
  assert.deepEqual(
    of("CoOp").map(({ classes, shots, seed, labelNoise }) => [classes, shots, seed, labelNoise]),
    [
      ["all", 1, 1, 0],
      ["all", 1, 2, 0],
      ["all", 4, 1, 0],
      ["all", 4, 2, 0],
      ["all", 4, 1, 0.5],
      ["all", 4, 2, 0.5],
      ["base", 4, 1, 0],
      ["base", 4, 2, 0],
    ],
  );
  const works = async (changes: object) => new Set((await plan(parseSpec(text(changes)))).map(({ work }) => work));
  const all = await works({});
  const kept = async (changes: object) => [...(await works(changes))].filter((work) => all.has(work)).length;
  const [first, ...others] = SPEC.methods;
  const [dataset] = SPEC.datasets;
  assert.equal(all.size, runs.length);
  // one prompt under two names is one work, with a place for each name
  const twice = [{ kind: "zero-shot" }, { name: "same", kind: "zero-shot", template: SPEC.datasets[0].template }];
  const twins = await plan(parseSpec(text({ methods: twice, baseToNew: null, labelNoise: null })));
  assert.deepEqual([new Set(twins.map(({ id }) => id)).size, new Set(twins.map(({ work }) => work)).size], [2, 1]);
  // names and the order of things decide nothing
  assert.equal(await kept({ methods: [...others, { ...first, name: "naive" }], baseToNew: null, name: "x" }), 16);
  assert.equal(await kept({ datasets: [{ ...dataset, name: "other", source: "positions" }] }), all.size);
  assert.equal(await kept({ seeds: [2, 3] }), (all.size - 3) / 2 + 3);
  // the model, the pictures and the options do
  assert.equal(await kept({ models: ["other"] }), 0);
  assert.equal(await kept({ datasets: [{ ...dataset, source: "elsewhere" }] }), 0);
  // without the other test set: only what was not tested on it
  assert.equal(await kept({ datasets: [{ ...dataset, shifts: {} }] }), 1 + 2 + 2);
  assert.equal(
    await kept({ methods: [{ ...SPEC.methods[3], learningRate: 0.1 }], baseToNew: {}, labelNoise: null }),
    0,
  );
});

test("what is wrong in a file is named", () => {
  for (const [changes, pattern] of [
    [{ shot: [1] }, /"shot" is no field here; did you mean "shots"\?/],
    [{ shots: [0] }, /"shots" must be whole numbers from 1, not 0/],
    [{ seeds: [1, 1] }, /"seeds" names 1 twice/],
    [{ datasets: [] }, /"datasets" is empty/],
    [{ datasets: [{ source: "here" }] }, /"datasets\[0\]\.name" must be a text/],
    [{ datasets: [{ name: "a", template: "no place" }] }, /"datasets\[0\]\.template" cannot be used: .*\{\}/],
    [
      { methods: [{ kind: "cop" }] },
      /"methods\[0\]\.kind" must be zero-shot, ensemble, probe, coop, cocoop, kgcoop, prograd, not "cop"/,
    ],
    [{ methods: [{ kind: "coop", contexttokens: 4 }] }, /did you mean "contextTokens"/],
    [{ methods: [{ kind: "coop", position: "back" }] }, /"methods\[0\]\.position" must be end, middle, front/],
    [{ methods: [{ kind: "coop", learningRate: -1 }] }, /"methods\[0\]\.learningRate" must be a number above 0/],
    [{ methods: [{ kind: "coop", shots: [3] }] }, /"methods\[0\]\.shots" holds 3, which is not one of the file's 1, 4/],
    [{ methods: [{ kind: "zero-shot", shots: [1] }] }, /"methods\[0\]\.shots" means nothing for zero-shot/],
    [{ methods: [{ kind: "coop" }, { kind: "coop", name: "b" }] }, /"coop" and "b" have equal options/],
    [{ methods: [{ kind: "coop" }, { kind: "coop", init: "a" }] }, /names "coop" twice/],
    [{ baseToNew: { methods: ["Coop"] } }, /"baseToNew\.methods" holds "Coop"; did you mean "CoOp"\?/],
    [{ labelNoise: { fractions: [1.5] } }, /"labelNoise\.fractions" must be numbers above 0 up to 1, not 1\.5/],
  ] as const)
    assert.throws(() => parseSpec(text(changes), "x.json"), pattern, JSON.stringify(changes));
  assert.throws(() => parseSpec("{", "x.json"), /x\.json is not whole JSON/);
});

describe("one experiment", () => {
  let results: readonly Result[];
  test("goes on after a crash, and runs nothing twice", TIMEOUT, async () => {
    const resultsFile = join(root, "results.jsonl");
    const spec = parseSpec(text());
    let asked = 0;
    const stopped = await runExperiments(spec, options({ resultsFile, stopped: () => ++asked > 24 }));
    assert.ok(!stopped.complete && stopped.results.length > 4, `${stopped.results.length} finished`);
    const kept = readFileSync(resultsFile, "utf8");
    assert.equal(parseResults(kept).size, stopped.results.length);

    // the power fails while the last line is written
    const lastLine = kept.trimEnd().lastIndexOf("\n") + 1;
    truncateSync(resultsFile, lastLine + 40);
    const fresh: string[] = [];
    const outcome = await runExperiments(
      spec,
      options({ resultsFile, onProgress: ({ result }) => fresh.push(result.id) }),
    );
    assert.ok(outcome.complete);
    assert.equal(fresh.length, outcome.results.length - (stopped.results.length - 1));
    const whole = readFileSync(resultsFile, "utf8");
    assert.equal(whole.slice(0, lastLine), kept.slice(0, lastLine));
    assert.equal(whole.split("\n").length - 1, outcome.results.length);
    assert.deepEqual(
      [...parseResults(whole).values()].map(({ id }) => id).sort(),
      outcome.results.map(({ id }) => id).sort(),
    );

    const never = () => Promise.reject(new Error("nothing is left to do"));
    const again = await runExperiments(spec, options({ resultsFile, openModel: never, openDataset: never }));
    assert.deepEqual(again.results, outcome.results);
    results = outcome.results;

    // another name for a method is told to the file, without running it
    const renamed = parseSpec(text().replaceAll("CoOp words", "CoOp 2 words"));
    const after = await runExperiments(renamed, options({ resultsFile, openModel: never }));
    assert.equal(after.results.filter(({ method }) => method.name === "CoOp 2 words").length, 2);
    assert.equal(parseResults(readFileSync(resultsFile, "utf8")).size, results.length + 2);
  });

  test("results of other weights or other pictures are not mixed in; a broken line is named", TIMEOUT, async () => {
    const resultsFile = join(root, "mixed.jsonl");
    const more = text({ seeds: [1, 2, 3], methods: SPEC.methods.slice(0, 3), baseToNew: null, labelNoise: null });
    const lines = results.map((result) => `${JSON.stringify(result)}\n`).join("");
    writeFileSync(resultsFile, lines);
    const weights = async () => ({ ...clip, sha256: "0".repeat(64), free: () => {} });
    await assert.rejects(
      runExperiments(parseSpec(more), options({ resultsFile, openModel: weights })),
      /made with other weights of tiny-clip/,
    );
    const other = async (spec: DatasetSpec) => ({ ...(await openDataset(spec)), fingerprint: "changed" });
    await assert.rejects(
      runExperiments(parseSpec(more), options({ resultsFile, openDataset: other })),
      /pictures of positions are not those of the results so far/,
    );
    appendFileSync(resultsFile, '{"id": "half\n{}\n');
    assert.throws(() => parseResults(readFileSync(resultsFile, "utf8"), "r.jsonl"), /r\.jsonl, line \d+ is not JSON/);
  });

  test("numbers equal those of separate runs", TIMEOUT, async () => {
    const [train, held, rotated] = [await pictures("train"), await pictures("test"), await pictures("test", "rotated")];
    const { classNames } = train;
    const find = (name: string, shots: number, seed: number, classes = "all", noise = 0) =>
      results.find(
        (r) =>
          r.method.name === name &&
          r.shots === shots &&
          r.seed === seed &&
          r.classes === classes &&
          r.labelNoise === noise,
      )!;
    const score = (answers: Int32Array, labels: Int32Array) => ({
      correct: answers.filter((answer, i) => answer === labels[i]).length,
      total: labels.length,
    });
    const scoreBy = async (features: Float32Array, { features: images, labels }: typeof held) =>
      score(await predictLabels(clip, images, features), labels);
    const own = ({ correct, total }: Result) => ({ correct, total });

    const hand = await classFeatures(clip, classNames, [SPEC.datasets[0].template]);
    assert.deepEqual(own(find("hand", 0, 0)), await scoreBy(hand, held));
    assert.deepEqual(find("hand", 0, 0).shifts, { rotated: await scoreBy(hand, rotated) });
    const many = await classFeatures(clip, classNames, [SPEC.datasets[0].template, ...ENSEMBLE_TEMPLATES]);
    assert.deepEqual(own(find("ensemble", 0, 0)), await scoreBy(many, held));

    const items = Array.from(train.labels, (label, row) => ({ label, row }));
    const examples = (picked: typeof items) => {
      const width = clip.config.embedDim;
      const features = new Float32Array(picked.length * width);
      picked.forEach(({ row }, i) => {
        features.set(train.features.subarray(row * width, (row + 1) * width), i * width);
      });
      return { features, labels: Int32Array.from(picked, ({ label }) => label) };
    };
    const { train: shots, val } = shotsAndValidation({ train: items, val: [] }, 4, 4, 2);
    const { probe } = await searchProbe(examples(shots), examples(val), { classes: classNames.length });
    const byProbe = find("probe", 4, 2);
    assert.equal(byProbe.found.C, probe.C);
    assert.deepEqual(own(byProbe), score(await predictProbe(probe, held.features), held.labels));

    const width = clip.config.text.width;
    for (const [name, layout, shape, epochs] of [
      ["CoOp", { contextTokens: 2 }, [2, width], 3],
      ["CoOp CSC", { contextTokens: 2, classSpecific: true }, [classNames.length, 2, width], 2],
      ["CoOp words", { initText: "a photo", position: "middle" }, [2, width], 2],
    ] as const) {
      let last = Number.NaN;
      const learner = promptLearner(clip, classNames, layout);
      const context = await fitPrompt(learner, examples(shots), { epochs, seed: 2 }, ({ loss }) => {
        last = loss;
      });
      const prompt = { context, shape, position: "position" in layout ? layout.position : ("end" as const) };
      const result = find(name, 4, 2);
      assert.ok(Math.abs(result.loss! - last) <= 1e-5 * last, `${name}: loss ${result.loss}, alone ${last}`);
      assert.deepEqual(own(result), await scoreBy(await promptFeatures(clip, classNames, prompt), held), name);
      assert.deepEqual(result.shifts, {
        rotated: await scoreBy(await promptFeatures(clip, classNames, prompt), rotated),
      });
      assert.equal(result.steps, epochs);
      assert.ok(
        result.step!.flops > 1e5 && result.step!.bytes > 1e5 && result.step!.memory > 1e3 && result.seconds > 0,
      );
    }

    // base-to-new: the same shots, but of the first classes only; new classes compete among themselves
    const [base, others] = [classNames.slice(0, LEARNED), classNames.slice(LEARNED)];
    const some = shots.filter(({ label }) => label < LEARNED);
    const learner = promptLearner(clip, base, { contextTokens: 2 });
    const context = await fitPrompt(learner, examples(some), { epochs: 3, seed: 2 });
    const prompt = { context, shape: [2, width], position: "end" as const };
    const rows = (from: number, to: number) => {
      const picked = Array.from(held.labels, (label, row) => ({ label, row })).filter(
        ({ label }) => label >= from && label < to,
      );
      const size = clip.config.embedDim;
      const features = Float32Array.from(
        picked.flatMap(({ row }) => [...held.features.subarray(row * size, (row + 1) * size)]),
      );
      return { features, labels: Int32Array.from(picked, ({ label }) => label - from), classNames };
    };
    const result = find("CoOp", 4, 2, "base");
    assert.deepEqual(own(result), await scoreBy(await promptFeatures(clip, base, prompt), rows(0, LEARNED)));
    assert.deepEqual(
      result.newClasses,
      await scoreBy(await promptFeatures(clip, others, prompt), rows(LEARNED, classNames.length)),
    );
    assert.deepEqual(find("hand", 0, 0, "base").newClasses?.total, 8 * others.length);

    // half the labels wrong
    const { features, labels } = examples(shots);
    const noisy = withNoise(labels, 0.5, classNames.length, 2);
    assert.equal(noisy.filter((label, i) => label !== labels[i]).length, labels.length / 2);
    let last = Number.NaN;
    const wrong = { features, labels: noisy };
    await fitPrompt(
      promptLearner(clip, classNames, { contextTokens: 2 }),
      wrong,
      { epochs: 3, seed: 2 },
      ({ loss }) => {
        last = loss;
      },
    );
    assert.ok(Math.abs(find("CoOp", 4, 2, "all", 0.5).loss! - last) <= 1e-5 * last);
  });
});

test("CoCoOp, KgCoOp and ProGrad: as trained alone, on new classes too", TIMEOUT, async () => {
  const epochs = 2;
  const spec = parseSpec(
    text({
      shots: [4],
      seeds: [2],
      methods: [
        { kind: "cocoop", epochs },
        { kind: "kgcoop", contextTokens: 2, epochs },
        { kind: "prograd", contextTokens: 2, epochs },
      ],
      baseToNew: { methods: ["cocoop"] },
      labelNoise: null,
    }),
  );
  const { results: found } = await runExperiments(spec, options({ resultsFile: join(root, "others.jsonl") }));
  assert.deepEqual(
    found.map(({ method, classes }) => `${method.name} ${classes}`),
    ["cocoop all", "kgcoop all", "prograd all", "cocoop base"],
  );
  const [train, held] = [await pictures("train"), await pictures("test")];
  const { classNames } = train;
  const items = Array.from(train.labels, (label, row) => ({ label, row }));
  const shots = shotsAndValidation({ train: items, val: [] }, 4, 4, 2).train;
  const width = clip.config.embedDim;
  const features = new Float32Array(shots.length * width);
  shots.forEach(({ row }, i) => {
    features.set(train.features.subarray(row * width, (row + 1) * width), i * width);
  });
  const examples = { features, labels: Int32Array.from(shots, ({ label }) => label) };
  const right = (answers: Int32Array) => answers.filter((answer, i) => answer === held.labels[i]).length;

  const learned = await fitLearner(conditionalPromptLearner(clip, classNames), examples, {
    epochs,
    batchSize: 1,
    seed: 2,
  });
  assert.equal(found[0].correct, right(await conditionalClassifier(clip, learned)(classNames, held.features)));
  const written = await classFeatures(clip, classNames, [SPEC.datasets[0].template]);
  const near = withKnowledge(
    clip,
    promptLearner(clip, classNames, { contextTokens: 2 }),
    tensor(written, [classNames.length, width]),
  );
  const context = await fitPrompt(near, examples, { epochs, seed: 2 });
  const prompt = { context, shape: [2, clip.config.text.width], position: "end" as const };
  const answers = await predictLabels(clip, held.features, await promptFeatures(clip, classNames, prompt));
  assert.equal(found[1].correct, right(answers));
});
