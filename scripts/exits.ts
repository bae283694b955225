// Runs every command of the built package again and again (`npm run exits -- --runs 200 [--jobs N] [--only a,b]`): each
// must end by itself, with the code it should have, within ten seconds, and never by a crash. Writes reliability/exits.json.
import "../test/gpu-settings.ts";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writeFileAtomic } from "../src/coop/atomic.ts";
import { makeFolder } from "../src/tensor/folder-node.ts";
import { drawFolder } from "../test/drawn-folder.ts";
import { SMALL_CONFIG } from "../test/small-config.ts";
import { drawPicture } from "./kills/pictures.ts";

const { values: flags } = parseArgs({
  options: {
    runs: { type: "string", default: "200" },
    jobs: { type: "string", default: "1" },
    only: { type: "string" }, // commands, with commas between
    out: { type: "string", default: "reliability/exits.json" },
  },
});
const MAIN = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const TINY = fileURLToPath(new URL("../models/tiny-clip", import.meta.url));
const LIMIT = 10_000;
/** Milliseconds after which one counts as hung for good. */
const GIVE_UP = 180_000;

interface Ended {
  /** null where a signal ended it. */
  readonly code: number | null;
  readonly stderr: string;
  readonly milliseconds: number;
}

function coop(...words: string[]): Promise<Ended> {
  const began = performance.now();
  const env = { ...process.env, COOP_QUIET: "1" };
  const child = spawn(process.execPath, [MAIN, ...words], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
    timeout: GIVE_UP,
    killSignal: "SIGKILL",
  });
  let stderr = "";
  child.stderr.on("data", (piece) => (stderr += piece));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stderr, milliseconds: performance.now() - began }));
  });
}

const root = await mkdtemp(join(tmpdir(), "coop-exits-"));
const at = (...parts: string[]) => join(root, ...parts);
const [name] = await drawFolder(at("pictures"), { perClass: 2, classes: 2 });
const picture = at("pictures/test", name.replaceAll(" ", "_"), "0.png");
const methods = [{ kind: "zero-shot" }];
const spec = { datasets: [{ name: "above", source: at("pictures") }], shots: [1], seeds: [1], methods };
await writeFile(at("spec.json"), JSON.stringify(spec));
const rows = ["file_name,caption"];
for (let i = 0; i < 8; i++) {
  await drawPicture(at(`${i}.png`), i);
  rows.push(`${i}.png,number ${i}`);
}
await writeFile(at("pairs.csv"), rows.join("\n"));
await writeFile(at("small.json"), SMALL_CONFIG);
const training = ["--shots", "1", "--epochs", "1", "--context-tokens", "2"];
for (const words of [
  ["train", at("pictures"), ...training, "--out", at("run")],
  ["index", at("pictures")],
  ["bench", at("spec.json"), "--out", at("bench")],
  ["export", at("run"), "--out", at("model.pth.tar-1")],
]) {
  const { code, stderr } = await coop(...words);
  if (code !== 0) throw new Error(stderr);
}

/** A short run of each command; `i` makes outputs new ones. */
const COMMANDS: Readonly<Record<string, (i: number) => readonly string[]>> = {
  train: (i) => [at("pictures"), ...training, "--out", at(`run-${i}`)],
  eval: () => [at("pictures"), "--prompt", at("run")],
  predict: () => [picture, "--prompt", at("run")],
  explain: () => [at("run")],
  import: (i) => [at("model.pth.tar-1"), "--classes", "a,b", "--model", TINY, "--out", at(`imported-${i}`)],
  export: (i) => [at("run"), "--out", at(`model-${i}.pth.tar-1`)],
  "zero-shot": () => [picture, "--labels", "a,b"],
  prompts: () => [at("pictures")],
  taxonomy: () => [at("pictures"), "--labels", "a,b", "--add", "c"],
  embed: () => [picture],
  index: (i) => [at("pictures"), "--out", at(`index-${i}`)],
  search: () => [at("pictures"), "a"],
  recall: () => [at("pairs.csv")],
  pretrain: (i) => [at("pairs.csv"), "--config", at("small.json"), "--epochs", "1", "--out", at(`small-${i}`)],
  datasets: () => [],
  bench: (i) => [at("spec.json"), "--out", at(`bench-${i}`)],
  report: () => [at("bench/results.jsonl")],
  compare: () => [at("bench/results.jsonl"), at("bench/results.jsonl")],
  doctor: () => [],
  profile: () => ["texts", "--classes", "2", "--steps", "1"],
  probe: () => [at("pictures"), "--shots", "1"],
  nothing: () => ["--unknown"], // wrong use
};

interface Count {
  readonly command: string;
  readonly runs: number;
  readonly wrong: number;
  readonly over10s: number;
  readonly medianSeconds: number;
  readonly slowestSeconds: number;
}

const before = await readFile(flags.out, "utf8").catch(() => '{ "counts": [] }');
const counts = new Map((JSON.parse(before).counts as Count[]).map((count) => [count.command, count]));
const asked = flags.only?.split(",") ?? Object.keys(COMMANDS);
for (const [command, words] of Object.entries(COMMANDS)) {
  if (!asked.includes(command)) continue;
  const expected = command === "nothing" ? 2 : 0;
  const ended: Ended[] = [];
  let next = 0;
  const worker = async () => {
    while (next < Number(flags.runs)) ended.push(await coop(command, ...words(next++)));
  };
  await Promise.all(Array.from({ length: Number(flags.jobs) }, worker));
  const wrong = ended.filter(({ code }) => code !== expected);
  for (const { code, stderr } of wrong) console.log(`${command}: code ${code}\n${stderr}`);
  const seconds = ended.map(({ milliseconds }) => Math.round(milliseconds / 100) / 10).sort((a, b) => a - b);
  const count = {
    ...{ command, runs: ended.length, wrong: wrong.length },
    over10s: ended.filter(({ milliseconds }) => milliseconds > LIMIT).length,
    medianSeconds: seconds[seconds.length >> 1],
    slowestSeconds: seconds.at(-1)!,
  };
  counts.set(command, count);
  console.log(JSON.stringify(count));
  await makeFolder(dirname(flags.out));
  const result = { node: process.version, limitSeconds: LIMIT / 1000, counts: [...counts.values()] };
  await writeFileAtomic(flags.out, `${JSON.stringify(result, null, 2)}\n`);
}
await rm(root, { recursive: true, force: true });
