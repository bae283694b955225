import { type Clip, classFeatures, DEFAULT_TEMPLATE } from "../clip/index.ts";
import { checkRunFolder, writeRunFolder } from "../coop/atomic.ts";
import { openData, templateFor } from "../coop/datasets/open.ts";
import { duplicateNotes } from "../coop/duplicates.ts";
import { shotsAndValidation } from "../coop/few-shot.ts";
import type { Examples } from "../coop/fit.ts";
import type { Folder, Item } from "../coop/folder.ts";
import { predictProbe } from "../coop/linear-probe.ts";
import { confusionOf } from "../coop/predict.ts";
import { type ProbeConfig, probeFiles, type ValidationSource } from "../coop/probe-files.ts";
import { C_TRIALS } from "../coop/probe-search.ts";
import { progress } from "../coop/progress.ts";
import { confusionMatrix, overall } from "../coop/score.ts";
import { device } from "../tensor/index.ts";
import { type Command, type Input, MODEL_FLAG, UsageError } from "./command.ts";
import { encodeItems } from "./labelled-features.ts";
import { modelName, openModel } from "./model.ts";
import { say } from "./print.ts";
import { choiceNotes, DEFAULT_C, fitChosenProbe, validationFrom } from "./probe-choice.ts";
import { printResults, type Result } from "./probe-results.ts";
import { fewerShots } from "./train.ts";
import { versions } from "./versions.ts";

export const probe: Command = {
  summary: "Fits a linear classifier to the image features of a few pictures: what a learned prompt has to beat.",
  usage: "DIR [flags]",
  details: `DIR is laid out as for \`coop train\`, and the same seed gives the same shots and the same held-out pictures. C, which
weighs the pictures against the size of the weights, is the one of the best accuracy on validation pictures: those of
val/, else pictures to train on that are no shots, else the shots themselves in turns.`,
  flags: {
    model: MODEL_FLAG,
    shots: { value: "N", help: "pictures of each class to learn from (default 16)" },
    seeds: { value: "N", help: "draws the shots anew with the seeds 1 to N (default 3)" },
    seed: { value: "N", help: "draws them once, with this seed" },
    "val-shots": { value: "N", help: "validation pictures of each class (default: as many as shots, at most 4)" },
    c: { value: "C", help: "takes this C and chooses none" },
    normalize: { help: "scales features to length 1 first" },
    template: { value: "T", help: `hand-written prompt to compare with (default "${DEFAULT_TEMPLATE}")` },
    out: { value: "DIR", help: "saves the probe of the one --seed in this folder, which must not exist yet" },
  },
  run: runProbe,
};

/** The pictures of one seed. */
interface Draw {
  readonly seed: number;
  readonly folder: Folder;
  readonly from: ValidationSource;
  readonly picked: { readonly train: readonly Item[]; readonly val: readonly Item[] };
}

