// coop zero-shot on a folder, coop prompts and coop taxonomy, with their numbers computed here in another way.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";
import { type Clip, loadClip, readPicture, templatesFor } from "../src/clip/index.ts";
import { tensor } from "../src/tensor/index.ts";
import { PICTURE_SIZE, taskPictures } from "../src/world/index.ts";
import { coopHere } from "./coop-here.ts";
import { jsonOf, type Outcome, refused as told } from "./run-coop.ts";

const TIMEOUT = 60_000;
const PER_CLASS = 4;
const CLASSES = 6;

let root: string;
let pictures: string;
let clip: Clip;
let names: string[];

/** One line that says why, and nothing else. */
function refused(outcome: Outcome, code: number, pattern: RegExp): void {
  told(outcome, code, pattern);
  assert.match(outcome.stderr, /^coop: [^\n]*\n$/);
}

const unit = (values: readonly number[]) => values.map((x) => x / Math.sqrt(values.reduce((sum, y) => sum + y * y, 0)));

/** Mean of the normalised features of the templates filled with a name. */
async function textOf(name: string, templates: readonly string[]): Promise<number[]> {
  const sum = new Array<number>(clip.config.embedDim).fill(0);
  for (const template of templates) {
    const features = await clip.encodeText(clip.tokenize([template.replace("{}", name)])).data();
    unit([...(features as Float32Array)]).forEach((x, i) => {
      sum[i] += x;
    });
  }
  return unit(sum);
}

/** Labels of each picture of a class folder, the most similar first, as computed one picture at a time. */
async function answers(folder: string, labels: readonly string[], templates: readonly string[]): Promise<string[][]> {
  const texts = await Promise.all(labels.map((label) => textOf(label, templates)));
  const result: string[][] = [];
  for (const file of readdirSync(folder).sort()) {
    const pixels = clip.preprocess(await readPicture(join(folder, file)));
    const image = unit([...((await clip.encodeImage(tensor(pixels, [1, 3, 32, 32])).data()) as Float32Array)]);
    const cosine = texts.map((text) => text.reduce((sum, x, i) => sum + x * image[i], 0));
    const order = labels.map((_, k) => k).sort((a, b) => cosine[b] - cosine[a] || a - b);
    result.push(order.map((k) => labels[k]));
  }
  return result;
}

before(async () => {
  root = mkdtempSync(join(tmpdir(), "coop-zero-shot-"));
  process.env.COOP_CACHE = join(root, "cache");
  process.env.COOP_QUIET = "1";
  pictures = join(root, "pictures");
  const { pixels, labels, classNames } = taskPictures("above", { perClass: PER_CLASS, seed: 3, split: "test" });
  names = classNames
    .slice(0, CLASSES)
    .map((name) => name.replaceAll("_", " "))
    .sort();
  for (const [i, data] of pixels.entries()) {
    if (labels[i] >= CLASSES) continue;
    const folder = join(pictures, classNames[labels[i]].replaceAll(" ", "_"));
    mkdirSync(folder, { recursive: true });
    await sharp(data, { raw: { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } })
      .png()
      .toFile(join(folder, `${i}.png`));
  }
  clip = await loadClip(join(import.meta.dirname, "../models/tiny-clip"));
});
after(() => {
  clip.free();
  rmSync(root, { recursive: true });
});

const folderOf = (name: string) => join(pictures, name.replaceAll(" ", "_"));

