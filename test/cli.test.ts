// The command line as a person uses it: child processes, real files, exit codes.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";
import { PICTURE_SIZE, taskPictures } from "../src/world/index.ts";

const MAIN = join(import.meta.dirname, "../src/cli/main.ts");
const MODEL = join(import.meta.dirname, "../models/tiny-clip");
const TIMEOUT = 120_000;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function coop(...words: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["--import", "tsx", MAIN, ...words],
      { timeout: TIMEOUT, env: { ...process.env, COOP_QUIET: "1", COOP_CACHE: join(root, "cache") } },
      (error, stdout, stderr) => {
        const code = error ? (typeof error.code === "number" ? error.code : -1) : 0;
        resolve({
          code,
          stdout,
          stderr: stderr
            .split("\n")
            .filter((line) => line !== "" && !line.startsWith("Warning: max"))
            .join("\n"),
        });
      },
    );
  });
}

const json = ({ code, stdout, stderr }: Outcome) => {
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
};

/** One line on stderr that begins with `coop:` and says something matching. */
function refused(outcome: Outcome, code: number, pattern: RegExp): void {
  assert.equal(outcome.code, code, `${outcome.stdout}\n${outcome.stderr}`);
  assert.equal(outcome.stdout, "");
  const lines = outcome.stderr.split("\n").filter((line) => !/^(shots|held-out|Fewer than)/.test(line)); // progress comes before
  assert.equal(lines.length, 1, outcome.stderr);
  assert.match(lines[0], /^coop: /);
  assert.match(lines[0], pattern);
}

let root: string;
let pictures: string;

/** Draws a task as a folder of class folders. */
async function draw(dir: string, task: string, perClass: number, classes: number): Promise<void> {
  for (const split of ["train", "test"] as const) {
    const { pixels, labels, classNames } = taskPictures(task, { perClass, seed: 3, split });
    for (const [i, data] of pixels.entries()) {
      if (labels[i] >= classes) continue;
      const folder = join(dir, split, classNames[labels[i]].replaceAll(" ", "_"));
      mkdirSync(folder, { recursive: true });
      await sharp(data, { raw: { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } })
        .png()
        .toFile(join(folder, `${i}.png`));
    }
  }
}

before(async () => {
  root = mkdtempSync(join(tmpdir(), "coop-cli-"));
  pictures = join(root, "pictures");
  await draw(pictures, "above", 6, 4);
});
after(() => rmSync(root, { recursive: true }));

/** A copy of the pictures with something wrong in it. */
function spoiled(name: string, spoil: (dir: string) => void): string {
  const dir = join(root, name);
  cpSync(pictures, dir, { recursive: true });
  spoil(dir);
  return dir;
}

const firstFolder = (dir: string) => join(dir, "train", readdirSync(join(dir, "train"))[0]);
const firstPicture = (dir: string) => join(firstFolder(dir), readdirSync(firstFolder(dir))[0]);

describe("help and usage", { concurrency: 2 }, () => {
  test("help and version", { timeout: TIMEOUT }, async () => {
    assert.match((await coop("--help")).stdout, /train .*\n {2}eval /);
    assert.match((await coop("train", "--help")).stdout, /--context-tokens M/);
    assert.match((await coop("--version")).stdout, /^\d+\.\d+\.\d+\n$/);
  });
  test("wrong use is exit code 2", { timeout: TIMEOUT }, async () => {
    assert.equal((await coop()).code, 2);
    refused(await coop("trian"), 2, /no command "trian"; did you mean train\? See/);
    refused(await coop("train"), 2, /DIR is missing/);
    refused(await coop("train", "x", "--shot", "3"), 2, /did you mean --shots\? See `coop train --help`/);
    refused(await coop("zero-shot", "x.png"), 2, /--labels is missing/);
  });
});