async function runProbe(input: Input): Promise<number> {
  const dir = input.only("DIR");
  const shots = input.whole("shots", 16);
  const valShots = input.whole("val-shots", Math.min(shots, 4));
  const given = input.text("c") === undefined ? undefined : input.positive("c", DEFAULT_C);
  const out = input.text("out");
  const one = input.text("seed") !== undefined;
  if (one && input.text("seeds") !== undefined) throw new UsageError("--seed and --seeds exclude each other.");
  if (out !== undefined && !one) throw new UsageError("--out saves one probe: say which with --seed.");
  const seeds = one ? [input.whole("seed", 1, 0)] : Array.from({ length: input.whole("seeds", 3) }, (_, i) => i + 1);
  const template = input.text("template") ?? templateFor(dir);
  if (out !== undefined) await checkRunFolder(out);

  const drawn: Draw[] = [];
  for (const seed of seeds) {
    const folder = await openData(dir, { seed, toLearn: true });
    const { train, val } = shotsAndValidation(folder, shots, valShots, seed);
    const from = given === undefined ? validationFrom(folder, train, val) : "none";
    drawn.push({ seed, folder, from, picked: { train, val: from === "val" || from === "train" ? val : [] } });
  }
  const [first] = drawn;
  const { classNames } = first.folder;
  const clip = await openModel(input.text("model"));
  for (const note of [...first.folder.notes, ...fewerShots(classNames, first.picked.train, shots)]) say(note);
  const written = await classFeatures(clip, classNames, [template]);
  const { draws, examplesOf } = await encoded(clip, drawn, input.has("normalize"));

  const bar = progress("probe", seeds.length * (given === undefined ? C_TRIALS : 1));
  let fits = 0;
  const results: Result[] = [];
  for (const { seed, folder, from, picked } of draws) {
    const test = examplesOf(folder.test);
    const { probe, search } = await fitChosenProbe(
      { from, picked },
      { train: examplesOf(picked.train), val: examplesOf(picked.val) },
      { classes: classNames.length, C: given },
      () => bar.update(++fits),
    );
    if (!probe.converged) bar.log(`Seed ${seed}: after ${probe.iterations} steps the optimum is not reached.`);
    const predicted = await predictProbe(probe, test.features);
    const scores = {
      zeroShot: overall(await confusionOf(clip, test.features, test.labels, written)),
      probe: overall(confusionMatrix(test.labels, predicted, classNames.length)),
    };
    const validation = { from, pictures: from === "folds" ? picked.train.length : picked.val.length };
    results.push({ seed, probe, search, validation, scores });
  }
  bar.finish();
  const sources = results.map(({ validation }) => validation.from);
  for (const note of choiceNotes(sources, given)) say(note);

  if (out !== undefined) {
    const [{ seed, probe, search, validation, scores }] = results;
    const [{ folder, picked }] = draws;
    const config: ProbeConfig = {
      model: { name: modelName(input.text("model")), sha256: clip.sha256 },
      classes: classNames,
      normalized: input.has("normalize"),
      ...{ shots, seed, validation, search, metrics: scores },
      versions: versions((await device()).description),
    };
    const splits = { seed, shots, layout: folder.layout, ...picked, test: folder.test };
    await writeRunFolder(out, probeFiles(probe, config, splits));
  }
  clip.free();
  printResults(input, { classes: classNames, shots, template, results, out });
  return 0;
}

/**
 * Encodes each picture once, whichever seeds use it; gives the draws without what cannot be read, and the examples of any
 * of their pictures.
 */
async function encoded(clip: Clip, drawn: readonly Draw[], normalize: boolean) {
  const used = drawn.flatMap(({ folder, picked }) => [...picked.train, ...picked.val, ...folder.test]);
  const unique = [...new Map(used.map((item) => [item.path, item])).values()];
  const { examples, items, hashes } = await encodeItems(clip, drawn[0].folder.root, unique, "pictures");
  const rowOf = new Map(items.map(({ path }, row) => [path, row]));
  const there = (some: readonly Item[]) => some.filter(({ path }) => rowOf.has(path));
  const draws = drawn.map(({ folder, picked, ...rest }): Draw => {
    const left = { train: there(picked.train), val: there(picked.val) };
    return { ...rest, folder: { ...folder, test: there(folder.test) }, picked: left };
  });
  const twice = draws.flatMap(({ picked, folder }) =>
    duplicateNotes([
      { name: "shots", items: picked.train, hashes },
      { name: "validation pictures", items: picked.val, hashes },
      { name: "held-out pictures", items: folder.test, hashes },
    ]),
  );
  for (const note of new Set(twice)) say(note);
  const width = clip.config.embedDim;
  const examplesOf = (wanted: readonly Item[]): Examples => {
    const rows = new Float32Array(wanted.length * width);
    wanted.forEach(({ path }, i) => {
      const row = examples.features.subarray(rowOf.get(path)! * width, (rowOf.get(path)! + 1) * width);
      const length = normalize ? Math.hypot(...row) || 1 : 1;
      rows.set(
        row.map((x) => x / length),
        i * width,
      );
    });
    return { features: rows, labels: Int32Array.from(wanted, ({ label }) => label) };
  };
  return { draws, examplesOf };
}
