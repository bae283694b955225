// Runs the suite again and again, its files and their top-level tests in another order each time, and says which tests
// fail or do not always end alike: npm run flakes -- --runs 50 [--seed 1] [--minutes 60] [--only REGEXP] [--jobs 2] [--resume]
// --resume adds to what reliability/flakes.json counted before; --minutes begins no other file after that time; --fast 10
// leaves out files that took more than 10 s there.
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeFileAtomic } from "../src/coop/atomic.ts";
import { mulberry, shuffled } from "../test/arguments.ts";
import { type Outcome, outcomesIn } from "./flakes/outcomes.ts";

const { values: flags } = parseArgs({
  options: {
    runs: { type: "string", default: "50" },
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "Infinity" },
    only: { type: "string", default: "." },
    fast: { type: "string", default: "Infinity" },
    jobs: { type: "string", default: "2" },
    resume: { type: "boolean", default: false },
    out: { type: "string", default: "reliability/flakes.json" },
  },
});
/** Milliseconds after which a file counts as hung. */
const GIVE_UP = 20 * 60_000;
const WATCH = new URL("./flakes/gpu-errors.mjs", import.meta.url).href;

/** A test that did not end as in its file's first run. */
interface Difference extends Outcome {
  /** Which order it was: node --import tsx scripts/flakes/shuffled.ts FILE ORDER */
  readonly order: number;
}

interface Tally {
  readonly runs: number;
  /** Of one run, at most. */
  readonly seconds: number;
  /** Tests of the first run. */
  readonly passed: number;
  readonly skipped: number;
  /** Errors that a device reported and no scope caught: those that tests provoke, and no other. */
  readonly gpuErrors: number;
  readonly differing: readonly Difference[];
}

const dir = await mkdtemp(join(tmpdir(), "coop-flakes-"));
const until = performance.now() + 60_000 * Number(flags.minutes);
const tallies = new Map<string, Tally>(
  flags.resume ? Object.entries(JSON.parse(await readFile(flags.out, "utf8")).files as Record<string, Tally>) : [],
);
const files = (await readdir("test"))
  .filter((name) => name.endsWith(".test.ts") && new RegExp(flags.only).test(name))
  .filter((name) => (tallies.get(name)?.seconds ?? 0) <= Number(flags.fast));
const runsOf = (file: string) => tallies.get(file)?.runs ?? 0;

const linesOf = async (file: string) => (await readFile(file, "utf8").catch(() => "")).split("\n").filter(Boolean);

interface Run {
  readonly outcomes: readonly Outcome[];
  readonly seconds: number;
  readonly gpuErrors: number;
}

/** Runs a file in an order of its own. */
async function runIn(file: string, order: number): Promise<Run> {
  const began = performance.now();
  const errors = join(dir, `${file}.errors`);
  await rm(errors, { force: true });
  const reporter = ["--test-reporter", "./scripts/flakes/outcomes.ts", "--test-reporter-destination", "stdout"];
  const words = ["--import", "tsx", ...reporter, "scripts/flakes/shuffled.ts", join("test", file), String(order)];
  const watched = `${process.env.NODE_OPTIONS ?? ""} --import ${WATCH}`;
  const env = { ...process.env, NODE_OPTIONS: watched, COOP_GPU_ERRORS: errors };
  const child = spawn(process.execPath, words, {
    env,
    stdio: ["ignore", "pipe", "ignore"],
    timeout: GIVE_UP,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on("close", (...end) => resolve(end)),
  );
  const outcomes = outcomesIn(stdout);
  if (code !== 0 && !outcomes.some(({ how }) => how === "failed"))
    outcomes.push({ name: "its end", how: "failed", why: `code ${code}, signal ${signal}` });
  const seconds = Math.ceil((performance.now() - began) / 1000);
  return { outcomes, seconds, gpuErrors: (await linesOf(errors)).length };
}

/** Counts a run; what failed, or is not as it was in the first run, is a difference. */
function add(file: string, order: number, { outcomes, seconds, gpuErrors }: Run): void {
  const count = (how: Outcome["how"]) => outcomes.filter((outcome) => outcome.how === how).length;
  const [passed, skipped] = [count("passed"), count("skipped")];
  const before = tallies.get(file) ?? { runs: 0, seconds, passed, skipped, gpuErrors: 0, differing: [] };
  const differing = outcomes.filter(({ how }) => how === "failed").map((outcome) => ({ ...outcome, order }));
  if (!differing.length && (passed !== before.passed || skipped !== before.skipped))
    differing.push({ name: `${passed} passed and ${skipped} were skipped`, how: "failed", order });
  for (const { name, why } of differing) console.log(`${file} in order ${order}: ${name}: ${why ?? "not as before"}`);
  tallies.set(file, {
    ...before,
    runs: before.runs + 1,
    seconds: Math.max(before.seconds, seconds),
    gpuErrors: before.gpuErrors + gpuErrors,
    differing: [...before.differing, ...differing],
  });
}

async function write(): Promise<void> {
  const counts = [...tallies].sort(([a], [b]) => (a < b ? -1 : 1));
  const result = { node: process.version, seed: Number(flags.seed), files: Object.fromEntries(counts) };
  await writeFileAtomic(flags.out, `${JSON.stringify(result, null, 2)}\n`);
}

for (let run = 0; run < Number(flags.runs) && performance.now() < until; run++) {
  const due = files.filter((file) => runsOf(file) <= run);
  const order = shuffled(due.length, mulberry(Number(flags.seed) * 1000 + run));
  const began = performance.now();
  const worker = async () => {
    while (order.length && performance.now() < until) {
      const file = due[order.pop()!];
      const seed = Number(flags.seed) * 1000 + run;
      add(file, seed, await runIn(file, seed));
      await write();
    }
  };
  await Promise.all(Array.from({ length: Number(flags.jobs) }, worker));
  if (due.length)
    console.log(`run ${run + 1}: ${due.length} files in ${Math.round((performance.now() - began) / 1000)} s`);
}
await rm(dir, { recursive: true, force: true });
const all = [...tallies.values()];
const fewest = Math.min(...files.map(runsOf));
console.log(
  `${all.length} files, ${all.reduce((sum, { passed }) => sum + passed, 0)} tests, ${fewest} runs of each at least, ` +
    `${all.reduce((sum, { runs, passed }) => sum + runs * passed, 0)} outcomes, ` +
    `${all.reduce((sum, { differing }) => sum + differing.length, 0)} that differ, ` +
    `errors of devices that no scope caught: ${all.reduce((sum, { gpuErrors }) => sum + gpuErrors, 0)}`,
);