describe("bad input", { concurrency: 2 }, () => {
  // each has its own place, which one process at a time may train in
  const out = (what: string) => join(root, `${what.replaceAll(" ", "-")}-never-written`);
  const train = async (what: string, dir: string, ...flags: string[]) =>
    coop("train", dir, "--epochs", "1", "--shots", "2", "--out", out(what), ...flags);

  for (const [what, make, flags, pattern] of [
    ["a missing folder", () => join(root, "pictuers"), [], /pictuers.*(no|not|missing)/i],
    [
      "one class",
      () =>
        spoiled("one", (d) =>
          readdirSync(join(d, "train"))
            .slice(1)
            .forEach((c) => ["train", "test"].forEach((s) => rmSync(join(d, s, c), { recursive: true }))),
        ),
      [],
      /one class|two classes|only/i,
    ],
    ["a NaN learning rate", () => pictures, ["--learning-rate", "NaN"], /--learning-rate is NaN/],
    ["no epochs", () => pictures, ["--epochs", "0"], /--epochs is 0/],
    ["labels past the context", () => pictures, ["--context-tokens", "31"], /31 of them context; this model takes 32/],
    ["a missing model", () => pictures, ["--model", "/nowhere/clip"], /no such folder or file/],
  ] as const) {
    test(what, { timeout: TIMEOUT }, async () => {
      refused(await train(what, make(), ...flags), 1, pattern);
      for (const place of [out(what), `${out(what)}.partial`]) assert.equal(existsSync(place), false);
    });
  }

  for (const [what, bytes, pattern] of [
    ["a 0-byte model", 0, /0 bytes/],
    ["a cut model", 5000, /model\.safetensors/],
  ] as const) {
    test(what, { timeout: TIMEOUT }, async () => {
      const model = join(root, what.replaceAll(" ", "-"));
      cpSync(MODEL, model, { recursive: true });
      truncateSync(join(model, "model.safetensors"), bytes);
      refused(await train(what, pictures, "--model", model), 1, pattern);
    });
  }

  test("an output folder that holds something is left as it is", { timeout: TIMEOUT }, async () => {
    const taken = join(root, "taken");
    mkdirSync(taken);
    writeFileSync(join(taken, "adapter_config.json"), "{}");
    refused(await coop("train", pictures, "--out", taken), 1, /holds another run/);
    assert.deepEqual(readdirSync(taken), ["adapter_config.json"]);
    assert.equal(readFileSync(join(taken, "adapter_config.json"), "utf8"), "{}");
  });
});

test("zero-shot and embed", { timeout: TIMEOUT }, async () => {
  const picture = firstPicture(pictures);
  const result = json(
    await coop("zero-shot", picture, picture, "--labels", "forest,sea,star", "--template", "a {}.", "--json"),
  );
  assert.deepEqual(Object.keys(result), ["model", "templates", "device", "results"]);
  assert.deepEqual(result.templates, ["a {}."]);
  assert.equal(result.results.length, 2);
  const [{ file, labels }] = result.results as { file: string; labels: { label: string; score: number }[] }[];
  assert.equal(file, picture);
  assert.equal(labels.length, 3);
  assert.ok(Math.abs(labels.reduce((sum, { score }) => sum + score, 0) - 1) < 1e-5);
  assert.deepEqual(
    labels.map(({ score }) => score),
    labels.map(({ score }) => score).sort((a, b) => b - a),
  );

  const plain = json(await coop("embed", "--text", "a photo of a star.", "a red ball.", "--json"));
  assert.equal(plain.dim, 64);
  assert.deepEqual(
    plain.embeddings.map((e: { input: string }) => e.input),
    ["a photo of a star.", "a red ball."],
  );
  const unit = json(await coop("embed", picture, "--normalize", "--json"));
  assert.equal(unit.embeddings[0].values.length, 64);
  assert.ok(Math.abs(Math.hypot(...unit.embeddings[0].values) - 1) < 1e-5);
  refused(await coop("zero-shot", picture, "--labels", "a", "--template", "no place"), 1, /has no \{\}/);
});

