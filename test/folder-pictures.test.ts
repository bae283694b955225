// Folders whose pictures are odd: the same file in two splits, files that cannot be read, classes without pictures.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { duplicateNotes } from "../src/coop/duplicates.ts";
import { coopHere } from "./coop-here.ts";
import { drawFolder } from "./drawn-folder.ts";

const TIMEOUT = { timeout: 120_000 };
const PER_CLASS = 6;
const CLASSES = 3;

let root: string;
let pictures: string;
/** the class folders */
let [first, second]: string[] = [];

/** What a command says, where it ends well. */
async function well(...words: string[]) {
  const { code, stdout, stderr } = await coopHere(...words, "--json");
  assert.equal(code, 0, stderr);
  return { result: JSON.parse(stdout), stderr };
}

before(async () => {
  root = mkdtempSync(join(tmpdir(), "coop-odd-folder-"));
  pictures = join(root, "pictures");
  await drawFolder(pictures, { perClass: PER_CLASS, classes: CLASSES });
  [first, second] = readdirSync(join(pictures, "train")).sort();
  const file = (split: string, name: string, i: number) =>
    join(pictures, split, name, readdirSync(join(pictures, split, name))[i]);
  const cut = readFileSync(file("test", first, 1));
  copyFileSync(file("train", first, 0), join(pictures, "test", first, "again.png"));
  copyFileSync(file("train", first, 0), join(pictures, "test", second, "again.png"));
  writeFileSync(join(pictures, "train", second, "empty.png"), "");
  writeFileSync(join(pictures, "test", second, "page.jpg"), "<!DOCTYPE html><title>404</title>");
  writeFileSync(join(pictures, "test", first, "cut.png"), cut.subarray(0, cut.length >> 1));
  mkdirSync(join(pictures, "train", "zebra"));
});
after(() => rmSync(root, { recursive: true }));

const HELD_OUT = CLASSES * PER_CLASS + 2;
const SAID = [
  /No picture of "zebra": left out of the classes\./,
  /1 file of the shots left out: .*empty\.png is empty/,
  /2 files of the held-out pictures left out: .*cut\.png: this PNG is damaged.*page\.jpg is not a picture: it holds text/,
  new RegExp(
    `2 of the ${HELD_OUT} held-out pictures are among the shots too, byte for byte, 1 of them as another class`,
  ),
];

test("coop train says what is odd, leaves out what cannot be read, and goes on with that", TIMEOUT, async () => {
  const out = join(root, "run");
  const words = ["train", pictures, "--epochs", "1", "--context-tokens", "2", "--probe", "--out", out];
  const { result, stderr } = await well(...words);
  assert.equal(result.classes.length, CLASSES);
  const report = readFileSync(join(out, "report.html"), "utf8").replaceAll("&quot;", '"');
  for (const sentence of SAID) {
    assert.match(stderr, sentence);
    assert.match(report, sentence);
  }
  const splits = JSON.parse(readFileSync(join(out, "splits.json"), "utf8"));
  assert.deepEqual([splits.train.length, splits.test.length], [CLASSES * PER_CLASS, HELD_OUT]);
  assert.match((await well(...words.slice(0, -2), "--resume", out)).stderr, /run is finished/);

  const measured = await well("eval", pictures, "--prompt", out);
  assert.equal(measured.result.coop.accuracy, result.coop.accuracy);
  assert.match(measured.stderr, SAID[2]);
});

test("coop probe: the same", TIMEOUT, async () => {
  const out = join(root, "probe");
  const { stderr } = await well("probe", pictures, "--seed", "1", "--c", "1", "--out", out);
  assert.match(stderr, SAID[0]);
  assert.match(stderr, /3 files of the pictures left out: .*empty\.png.*cut\.png.*page\.jpg/);
  assert.match(stderr, SAID[3]);
  const splits = JSON.parse(readFileSync(join(out, "splits.json"), "utf8"));
  assert.deepEqual([splits.train.length, splits.test.length], [CLASSES * PER_CLASS, HELD_OUT]);
});

test("coop zero-shot and coop index: the rest is asked about, and encoded", TIMEOUT, async () => {
  const report = join(root, "zero-shot.html");
  const { result, stderr } = await well("zero-shot", pictures, "--report", report);
  const left = /2 files of the pictures left out: .*cut\.png.*page\.jpg/;
  assert.match(stderr, left);
  assert.match(readFileSync(report, "utf8"), left);
  assert.equal(result.top1.total, HELD_OUT);
  const index = await well("index", pictures, "--out", join(root, "index.safetensors"));
  assert.deepEqual([index.result.pictures, index.result.refused], [HELD_OUT + CLASSES * PER_CLASS, 3]);
});

test("where no picture of a kind can be read there is nothing to do", TIMEOUT, async () => {
  const dir = join(root, "unreadable");
  for (const path of ["train/a", "train/b", "test/a", "test/b"]) {
    mkdirSync(join(dir, path), { recursive: true });
    writeFileSync(join(dir, path, "x.png"), "");
  }
  const { code, stderr } = await coopHere("train", dir, "--out", join(root, "none"));
  assert.equal(code, 1);
  assert.match(stderr, /coop: None of the shots can be read: .*x\.png is empty.*\n$/);
});

test("files that are used twice: one sentence for two lists, the first pair named", () => {
  const used = (name: string, files: Record<string, [hash: string, label: number]>) => ({
    name,
    items: Object.entries(files).map(([path, [, label]]) => ({ path, label, className: `${label}` })),
    hashes: new Map(Object.entries(files).map(([path, [hash]]) => [path, hash])),
  });
  const shots = used("shots", { "a/1": ["x", 0], "a/2": ["y", 0] });
  const val = used("validation pictures", { "b/1": ["z", 1], "b/2": ["x", 1] });
  const test = used("held-out pictures", { "a/1": ["x", 0], "c/1": ["w", 2], "c/2": ["z", 2], "c/3": ["v", 2] });
  assert.deepEqual(duplicateNotes([shots, val, test]), [
    "1 of the 2 validation pictures is among the shots too, byte for byte, 1 of them as another class (first: b/2 is a/1).",
    "1 of the 4 held-out pictures is among the shots too, byte for byte (first: a/1).",
    "2 of the 4 held-out pictures are among the validation pictures too, byte for byte, 2 of them as another class (first: a/1 is b/2).",
  ]);
  assert.deepEqual(duplicateNotes([shots, used("held-out pictures", { "a/3": ["u", 0] })]), []);
  const unknown = { ...shots, hashes: new Map<string, string>() };
  assert.deepEqual(duplicateNotes([unknown, { ...unknown, name: "held-out pictures" }]), []);
});
