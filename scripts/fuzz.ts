/**
 * Gives changed files to everything that reads files of others, and looks for what must not happen: another error than
 * coop's own, a wait of over two seconds, memory out of proportion, a read out of range.
 *
 *   npm run fuzz -- --inputs 200000 --seed 1 [--target safetensors,torch] [--json reliability/fuzz.json]
 *   npm run fuzz -- --target tokenizer --replay runs/fuzz/tokenizer/crash-….bin
 *
 * `--inputs` are shared among the targets. Findings are kept in runs/fuzz/, and so are the inputs that ran new code, with
 * which the next search begins (`--fresh` begins without them).
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { formatTable } from "../src/coop/progress.ts";
import { campaign, type Outcome, replay } from "./fuzz/campaign.ts";
import { MOST_MEMORY, MOST_TIME } from "./fuzz/judge.ts";
import { TARGETS } from "./fuzz/targets.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "20000" },
    seed: { type: "string", default: "1" },
    target: { type: "string" },
    replay: { type: "string" },
    json: { type: "string" },
    fresh: { type: "boolean", default: false },
  },
});
const FOLDER = "runs/fuzz";
const chosen = values.target?.split(",") ?? TARGETS.map(({ name }) => name);
const jobs = chosen.map((target) => ({
  target,
  seed: values.seed,
  inputs: Math.ceil(Number(values.inputs) / chosen.length),
  folder: join(FOLDER, target),
}));

if (values.replay !== undefined) {
  const found = await replay(jobs[0], values.replay);
  console.log(found ? `${found.fault}: ${found.text}` : "nothing is wrong with it");
  process.exit(found ? 1 : 0);
}

const outcomes: Outcome[] = [];
for (const job of jobs) {
  if (values.fresh) rmSync(job.folder, { recursive: true, force: true });
  const outcome = await campaign(job);
  outcomes.push(outcome);
  console.error(
    `${outcome.target}: ${outcome.inputs} inputs in ${outcome.seconds} s, ${outcome.findings.length} findings`,
  );
  for (const { fault, text, file } of outcome.findings)
    console.error(`  ${fault}: ${text}\n  npm run fuzz -- --target ${outcome.target} --replay ${file}`);
}
const MiB = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
console.log(
  formatTable([
    ["target", "inputs", "read", "refused", "kept", "functions", "slowest ms", "MiB", "findings"],
    ...outcomes.map((o) => [
      ...[o.target, o.inputs, o.read, o.refused, o.kept, `${o.functions} of ${o.functionsOf}`],
      ...[o.slowestMilliseconds, MiB(o.allocatedBytes), o.findings.length],
    ]),
  ]),
);
const findings = outcomes.reduce((sum, outcome) => sum + outcome.findings.length, 0);
const inputs = outcomes.reduce((sum, outcome) => sum + outcome.inputs, 0);
console.log(
  `${inputs} inputs, ${findings} findings; limits ${MOST_TIME} ms, ${MiB(MOST_MEMORY)} MiB and 64 times the input`,
);
if (values.json !== undefined) {
  mkdirSync(dirname(values.json), { recursive: true });
  const about = { seed: values.seed, node: process.version, processor: cpus()[0]?.model, inputs, findings };
  const targets = outcomes.map((outcome) => ({ ...outcome, findings: outcome.findings.length }));
  writeFileSync(values.json, `${JSON.stringify({ ...about, targets }, null, 2)}\n`);
}
process.exitCode = findings > 0 ? 1 : 0;
