// Runs the suite again and again, its files and their top-level tests in another order each time, and says which tests
// fail or do not always end alike: npm run flakes -- --runs 50 [--seed 1] [--minutes 60] [--only REGEXP] [--jobs 2] [--resume]
// --resume adds to what reliability/flakes.json counted before; --minutes begins no other file after that time.
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeFileAtomic } from "../src/coop/atomic.ts";
import { mulberry, shuffled } from "../test/arguments.ts";
import type { Outcome } from "./flakes/outcomes.ts";

const { values: flags } = parseArgs({
  options: {
    runs: { type: "string", default: "50" },
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "Infinity" },
    only: { type: "string", default: "." },
    jobs: { type: "string", default: "2" },
    resume: { type: "boolean", default: false },
    out: { type: "string", default: "reliability/flakes.json" },
  },
});
/** Milliseconds after which a file counts as hung. */
const GIVE_UP = 20 * 60_000;

/** A test that did not end as in its file's first run. */
interface Difference extends Outcome {
  /** Which order it was: node --import tsx scripts/flakes/shuffled.ts FILE ORDER */
  readonly order: number;
}

interface Tally {
  readonly runs: number;
  /** How often each outcome was seen in the first run. */
  readonly passed: number;
  readonly skipped: number;
  readonly differing: readonly Difference[];
}

const dir = await mkdtemp(join(tmpdir(), "coop-flakes-"));
const until = performance.now() + 60_000 * Number(flags.minutes);
const files = (await readdir("test")).filter((name) => name.endsWith(".test.ts") && new RegExp(flags.only).test(name));
const tallies = new Map<string, Tally>(
  flags.resume ? Object.entries(JSON.parse(await readFile(flags.out, "utf8")).files as Record<string, Tally>) : [],
);
const runsOf = (file: string) => tallies.get(file)?.runs ?? 0;

/** One run of a file, in an order of its own. */
async function outcomesOf(file: string, order: number): Promise<Outcome[]> {
  const told = join(dir, `${file}.jsonl`);
  const reporter = ["--test-reporter", "./scripts/flakes/outcomes.ts", "--test-reporter-destination", told];
  const words = ["--import", "tsx", ...reporter, "scripts/flakes/shuffled.ts", join("test", file), String(order)];
  const child = spawn(process.execPath, words, { stdio: "ignore", timeout: GIVE_UP, killSignal: "SIGKILL" });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on("close", (...end) => resolve(end)),
  );
  const lines = (await readFile(told, "utf8").catch(() => "")).split("\n").filter(Boolean);
  const outcomes = lines.map((line) => JSON.parse(line) as Outcome);
  if (code !== 0 && !outcomes.some(({ how }) => how === "failed"))
    outcomes.push({ name: "its end", how: "failed", why: `code ${code}, signal ${signal}` });
  return outcomes;
}

function add(file: string, order: number, outcomes: readonly Outcome[]): void {
  const failed = outcomes.filter(({ how }) => how === "failed");
  const passed = outcomes.filter(({ how }) => how === "passed").length;
  const skipped = outcomes.filter(({ how }) => how === "skipped").length;
  const before = tallies.get(file) ?? { runs: 0, passed, skipped, differing: [] };
  const differing = failed.map((outcome) => ({ ...outcome, order }));
  if (!failed.length && (passed !== before.passed || skipped !== before.skipped))
    differing.push({ name: `${passed} passed and ${skipped} were skipped`, how: "failed", order });
  for (const { name, why } of differing) console.log(`${file} in order ${order}: ${name}: ${why ?? "not as before"}`);
  tallies.set(file, { ...before, runs: before.runs + 1, differing: [...before.differing, ...differing] });
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
      add(file, seed, await outcomesOf(file, seed));
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
    `${all.reduce((sum, { differing }) => sum + differing.length, 0)} that differ`,
);