test("train, eval, predict", { timeout: 4 * TIMEOUT }, async () => {
  const out = join(root, "run");
  const flags = ["--shots", "4", "--epochs", "12", "--context-tokens", "4", "--seed", "2"];
  const result = json(await coop("train", pictures, ...flags, "--out", out, "--json"));
  assert.deepEqual(Object.keys(result), ["classes", "shots", "zeroShot", "coop", "epochs", "finalLoss", "out"]);
  assert.equal(result.classes.length, 4);
  assert.equal(result.epochs, 12);
  assert.ok(Number.isFinite(result.finalLoss));
  assert.deepEqual(readdirSync(out).sort(), [
    "README.md",
    "adapter_config.json",
    "adapter_model.safetensors",
    "metrics.jsonl",
    "report.html",
    "splits.json",
  ]);
  const metrics = readFileSync(join(out, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(metrics.length, 12);
  assert.equal(metrics[0].learningRate, 1e-5);
  assert.ok(metrics[11].loss < metrics[0].loss, "the loss falls");
  const config = JSON.parse(readFileSync(join(out, "adapter_config.json"), "utf8"));
  assert.equal(config.peft_type, "PROMPT_TUNING");
  assert.equal(config.num_virtual_tokens, 4);
  assert.match(readFileSync(join(out, "README.md"), "utf8"), /coop train .* --seed 2/);
  const splits = JSON.parse(readFileSync(join(out, "splits.json"), "utf8"));
  assert.equal(splits.train.length, 16);

  const again = json(await coop("eval", pictures, "--prompt", out, "--json"));
  assert.equal(again.coop.accuracy, result.coop.accuracy);
  assert.equal(again.zeroShot.accuracy, result.zeroShot.accuracy);

  const seen = json(await coop("predict", firstPicture(pictures), "--prompt", out, "--json"));
  assert.equal(seen.results[0].labels.length, 4);
  const others = json(await coop("predict", firstPicture(pictures), "--prompt", out, "--labels", "sea,star", "--json"));
  assert.deepEqual(others.results[0].labels.map((l: { label: string }) => l.label).sort(), ["sea", "star"]);

  const twin = join(root, "twin");
  json(await coop("train", pictures, ...flags, "--out", twin, "--json"));
  assert.deepEqual(
    readFileSync(join(twin, "adapter_model.safetensors")),
    readFileSync(join(out, "adapter_model.safetensors")),
    "same seed, same bits",
  );
  refused(
    await coop("predict", firstPicture(pictures), "--prompt", join(root, "nothing")),
    1,
    /no adapter_config\.json/,
  );
});

test("doctor: every kernel agrees with float64", { timeout: TIMEOUT }, async () => {
  const report = json(await coop("doctor", "--json"));
  assert.equal(report.ok, true);
  assert.ok(report.tests.length >= 15);
});

describe("profile", { concurrency: 2 }, () => {
  test("a training step, with a trace", { timeout: TIMEOUT }, async () => {
    const file = join(root, "trace.json");
    const flags = ["--names", "cat,dog,sea", "--context-tokens", "3", "--batch", "4", "--steps", "2"];
    const report = json(await coop("profile", "train", ...flags, "--position", "middle", "--trace", file, "--json"));
    assert.equal(report.model, "tiny-clip");
    assert.equal(report.position, "middle");
    assert.equal(report.program.name, "the CoOp step");
    assert.equal(report.program.runs, 3);
    assert.ok(report.peaks.gflops > 0);
    assert.ok(report.program.dispatches.some(({ site }: { site: string }) => /residualBlock/.test(site)));
    const { traceEvents } = JSON.parse(readFileSync(file, "utf8"));
    assert.ok(traceEvents.length > 3 * report.program.dispatches.length);
  });
  test("the towers", { timeout: TIMEOUT }, async () => {
    const { code, stdout, stderr } = await coop("profile", "images", "--batch", "2", "--steps", "1");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^model tiny-clip, batch 2\n\nencodeImage: [\d.]+ ms/);
    assert.match(stdout, /block\.ts:\d+ residualBlock/);
    assert.match((await coop("profile", "texts", "--classes", "3", "--steps", "1")).stdout, /\nencodeText: /);
  });
  test("wrong use and bad input", { timeout: TIMEOUT }, async () => {
    refused(await coop("profile"), 2, /what to profile/);
    refused(await coop("profile", "everything"), 2, /"everything" cannot be profiled/);
    refused(await coop("profile", "images", "--classes", "3"), 2, /--classes means nothing for images/);
    refused(await coop("profile", "train", "--names", "a,b", "--classes", "3"), 2, /exclude/);
    refused(await coop("profile", "train", "--position", "behind"), 1, /--position is behind/);
    refused(await coop("profile", "train", "--steps", "0"), 1, /--steps is 0/);
    refused(
      await coop("profile", "texts", "--steps", "1", "--trace", join(root, "no", "t.json")),
      1,
      /t\.json: there is no such folder/,
    );
  });
});
