// `coop pretrain` as a person uses it: child processes, drawn pictures, real files.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
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
import { loadClip } from "../src/clip/index.ts";
import { captionFor, PICTURE_SIZE, trainingPair } from "../src/world/index.ts";
import { coopHere } from "./coop-here.ts";
import type { Outcome } from "./run-coop.ts";
import { SMALL_CONFIG } from "./small-config.ts";

const MAIN = join(import.meta.dirname, "../src/cli/main.ts");
const TIMEOUT = { timeout: 120_000 };
const PAIRS = 48;

let root: string;
const at = (...names: string[]) => join(root, ...names);

/** Runs coop in a process of its own; `watch` sees it and what it has said on stderr so far. */
function child(words: readonly string[], watch: (child: ChildProcess, stderr: string) => void): Promise<Outcome> {
  const env = { ...process.env, COOP_QUIET: "1" };
  const started = spawn(process.execPath, ["--import", "tsx", MAIN, ...words], { env, timeout: TIMEOUT.timeout });
  let stderr = "";
  started.stderr.on("data", (piece) => watch(started, (stderr += piece)));
  watch(started, stderr);
  return new Promise((resolve) => started.on("close", (code) => resolve({ code: code ?? -1, stdout: "", stderr })));
}

const pretrain = (out: string, ...flags: string[]) => [
  "pretrain",
  at("pairs.csv"),
  "--out",
  at(out),
  "--config",
  at("small.json"),
  ...flags,
];

before(async () => {
  root = mkdtempSync(join(tmpdir(), "coop-pretrain-"));
  const rows = ["file_name,caption"];
  for (let i = 0; i < PAIRS; i++) {
    const { pixels, latent } = trainingPair(5, i);
    const size = { width: PICTURE_SIZE, height: PICTURE_SIZE };
    // wider than high, so that there is something to crop
    await sharp(pixels, { raw: { ...size, channels: 3 } })
      .resize(40, 32, { fit: "fill" })
      .png()
      .toFile(at(`${i}.png`));
    rows.push(`${i}.png,"${captionFor(latent, 5, 0, false)}"`);
  }
  writeFileSync(at("broken.png"), "not a picture");
  writeFileSync(at("pairs.csv"), rows.concat("none.png,nothing", "broken.png,damaged").join("\n"));
  writeFileSync(at("val.csv"), rows.slice(0, 13).join("\n"));
  writeFileSync(at("small.json"), SMALL_CONFIG);
});
after(() => rmSync(root, { recursive: true, force: true }));

