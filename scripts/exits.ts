// Runs every command again and again (`npm run exits -- --runs 200`): each must end by itself, with the code it should
// have, within ten seconds, and never by a crash. Writes reliability/exits.json.
import "../test/gpu-settings.ts";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writeFileAtomic } from "../src/coop/atomic.ts";
import { makeFolder } from "../src/coop/training-state.ts";
import { drawFolder } from "../test/drawn-folder.ts";
import { type Ended, run } from "./kills/child.ts";

const { values: flags } = parseArgs({
  options: {
    runs: { type: "string", default: "200" },
    only: { type: "string" }, // commands, with commas between
    out: { type: "string", default: "reliability/exits.json" },
  },
});
const MAIN = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const LIMIT = 10_000;

const root = await mkdtemp(join(tmpdir(), "coop-exits-"));
const at = (...parts: string[]) => join(root, ...parts);
const [name] = await drawFolder(at("pictures"), { perClass: 2, classes: 2 });
const picture = at("pictures/test", name.replaceAll(" ", "_"), "0.png");
const methods = [{ kind: "zero-shot" }];
const spec = { datasets: [{ name: "above", source: at("pictures") }], shots: [1], seeds: [1], methods };
await writeFile(at("spec.json"), JSON.stringify(spec));
const coop = (...words: string[]) => run({ words: [MAIN, ...words], env: {}, under: at("nothing") });
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
  import: (i) => [
    at("model.pth.tar-1"),
    "--classes",
    "a,b",
    "--model",
    "models/tiny-clip",
    "--out",
    at(`imported-${i}`),
  ],
  export: (i) => [at("run"), "--out", at(`model-${i}.pth.tar-1`)],
  "zero-shot": () => [picture, "--labels", "a,b"],
  embed: () => [picture],
  index: () => [at("pictures")],
  search: () => [at("pictures"), "a"],
  datasets: () => [],
  bench: (i) => [at("spec.json"), "--out", at(`bench-${i}`)],
  report: () => [at("bench/results.jsonl")],
  compare: () => [at("bench/results.jsonl"), at("bench/results.jsonl")],
  doctor: () => [],
  probe: () => [at("pictures"), "--shots", "1"],
  nothing: () => ["--unknown"], // wrong use
};

interface Count {
  readonly command: string;
  readonly runs: number;
  readonly wrong: number;
  readonly over10s: number;
  readonly slowestSeconds: number;
}

const counts: Count[] = [];
for (const [command, words] of Object.entries(COMMANDS)) {
  if (flags.only && !flags.only.split(",").includes(command)) continue;
  const expected = command === "nothing" ? 2 : 0;
  const ended: Ended[] = [];
  for (let i = 0; i < Number(flags.runs); i++) ended.push(await coop(command, ...words(i)));
  const wrong = ended.filter(({ code }) => code !== expected);
  for (const { code, stderr } of wrong) console.log(`${command}: code ${code}\n${stderr}`);
  const slowest = Math.max(...ended.map(({ milliseconds }) => milliseconds));
  const over10s = ended.filter(({ milliseconds }) => milliseconds > LIMIT).length;
  const count = {
    command,
    runs: ended.length,
    wrong: wrong.length,
    over10s,
    slowestSeconds: Math.round(slowest / 100) / 10,
  };
  counts.push(count);
  console.log(JSON.stringify(count));
  await makeFolder(dirname(flags.out));
  await writeFileAtomic(
    flags.out,
    `${JSON.stringify({ node: process.version, limitSeconds: LIMIT / 1000, counts }, null, 2)}\n`,
  );
}
await rm(root, { recursive: true, force: true });
