// The flags of `coop train`, run in this process, where the device is up and its kernels are compiled.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { accuracy, meanAndDeviation } from "../src/coop/score.ts";
import { coopHere } from "./coop-here.ts";
import { drawFolder } from "./drawn-folder.ts";
import { jsonOf } from "./run-coop.ts";

const TIMEOUT = { timeout: 60_000 };

let root: string;
let names: readonly string[];
const at = (...parts: string[]) => join(root, ...parts);

const json = async (...words: string[]) => jsonOf(await coopHere(...words, "--json"));
const refused = async (words: readonly string[], code: number, pattern: RegExp) => {
  const outcome = await coopHere(...words);
  assert.match(outcome.stderr, pattern);
  assert.equal(outcome.code, code, outcome.stderr);
};
const config = (run: string) => JSON.parse(readFileSync(at(run, "adapter_config.json"), "utf8"));
const lines = (run: string) =>
  readFileSync(at(run, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

before(async () => {
  root = mkdtempSync(join(tmpdir(), "coop-train-"));
  names = await drawFolder(at("pictures"));
});
after(() => rmSync(root, { recursive: true }));

const train = (out: string, ...flags: string[]) => [
  "train",
  at("pictures"),
  "--shots",
  "3",
  "--out",
  at(out),
  ...flags,
];
const picture = () => {
  const folder = at("pictures", "test", names[0].replaceAll(" ", "_"));
  return join(folder, readdirSync(folder)[0]);
};

describe("variants", () => {
  for (const [name, flags, tokens, position, specific, init] of [
    ["middle", ["--position", "middle", "--context-tokens", "5"], 5, "middle", false, null],
    ["words", ["--init", "a photo of a"], 4, "end", false, "a photo of a"],
    ["front-specific", ["--position", "front", "--class-specific", "--context-tokens", "2"], 2, "front", true, null],
    ["words-specific", ["--init", "a photo of a", "--class-specific"], 4, "end", true, "a photo of a"],
  ] as const) {
    test(`${name}: learned, described, measured again, asked`, TIMEOUT, async () => {
      const result = await json(...train(name, "--epochs", "4", ...flags));
      const { num_virtual_tokens, prompt_tuning_init_text, coop: own } = config(name);
      assert.deepEqual([num_virtual_tokens, prompt_tuning_init_text], [tokens, init]);
      assert.deepEqual(own.options, { position, class_specific: specific });
      const readme = readFileSync(at(name, "README.md"), "utf8");
      assert.ok(readme.includes(`class name at the ${position}`));
      assert.equal(readme.includes("a context of its own, so it serves no others"), specific);

      const again = await json("eval", at("pictures"), "--prompt", at(name));
      assert.equal(again.coop.accuracy, result.coop.accuracy);
      const seen = await json("predict", picture(), "--prompt", at(name));
      assert.deepEqual(seen.results[0].labels.map(({ label }: { label: string }) => label).sort(), [...names].sort());
      const others = ["predict", picture(), "--prompt", at(name), "--labels", "sea,star"];
      if (specific) await refused(others, 1, /has a context for each of its own classes \(.*\); it cannot be used for/);
      else assert.equal((await json(...others)).results[0].labels.length, 2);
    });
  }
});

describe("methods", () => {
  for (const method of ["kgcoop", "prograd"] as const)
    test(`${method}: learned as another method than CoOp, and asked like it`, TIMEOUT, async () => {
      const flags = ["--epochs", "2", "--context-tokens", "2", "--learning-rate", "0.02"];
      if (!existsSync(at("as-coop"))) await json(...train("as-coop", ...flags));
      const result = await json(...train(method, ...flags, "--method", method));
      assert.equal(config(method).coop.recipe.method, method);
      // where no step goes against the hand-written prompts, ProGrad's are CoOp's
      if (method === "kgcoop") assert.notEqual(lines(method)[1].loss, lines("as-coop")[1].loss);
      const again = await json("eval", at("pictures"), "--prompt", at(method));
      assert.equal(again.coop.accuracy, result.coop.accuracy);
      await refused(train("no", "--method", method, "--label-smoothing", "0.1"), 2, /another loss than that of/);
    });

  test("cocoop: ten epochs of single pictures, for any classes, out and in again", TIMEOUT, async () => {
    const result = await json(...train("cocoop", "--method", "cocoop", "--epochs", "2"));
    const { num_virtual_tokens, prompt_tuning_init_text, coop: own } = config("cocoop");
    assert.deepEqual([num_virtual_tokens, prompt_tuning_init_text], [4, "a photo of a"]);
    assert.deepEqual([own.recipe.method, own.recipe.batch_size], ["cocoop", 1]);
    assert.match(readFileSync(at("cocoop", "README.md"), "utf8"), /CoCoOp/);
    const again = await json("eval", at("pictures"), "--prompt", at("cocoop"));
    assert.equal(again.coop.accuracy, result.coop.accuracy);
    const seen = await json("predict", picture(), "--prompt", at("cocoop"), "--labels", "sea,star,ball");
    const scores = seen.results[0].labels.map(({ score }: { score: number }) => score);
    assert.ok(Math.abs(scores.reduce((a: number, b: number) => a + b) - 1) < 1e-5);

    await json("export", at("cocoop"), "--out", at("model.pth.tar-2"));
    await json("import", at("model.pth.tar-2"), "--classes", names.join(","), "--out", at("imported"));
    const back = await json("predict", picture(), "--prompt", at("imported"), "--labels", "sea,star,ball");
    assert.deepEqual(back.results, seen.results);

    await refused(["explain", at("cocoop"), "--data", at("pictures")], 1, /each picture has prompts of its own/);
    await refused(train("no", "--method", "cocoop", "--class-specific"), 2, /CoCoOp has one context for all classes/);
  });
});

test("AdamW, weight decay and label smoothing are told and matter", TIMEOUT, async () => {
  const [plain, chosen] = [
    ["--epochs", "3", "--context-tokens", "2"],
    ["--optimizer", "adamw", "--weight-decay", "0"],
  ];
  await json(...train("plain", ...plain));
  await json(...train("chosen", ...plain, ...chosen, "--label-smoothing", "0.1"));
  const { recipe } = config("chosen").coop;
  assert.deepEqual([recipe.optimizer, recipe.weight_decay, recipe.label_smoothing], ["adamw", 0, 0.1]);
  assert.match(
    readFileSync(at("chosen", "README.md"), "utf8"),
    /\| optimizer \| AdamW, weight decay 0 \|\n\| label smoo/,
  );
  assert.match(readFileSync(at("chosen", "report.html"), "utf8"), /AdamW, weight decay 0/);
  assert.match(readFileSync(at("plain", "README.md"), "utf8"), /SGD, momentum 0\.9, weight decay 0\.0005/);
  assert.notEqual(lines("plain")[0].loss, lines("chosen")[0].loss);
});

test("early stopping keeps the best epoch and ends; the table has every method", TIMEOUT, async () => {
  const flags = ["--epochs", "30", "--context-tokens", "2", "--learning-rate", "0.02", "--early-stopping", "3"];
  const more = ["--dataset", "eurosat", "--ensemble", "--probe"];
  const result = await json(...train("early", ...flags, ...more));
  const methods = ["zeroShot", "ensemble", "probe", "coop"];
  assert.deepEqual(Object.keys(result), ["classes", "shots", ...methods, "epochs", "keptEpoch", "finalLoss", "out"]);
  const accuracies = lines("early").map(({ valAccuracy }) => valAccuracy);
  assert.equal(result.keptEpoch, 1 + accuracies.indexOf(Math.max(...accuracies)));
  assert.ok(result.epochs < 30, "it ended early");
  assert.equal(result.epochs, result.keptEpoch + 3);
  const { kept_epoch, metrics, recipe } = config("early").coop;
  assert.deepEqual([kept_epoch, recipe.patience], [result.keptEpoch, 3]);
  assert.deepEqual(metrics.zero_shot.templates, ["a centered satellite photo of {}."]);
  assert.equal(metrics.ensemble.templates.length, 8);
  assert.equal(metrics.probe.total, metrics.coop.total);
  const splits = JSON.parse(readFileSync(at("early", "splits.json"), "utf8"));
  const learned = new Set(splits.train.map(([path]: [string]) => path));
  assert.equal(splits.val.length, 9);
  assert.ok(splits.val.every(([path]: [string]) => path.startsWith("train/") && !learned.has(path)));
  const probe = await json("probe", at("pictures"), "--shots", "3", "--seed", "1");
  assert.equal(probe.probe.accuracy, result.probe.accuracy, "the probe of `coop probe`");
  const report = readFileSync(at("early", "report.html"), "utf8");
  for (const text of ["zero-shot, ensemble", "linear probe", "Accuracy on validation pictures"])
    assert.ok(report.includes(text), text);
  const { stdout } = await coopHere(...train("early"), "--resume", at("early"), ...flags, ...more);
  assert.match(stdout, /\nzero-shot, ensemble of 8 .*\nlinear probe, 3 shots .*\nCoOp, 3 shots/);
});

test("several seeds: mean and population deviation, a folder each", TIMEOUT, async () => {
  const flags = ["--epochs", "3", "--context-tokens", "2"];
  const result = await json(...train("seeds", "--seeds", "3", ...flags));
  assert.deepEqual(readdirSync(at("seeds")).sort(), ["seed-1", "seed-2", "seed-3"]);
  const scores = [1, 2, 3].map((seed) => accuracy(config(join("seeds", `seed-${seed}`)).coop.metrics.coop));
  assert.deepEqual([result.coop.accuracy, result.coop.deviation], Object.values(meanAndDeviation(scores)));
  assert.deepEqual(
    result.seeds.map(({ seed }: { seed: number }) => seed),
    [1, 2, 3],
  );
  await json(...train("second", "--seed", "2", ...flags));
  const bits = (run: string) => readFileSync(at(run, "adapter_model.safetensors"));
  assert.deepEqual(bits("second"), bits(join("seeds", "seed-2")));

  // what is done is read, what is missing is made
  rmSync(at("seeds", "seed-3"), { recursive: true });
  const [resume, words] = [
    ["--resume", at("seeds")],
    ["train", at("pictures"), "--shots", "3", "--seeds", "3"],
  ];
  const rest = await coopHere(...words, ...flags, ...resume);
  assert.match(rest.stdout, /accuracy +deviation\n[\s\S]*CoOp, 3 shots .*±/);
  assert.match(rest.stderr + rest.progress, /seed-1 is finished\n.*seed-2 is finished\n[\s\S]*\nseed 3 /);
  await refused(
    [...words, "--epochs", "4", ...resume],
    1,
    /seed-1 was made with context-tokens 2, not 16; epochs 3, not 4/,
  );
  await refused(train("seeds", "--seeds", "3"), 1, /holds a training\. Go on with it by --resume/);
});

test("wrong use, and what there is nothing of", TIMEOUT, async () => {
  const cases: [string[], number, RegExp][] = [
    [["--seed", "1", "--seeds", "2"], 2, /exclude each other/],
    [["--init", "a photo", "--context-tokens", "2"], 2, /--init says how many/],
    [["--init", " "], 1, /--init is empty/],
    [["--position", "left"], 1, /--position is left; give end, middle, front/],
    [["--optimizer", "lion"], 1, /--optimizer is lion; give sgd, adamw/],
    [["--label-smoothing", "1"], 1, /--label-smoothing is 1; give a number from 0, below 1/],
    [["--weight-decay=-1"], 1, /--weight-decay is -1; give a number from 0, such as/],
    [["--early-stopping", "0"], 1, /--early-stopping is 0/],
    [["--early-stopping", "--shots", "6"], 1, /needs validation pictures, but not every class has one left beside 6/],
    [["--template", "no place"], 1, /has no \{\}/],
    [["--dataset", "nothing"], 1, /no template for a dataset "nothing"/],
    [["--resume", at("elsewhere")], 2, /--out and --resume name two folders/],
    [["--resume", at("never")], 1, /there is no training to go on with/],
  ];
  for (const [flags, code, pattern] of cases) await refused(train("never", ...flags), code, pattern);
  assert.deepEqual(
    readdirSync(root).filter((name) => name.startsWith("never")),
    [],
  );
});

test("a place where a live process trains is refused, that of a dead one taken over", TIMEOUT, async () => {
  mkdirSync(at("taken.partial"));
  const lock = (pid: number) => at("taken.partial", `lock-${pid}--${hostname()}`);
  writeFileSync(lock(process.ppid), "");
  await refused(train("taken"), 1, new RegExp(`taken: process ${process.ppid} works there`));
  rmSync(at("taken.partial"), { recursive: true });
  mkdirSync(at("taken.partial"));
  writeFileSync(lock(999999999), "");
  await json(...train("taken", "--epochs", "1", "--context-tokens", "2"));
  assert.ok(!existsSync(at("taken.partial")));
});