describe("zero-shot DIR", () => {
  test("accuracy, top-k, classes and confusions", { timeout: 2 * TIMEOUT }, async () => {
    const report = join(root, "report.html");
    const templates = ["a photo of a {}.", "{}"];
    const flags = templates.flatMap((template) => ["--template", template]);
    const found = jsonOf(await coopHere("zero-shot", pictures, ...flags, "--top-k", "2", "--report", report, "--json"));
    const expected = await Promise.all(names.map((name) => answers(folderOf(name), names, templates)));
    const hits = (k: number) =>
      names.map((name, i) => expected[i].filter((order) => order.slice(0, k).includes(name)).length);
    const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0);
    const total = CLASSES * PER_CLASS;
    assert.deepEqual(found.labels, names);
    assert.deepEqual(found.templates, templates);
    assert.equal(found.part, "all pictures");
    assert.deepEqual(
      [found.top1.correct, found.top1.total, found.top1.accuracy],
      [sum(hits(1)), total, sum(hits(1)) / total],
    );
    assert.deepEqual(found.topK, { k: 2, accuracy: sum(hits(2)) / total, correct: sum(hits(2)), total });
    assert.deepEqual(
      found.perClass,
      names.map((label, i) => ({
        label,
        accuracy: hits(1)[i] / PER_CLASS,
        correct: hits(1)[i],
        total: PER_CLASS,
        topK: hits(2)[i],
      })),
    );
    assert.deepEqual(
      found.confusion,
      names.map((_, i) => names.map((other) => expected[i].filter(([first]) => first === other).length)),
    );
    assert.ok(Math.abs(found.meanPerClass - found.top1.accuracy) < 1e-12); // as many of each
    assert.ok(found.top1.interval[0] < found.top1.accuracy && found.top1.accuracy < found.top1.interval[1]);
    const page = readFileSync(report, "utf8");
    assert.match(page, /<svg/);
    assert.ok(page.includes("<code>{}</code>") && names.every((name) => page.includes(name)));
    assert.ok(page.includes(`${(100 * found.top1.accuracy).toFixed(1)} %`));

    const text = await coopHere("zero-shot", pictures, ...flags);
    assert.match(text.stdout, new RegExp(`top 1 +${(100 * found.top1.accuracy).toFixed(1)} %`));
    assert.match(text.stdout, /top 5 /);
    assert.match(text.stdout, /templates "a photo of a \{\}\." \+ "\{\}" {3}pictures 24, all pictures/);
    const [rows] = text.stdout.match(/taken for →[\s\S]*?\n\n/)!;
    assert.deepEqual(
      rows
        .trim()
        .split("\n")
        .slice(1)
        .map((line) => line.trim().split(/\s+/).slice(-CLASSES)),
      found.confusion.map((row: number[]) => row.map((n) => (n ? `${n}` : "."))),
    );
  });

  test("datasets, ensembles, splits and other labels", { timeout: 2 * TIMEOUT }, async () => {
    const own = jsonOf(await coopHere("zero-shot", pictures, "--dataset", "euro_sat", "--json"));
    assert.deepEqual(own.templates, ["a centered satellite photo of {}."]);
    const expected = await Promise.all(names.map((name) => answers(folderOf(name), names, own.templates)));
    assert.equal(
      own.top1.correct,
      names.reduce((n, name, i) => n + expected[i].filter(([a]) => a === name).length, 0),
    );
    const many = jsonOf(
      await coopHere("zero-shot", pictures, "--dataset", "eurosat", "--ensemble", "--no-cache", "--json"),
    );
    assert.deepEqual(many.templates, templatesFor("EuroSAT", { ensemble: true }));
    const half = jsonOf(await coopHere("zero-shot", pictures, "--split", "test", "--json"));
    assert.equal(half.top1.total, (CLASSES * PER_CLASS) / 2);

    const more = jsonOf(await coopHere("zero-shot", pictures, "--labels", ["star", ...names].join(","), "--json"));
    assert.deepEqual(more.labels, [...names, "star"]);
    assert.equal(more.confusion.length, CLASSES + 1);
    assert.equal(more.perClass.length, CLASSES);
    const file = join(root, "labels.json");
    writeFileSync(file, JSON.stringify(Object.fromEntries(names.map((name, i) => [name, i ? `the ${name}` : "star"]))));
    const renamed = jsonOf(await coopHere("zero-shot", pictures, "--labels-file", file, "--json"));
    assert.deepEqual(
      renamed.labels,
      names.map((name, i) => (i ? `the ${name}` : "star")),
    );
  });

  test("pictures of folders, and the best labels only", { timeout: TIMEOUT }, async () => {
    const file = join(root, "labels.txt");
    writeFileSync(file, `${names.join("\n")}\n\n${names[0]}\n`);
    const flags = ["--labels-file", file, "--top-k", "2"];
    const outcome = await coopHere("zero-shot", folderOf(names[0]), folderOf(names[1]), ...flags, "--json");
    assert.match(outcome.stderr, new RegExp(`Asked once.*${names[0]}`));
    const found = jsonOf(outcome).results as { file: string; labels: { label: string }[] }[];
    const expected = [
      ...(await answers(folderOf(names[0]), names, ["a photo of a {}."])),
      ...(await answers(folderOf(names[1]), names, ["a photo of a {}."])),
    ];
    assert.deepEqual(
      found.map(({ labels }) => labels.map(({ label }) => label)),
      expected.map((order) => order.slice(0, 2)),
    );
  });

  test("wrong use and bad input", { timeout: 2 * TIMEOUT }, async () => {
    const picture = join(folderOf(names[0]), readdirSync(folderOf(names[0]))[0]);
    refused(await coopHere("zero-shot", pictures, "--template", "no place"), 1, /has no \{\}/);
    refused(await coopHere("zero-shot", pictures, "--dataset", "cifar"), 1, /no template for a dataset "cifar"/);
    refused(
      await coopHere("zero-shot", pictures, "--labels", "star,ball"),
      1,
      /no label is given for the class folders/,
    );
    refused(await coopHere("zero-shot", pictures, "--split", "most"), 1, /--split is most/);
    refused(await coopHere("zero-shot", picture, "--labels", "a", "--labels-file", "b"), 2, /exclude/);
    refused(
      await coopHere("zero-shot", picture, "--labels-file", join(root, "none")),
      1,
      /there is no such file\. Check the path/,
    );
    refused(await coopHere("zero-shot", picture, "--labels", "a,b", "--report", "r.html"), 2, /--report means nothing/);
    refused(await coopHere("zero-shot", picture, "--labels", " , "), 1, /names no labels/);
    const one = await coopHere("zero-shot", picture, "--labels", "star");
    assert.match(one.stderr, /"star" is the only label/);
    const alone = join(root, "alone");
    cpSync(folderOf(names[0]), join(alone, "only"), { recursive: true });
    refused(await coopHere("zero-shot", alone), 1, /"only" is the only label/);
  });
});

