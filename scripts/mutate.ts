// Plants single faults in gradients, shape rules and kernels, and counts which of them the tests notice.
//   npm run mutate -- --sample 400 --seed 1 [--only REGEXP] [--list] [--resume] [--again] [--out FILE]
// --resume goes on where a run was stopped, --again tries the survivors of one anew.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "./mutate/bundle.ts";
import { whyEquivalent } from "./mutate/equivalent.ts";
import { allMutants, replacementOf } from "./mutate/generate.ts";
import { type Mutant, sampleOf } from "./mutate/mutant.ts";
import { Runner, type Verdict } from "./mutate/runner.ts";
import { stagesFor } from "./mutate/tests.ts";
import type { Job } from "./mutate/worker.ts";

const { values: flags } = parseArgs({
  options: {
    sample: { type: "string", default: "400" },
    seed: { type: "string", default: "1" },
    only: { type: "string", default: "." },
    out: { type: "string", default: "reliability/mutants.json" },
    list: { type: "boolean", default: false },
    again: { type: "boolean", default: false },
    resume: { type: "boolean", default: false },
  },
});

/** How a mutant fared; `by` is the test that noticed it. */
interface Fate {
  readonly id: string;
  readonly op?: string;
  readonly fate: "killed" | "hung" | "survived" | "equivalent" | "invalid";
  readonly by?: string;
  readonly why?: string;
  readonly seconds: number;
}

const all = allMutants();
const chosen = sampleOf(all, Number(flags.sample), Number(flags.seed)).filter(({ id }) =>
  new RegExp(flags.only).test(id),
);
if (flags.list) {
  for (const { id, op } of chosen) console.log(op ? `${id}  (${op})` : id);
  console.log(`${chosen.length} of ${all.length}`);
  process.exit();
}

setPriority(10);
const out = resolve(ROOT, flags.out);
const before: Fate[] =
  (flags.resume || flags.again) && existsSync(out) ? JSON.parse(readFileSync(out, "utf8")).mutants : [];
const fates = before.filter(({ fate }) => !flags.again || fate !== "survived");
const due = new Set((flags.again ? before : chosen).map(({ id }) => id));
const runner = new Runner();
const baselines = new Map<string, number>();

/** A crash, or an error behind a test's back, may be an echo of what ran before: a fresh process is asked again. */
async function verdictOf(job: Job, limit: number): Promise<Verdict> {
  const verdict = await runner.run(job, limit);
  const isEcho = verdict.failed === "crash" || verdict.failed?.startsWith("un");
  return isEcho ? runner.run(job, limit) : verdict;
}

/** Seconds that tests take of the code as it is, which they have to pass. */
async function baseline(job: Job): Promise<number> {
  const key = JSON.stringify(job);
  const known = baselines.get(key);
  if (known !== undefined) return known;
  const { failed, message, ran, seconds } = await verdictOf(job, 900);
  if (failed || ran === 0) throw new Error(`without a fault, ${failed ?? `nothing is run by ${key}`}: ${message}`);
  console.log(`${seconds.toFixed(1)} s, ${ran} tests: ${key}`);
  baselines.set(key, seconds);
  return seconds;
}

const isNoProgram = (message: string, { wgsl }: Mutant): boolean =>
  /Transform failed|Build failed/.test(message) || (!!wgsl && /does not compile/.test(message));

async function fateOf(mutant: Mutant): Promise<Fate> {
  const { id, op } = mutant;
  const why = whyEquivalent(mutant);
  if (why) return { id, op, fate: "equivalent", why, seconds: 0 };
  let seconds = 0;
  for (const stage of stagesFor(mutant)) {
    const limit = 20 + 6 * (await baseline(stage));
    const job = { ...stage, replaced: replacementOf(mutant) };
    const verdict = await verdictOf(job, limit);
    seconds += verdict.seconds;
    const time = Math.round(seconds * 100) / 100;
    if (isNoProgram(verdict.message ?? "", mutant)) return { id, op, fate: "invalid", seconds: time };
    if (verdict.timedOut) return { id, op, fate: "hung", seconds: time };
    if (verdict.failed) return { id, op, fate: "killed", by: verdict.failed, seconds: time };
  }
  return { id, op, fate: "survived", seconds: Math.round(seconds * 100) / 100 };
}

function write(): void {
  const count = (...kinds: Fate["fate"][]) => fates.filter(({ fate }) => kinds.includes(fate)).length;
  const [caught, missed] = [count("killed", "hung"), count("survived")];
  const summary = {
    possible: all.length,
    run: fates.length,
    caught,
    hung: count("hung"),
    survived: missed,
    equivalent: count("equivalent"),
    invalid: count("invalid"),
    caughtPercent: Math.round((1e4 * caught) / Math.max(1, caught + missed)) / 100,
    seconds: Math.round(fates.reduce((total, { seconds }) => total + seconds, 0)),
  };
  mkdirSync(dirname(out), { recursive: true });
  const { sample, seed, only } = flags;
  const head = JSON.stringify({ settings: { sample, seed, only }, summary }, null, 2).slice(0, -2);
  const lines = fates.map((fate) => `    ${JSON.stringify(fate)}`).join(",\n");
  writeFileSync(out, `${head},\n  "mutants": [\n${lines}\n  ]\n}\n`);
}

const done = new Set(fates.map(({ id }) => id));
for (const mutant of (flags.again ? all : chosen).filter(({ id }) => due.has(id) && !done.has(id))) {
  const fate = await fateOf(mutant);
  fates.push(fate);
  console.log(
    `${fates.length}/${chosen.length} ${fate.fate} ${fate.seconds} s  ${fate.id}  ${fate.by ?? fate.why ?? ""}`,
  );
  write();
}
write();
runner.close();
for (const name of readdirSync(join(ROOT, "runs")).filter((name) => name.startsWith("mutants-")))
  rmSync(join(ROOT, "runs", name), { recursive: true }); // processes that were killed left theirs
process.exitCode = fates.some(({ fate }) => fate === "survived") ? 1 : 0;