describe("coop pretrain", () => {
  test("learns drawn pairs; the model opens; metrics and card", TIMEOUT, async () => {
    const { code, stdout, stderr } = await coopHere(
      ...[
        ...pretrain(
          "learned",
          "--batch",
          "8",
          "--epochs",
          "20",
          "--learning-rate",
          "0.004",
          "--val",
          at("val.csv"),
          "--json",
        ),
      ],
    );
    assert.equal(code, 0, stderr);
    assert.match(stderr, /1 left out, missing pictures \(first: line 50, none\.png\)/);
    assert.equal(stderr.match(/broken\.png is not a picture: .* Another pair takes its place\./g)?.length, 1);
    assert.match(stderr, /beginning with random weights.*a tokenizer of \d+ whole words/);
    const result = JSON.parse(stdout);
    assert.equal(result.pairs, PAIRS + 1);
    assert.ok(result.loss < 0.75 * Math.log(8), `${result.loss}, by chance ${Math.log(8)}`);
    assert.ok(result.val.loss < 0.75 * Math.log(8), `${result.val.loss} on pairs of the training`);
    assert.ok(result.val.recall > 2 / 12, `${result.val.recall}`);

    const lines = readFileSync(at("learned", "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.equal(lines.filter((line) => "loss" in line).length, 120);
    assert.equal(lines.filter((line) => "meanLoss" in line).length, 20);
    assert.equal(lines.at(-1).meanLoss, result.loss);
    assert.match(readFileSync(at("learned", "README.md"), "utf8"), /coop pretrain .*\n[\s\S]*held out: loss/);
    const clip = await loadClip(at("learned"));
    assert.equal(clip.config.vision.imageSize, 16);
    clip.free();
    const zeroShot = await coopHere(
      ...["zero-shot", at("0.png"), "--labels", "star,ball", "--model", at("learned"), "--json"],
    );
    assert.equal(zeroShot.code, 0, zeroShot.stderr);
  });

  const exact = "--batch 8 --micro-batch 4 --epochs 3 --learning-rate 0.01 --checkpointing --save-every 2".split(" ");

  test("goes on to the bit after a kill, also from the checkpoint before a damaged one", TIMEOUT, async () => {
    const whole = await coopHere(...pretrain("whole", ...exact));
    assert.equal(whole.code, 0, whole.stderr);
    let wait: NodeJS.Timeout | undefined;
    const killed = await child(pretrain("cut", ...exact), (process) => {
      wait ??= setInterval(() => existsSync(at("cut", "checkpoint.safetensors")) && process.kill("SIGKILL"), 2);
    });
    clearInterval(wait);
    assert.equal(killed.code, -1, "it was too fast to be killed");
    assert.ok(!existsSync(at("cut", "model.safetensors")));

    const resumed = await coopHere(...pretrain("cut", ...exact, "--resume"));
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, /going on after step \d+ /);
    const same = (file: string, run: string) =>
      assert.ok(readFileSync(at(run, file)).equals(readFileSync(at("whole", file))), `${run}/${file}`);
    for (const file of ["model.safetensors", "checkpoint.safetensors", "metrics.jsonl"]) same(file, "cut");
    const files = (run: string) => readdirSync(at(run)).filter((name) => !name.includes(".tmp-")); // of a kill while saving
    assert.deepEqual(files("cut").sort(), files("whole").sort());

    cpSync(at("whole"), at("damaged"), { recursive: true });
    rmSync(at("damaged", "model.safetensors"));
    truncateSync(at("damaged", "checkpoint.safetensors"), 1000);
    const mended = await coopHere(...pretrain("damaged", ...exact, "--resume"));
    assert.match(mended.stderr, /going on after step 16 of .*previous/);
    same("model.safetensors", "damaged");
    const again = await coopHere(...pretrain("whole", ...exact, "--resume")); // nothing is left to do
    assert.equal(again.code, 0, again.stderr);
    same("model.safetensors", "damaged");
  });

  test("Ctrl-C saves and tells how to go on; other settings are refused", TIMEOUT, async () => {
    const flags = ["--batch", "16", "--epochs", "500", "--save-every", "100000"];
    let sent = false;
    const stopped = await child(pretrain("stopped", ...flags), (process, stderr) => {
      if (!sent && /epoch 1 of/.test(stderr)) sent = process.kill("SIGINT");
    });
    assert.equal(stopped.code, 130, stopped.stderr);
    assert.match(stopped.stderr, /go on with {3}coop pretrain .* --resume/);
    const refused = async (words: string[], code: number, message: RegExp) => {
      const outcome = await coopHere(...words);
      assert.equal(outcome.code, code, outcome.stderr);
      assert.match(outcome.stderr, message);
    };
    await refused(pretrain("stopped", ...flags, "--resume", "--seed", "2"), 1, /was made with seed 1, not 2/);
    await refused(pretrain("stopped", ...flags), 1, /holds a training. Go on with it by --resume/);
    await refused(["pretrain", at("pairs.csv"), "--out", at("x")], 2, /give --model SRC .* or --config tiny/);
  });

  test("goes on from a model; a loss that is not finite ends it, and the checkpoint stays", TIMEOUT, async () => {
    const words = (out: string, ...flags: string[]) => [
      "pretrain",
      at("val.csv"),
      "--out",
      at(out),
      "--model",
      at("learned"),
      "--batch",
      "4",
      ...flags,
    ];
    const tuned = await coopHere(...words("tuned", "--epochs", "2"));
    assert.equal(tuned.code, 0, tuned.stderr);
    assert.match(tuned.stderr, /12 pairs, 6 steps of 4, beginning with the weights of/);
    const wild = await coopHere(
      ...words("wild", "--epochs", "9", "--learning-rate", "1e30", "--warmup", "0", "--save-every", "1"),
    );
    assert.equal(wild.code, 1);
    assert.match(wild.stderr, /coop: .*(loss became|is not finite).*lower the learning rate/);
    assert.ok(!existsSync(at("wild", "model.safetensors")));
  });
});