describe("prompts", () => {
  test("each template against the first, and their ensemble", { timeout: TIMEOUT }, async () => {
    const templates = ["a photo of {}.", "a centered satellite photo of {}.", "{}"];
    const flags = templates.flatMap((template) => ["--template", template]);
    const { results, classes } = jsonOf(await coopHere("prompts", pictures, ...flags, "--json"));
    assert.deepEqual(classes, names);
    const asks = [...templates.map((template) => [template]), templates];
    assert.deepEqual(
      results.map((row: { templates: string[] }) => row.templates),
      asks,
    );
    const right: boolean[][] = [];
    for (const ask of asks) {
      const expected = await Promise.all(names.map((name) => answers(folderOf(name), names, ask)));
      right.push(names.flatMap((name, i) => expected[i].map(([first]) => first === name)));
    }
    right.forEach((of, i) => {
      const { correct, total, accuracy, difference, rightToWrong, wrongToRight, p } = results[i];
      const share = (list: boolean[]) => list.filter(Boolean).length / list.length;
      assert.deepEqual([correct, total, accuracy], [of.filter(Boolean).length, of.length, share(of)]);
      assert.equal(difference, share(of) - share(right[0]));
      assert.equal(rightToWrong, of.filter((ok, n) => !ok && right[0][n]).length);
      assert.equal(wrongToRight, of.filter((ok, n) => ok && !right[0][n]).length);
      assert.ok(p > 0 && p <= 1);
    });
    assert.ok(
      right.some((of) => of.some((ok, n) => ok !== right[0][n])),
      "the wording matters",
    );
  });
  test("the table and its defaults", { timeout: 2 * TIMEOUT }, async () => {
    const { code, stdout, stderr } = await coopHere("prompts", pictures, "--dataset", "EuroSAT");
    assert.equal(code, 0, stderr);
    for (const template of ["a photo of {}.", "a photo of a {}.", "{}", "a centered satellite photo of {}."])
      assert.ok(stdout.includes(`"${template}"`), stdout);
    assert.match(stdout, /\nensemble of 4 +[\d.]+ %/);
    assert.match(stdout, /classes 6 {3}pictures 24, all pictures/);
    refused(await coopHere("prompts", pictures, "--template", "none"), 1, /has no \{\}/);
    refused(await coopHere("prompts", folderOf(names[0])), 1, /no class folders/);
  });
});

