// Ctrl-C or SIGTERM once saves and ends soon; twice ends at once, and what was saved before is whole.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, constants, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { drawPicture } from "../scripts/kills/pictures.ts";
import { fileBytes } from "../src/clip/bytes.ts";
import { openSafetensors } from "../src/clip/index.ts";
import { drawFolder } from "./drawn-folder.ts";
import { SMALL_CONFIG } from "./small-config.ts";

const MAIN = join(import.meta.dirname, "../src/cli/main.ts");
const TIMEOUT = { timeout: 120_000, skip: process.platform === "win32" };
/** Milliseconds from the signal to the last word, on a machine that has nothing else to do. */
const LIMIT = 2000;

let root: string;
const at = (...parts: string[]) => join(root, ...parts);

before(async () => {
  root = mkdtempSync(join(tmpdir(), "coop-interrupt-"));
  await drawFolder(at("pictures"), { perClass: 3 });
  await drawFolder(at("many"), { perClass: 100 });
  const rows = ["file_name,caption"];
  for (let i = 0; i < 16; i++) {
    await drawPicture(at(`${i}.png`), i);
    rows.push(`${i}.png,number ${i}`);
  }
  writeFileSync(at("pairs.csv"), rows.join("\n"));
  writeFileSync(at("small.json"), SMALL_CONFIG);
  const coop = { kind: "coop", contextTokens: 2 };
  const methods = [
    { ...coop, name: "short", epochs: 1 },
    { ...coop, name: "long", epochs: 100_000 },
  ];
  const datasets = [{ name: "above", source: at("pictures") }];
  writeFileSync(at("spec.json"), JSON.stringify({ datasets, shots: [1], seeds: [1], methods }));
});
after(() => rmSync(root, { recursive: true, force: true }));

/** Commands that would run for hours; `begun` is what they have on disk when they are at it, `signal` what stops them. */
const LONG = {
  train: {
    signal: "SIGINT",
    words: (out: string) => [
      "train",
      at("pictures"),
      "--shots",
      "2",
      "--context-tokens",
      "2",
      "--epochs",
      "100000",
      "--save-every",
      "1",
      "--out",
      out,
    ],
    begun: (out: string) => existsSync(`${out}.partial/checkpoint.safetensors`),
    kept: (out: string) => `${out}.partial`,
  },
  "train in a long epoch": {
    signal: "SIGTERM",
    words: (out: string) => {
      const flags = "--shots 100 --context-tokens 16 --batch-size 1 --save-every 1 --out";
      return ["train", at("many"), ...flags.split(" "), out];
    },
    begun: (out: string) => existsSync(`${out}.partial/checkpoint.safetensors`),
    kept: (out: string) => `${out}.partial`,
  },
  pretrain: {
    signal: "SIGINT",
    words: (out: string) => [
      "pretrain",
      at("pairs.csv"),
      "--config",
      at("small.json"),
      "--epochs",
      "100000",
      "--save-every",
      "2",
      "--out",
      out,
    ],
    begun: (out: string) => existsSync(join(out, "checkpoint.safetensors")),
    kept: (out: string) => out,
  },
  bench: {
    signal: "SIGTERM",
    words: (out: string) => ["bench", at("spec.json"), "--out", out],
    // the long one needs nothing compiled that the short one had not
    begun: (out: string) =>
      existsSync(join(out, "results.jsonl")) && readFileSync(join(out, "results.jsonl"), "utf8") !== "",
    kept: () => undefined,
  },
} as const;

/** The checkpoint that is gone on from: for a moment of each saving, the last one is not in its place yet. */
const lastCheckpoint = (dir: string) =>
  ["checkpoint.safetensors", "checkpoint.next.safetensors"].map((name) => join(dir, name)).find(existsSync) ??
  assert.fail(`no checkpoint among ${readdirSync(dir)}`);

const over = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null;

/** Runs a command, interrupts it when it has begun, and measures how long it then takes to end. */
async function interrupt(name: keyof typeof LONG, times: "once" | "twice") {
  const { words, begun, signal } = LONG[name];
  const out = at(`${name}-${times}`);
  const env = { ...process.env, COOP_QUIET: "1" };
  const child = spawn(process.execPath, ["--import", "tsx", MAIN, ...words(out)], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let [stderr, spoke] = ["", 0];
  child.stderr.on("data", (piece) => {
    stderr += piece;
    spoke = performance.now();
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), TIMEOUT.timeout / 2);
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve)).finally(() => clearTimeout(limit));
  while (!begun(out) && !over(child)) await new Promise((later) => setTimeout(later, 20));
  await new Promise((later) => setTimeout(later, 1500)); // in the middle of it
  const sent = performance.now();
  child.kill(signal);
  if (times === "twice") {
    while (!/again to end at once/.test(stderr) && !over(child)) await new Promise((later) => setTimeout(later, 1));
    child.kill(signal);
  }
  const code = await ended;
  return { out, code, endedBy: child.signalCode, stderr, milliseconds: spoke - sent };
}

for (const name of Object.keys(LONG) as (keyof typeof LONG)[])
  for (const times of ["once", "twice"] as const)
    test(`coop ${name}, ${LONG[name].signal} ${times}`, TIMEOUT, async (t) => {
      const { out, code, endedBy, stderr, milliseconds } = await interrupt(name, times);
      t.diagnostic(`${name} ${times}: ${Math.round(milliseconds)} ms, ${code ?? endedBy}`);
      assert.doesNotMatch(stderr, /^ {4}at /m);
      const { signal } = LONG[name];
      // the second one is left to the system, so that nothing delays it; a shell calls both 130, or 143
      if (times === "twice") assert.equal(endedBy, signal, stderr);
      else {
        assert.equal(code, 128 + constants.signals[signal], stderr);
        const share = Math.max(1, loadavg()[0] / availableParallelism());
        assert.ok(milliseconds < LIMIT * share, `${milliseconds} ms`);
        assert.match(stderr, name === "bench" ? /to go on\.$/m : /go on with {3}coop/);
      }
      const kept = LONG[name].kept(out);
      if (!kept) return;
      const source = await fileBytes(lastCheckpoint(kept));
      assert.ok((await openSafetensors(source).finally(source.close)).tensors.size > 0);
      if (times === "twice") return;
      const locks = [out, `${out}.partial`].flatMap((dir) => (existsSync(dir) ? readdirSync(dir) : []));
      assert.deepEqual(
        locks.filter((name) => name.startsWith("lock-")),
        [],
      );
    });