describe("taxonomy", () => {
  test("shares before and after", { timeout: TIMEOUT }, async () => {
    const [a, b, c, d] = names;
    const [before, after] = [
      [a, b, "star"],
      [a, "star", c, d],
    ];
    const flags = ["--labels", `places: ${a}, ${b}; star`, "--add", `places: ${c}`, "--add", d, "--remove", b];
    const found = jsonOf(await coopHere("taxonomy", pictures, ...flags, "--json"));
    assert.deepEqual(found.before, { labels: before, categories: ["places", "places", "star"] });
    assert.deepEqual(found.after, { labels: after, categories: ["places", "star", "places", d] });
    assert.equal(found.groups.length, CLASSES);
    const place = (label: string) => ([a, b, c].includes(label) ? "places" : label);
    for (const [i, name] of names.entries()) {
      const [from, to] = await Promise.all(
        [before, after].map((labels) => answers(folderOf(name), labels, ["a photo of a {}."])),
      );
      const { group, total, categories, labels } = found.groups[i];
      assert.deepEqual([group, total], [name, PER_CLASS]);
      for (const shift of labels) {
        assert.equal(shift.before.count, from.filter(([label]) => label === shift.name).length);
        assert.equal(shift.after.count, to.filter(([label]) => label === shift.name).length);
      }
      for (const shift of categories) {
        const [was, is] = [from, to].map((list) => list.map(([label]) => place(label) === shift.name));
        assert.equal(shift.before.count, was.filter(Boolean).length);
        assert.equal(shift.after.share, is.filter(Boolean).length / PER_CLASS);
        assert.equal(shift.shift, (is.filter(Boolean).length - was.filter(Boolean).length) / PER_CLASS);
        assert.equal(shift.gained, is.filter((yes, n) => yes && !was[n]).length);
        assert.equal(shift.lost, was.filter((yes, n) => yes && !is[n]).length);
        assert.ok(shift.after.interval[0] <= shift.after.share && shift.after.share <= shift.after.interval[1]);
      }
    }
  });
  test("the table, a labels file, and what is refused", { timeout: 2 * TIMEOUT }, async () => {
    const file = join(root, "set.txt");
    writeFileSync(file, `${names[0]}\nthings: star, ball\n`);
    const { code, stdout, stderr } = await coopHere("taxonomy", pictures, "--labels-file", file, "--add", names[1]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^group +of +category +before +95 % +after +95 % +points +came +went\n/);
    assert.ok(stdout.includes(`after   ${names[0]}, star, ball, ${names[1]}\n`), stdout);
    refused(await coopHere("taxonomy", pictures, "--labels", "a,b"), 2, /--add or --remove is missing/);
    refused(await coopHere("taxonomy", pictures, "--add", "a"), 2, /--labels is missing/);
    refused(await coopHere("taxonomy", pictures, "--labels", "a,b", "--add", "b"), 1, /leave the labels as they were/);
    refused(await coopHere("taxonomy", pictures, "--labels", "star,b", "--remove", "stra"), 1, /did you mean "star"/);
    refused(await coopHere("taxonomy", pictures, "--labels", "a", "--remove", "a"), 1, /leaves no label/);
    refused(await coopHere("taxonomy", pictures, "--labels", "x: a; y: b", "--add", "x: b"), 1, /two categories/);
  });
});
