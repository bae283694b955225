// The papers' whole protocol on the drawn world and the tiny CLIP (`npm run reproduce`): writes docs/reproduction.md.
// Finished runs are kept in a file and not run again; `--quick` tries everything on little.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { writeFileAtomic } from "../src/coop/atomic.ts";
import { lockFolder } from "../src/coop/lock.ts";
import { progress } from "../src/coop/progress.ts";
import { FULL } from "./reproduce/claims.ts";
import { reproductionPage } from "./reproduce/document.ts";
import { MAX_GRADIENT_NORM, PROBE_C } from "./reproduce/method.ts";
import { METHODS } from "./reproduce/methods.ts";
import { groups, plan, SEEDS } from "./reproduce/plan.ts";
import { doGroups } from "./reproduce/pool.ts";
import { appendRecord, idOf, type Job, Results, readRecords } from "./reproduce/records.ts";
import type { Group, Setup } from "./reproduce/worker.ts";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" }, // tasks or methods, with commas between
    quick: { type: "boolean", default: false },
    jobs: { type: "string", default: String(Math.min(4, availableParallelism())) },
    model: { type: "string", default: "models/tiny-clip" },
    runs: { type: "string" },
    out: { type: "string" },
  },
});
const { quick } = flags;
const folder = flags.runs ?? (quick ? "runs/reproduce-quick" : "runs/reproduce");
const out = flags.out ?? (quick ? join(folder, "reproduction.md") : "docs/reproduction.md");
const processes = Number(flags.jobs);
const setup: Setup = {
  model: flags.model,
  folder: join(folder, "features"),
  perClass: quick ? 8 : 40,
  maxEpochs: quick ? 2 : undefined,
};
const seeds = quick ? SEEDS.slice(0, 2) : SEEDS;
const extent = quick ? { tasks: ["actions", "textures"], shots: [1, 2] } : FULL;

const weights = await readFile(join(setup.model, "model.safetensors"));
const settings = createHash("sha256")
  .update(weights)
  .update(JSON.stringify([setup.perClass, setup.maxEpochs, MAX_GRADIENT_NORM, PROBE_C]))
  .digest("hex")
  .slice(0, 16);
const file = join(folder, "runs.jsonl");
const sessions = join(folder, "sessions.jsonl");
const lock = await lockFolder(folder).catch(({ message }: Error) => {
  console.error(message);
  process.exit(1);
});

const jobs = plan({ ...extent, methods: Object.keys(METHODS) });
const wanted = new Set(jobs.flatMap((job) => seedsOf(job).map((seed) => idOf({ ...job, seed }))));
const records = (await readRecords(file, settings)).filter((record) => wanted.has(idOf(record)));
const finished = new Set(records.map(idOf));
const only = flags.only?.split(",");
const todo: Group[] = groups(jobs)
  .filter(([{ task, method }]) => !only || only.includes(task) || only.includes(method))
  .map((group) =>
    group
      .map((job) => ({ job, seeds: seedsOf(job).filter((seed) => !finished.has(idOf({ ...job, seed }))) }))
      .filter(({ seeds }) => seeds.length > 0),
  )
  .filter((group) => group.length > 0);
const missing = todo.flat().reduce((sum, { seeds }) => sum + seeds.length, 0);
console.error(
  `${wanted.size} runs, ${finished.size} of them finished before, ${missing} to do with ${processes} processes`,
);

if (missing > 0) {
  const start = performance.now();
  const bar = progress("reproduce", missing);
  let done = 0;
  const adapter = await doGroups(todo, processes, setup, async (found) => {
    const record = { ...found, settings };
    await appendRecord(file, record);
    records.push(record);
    const { task, method, variant, shots, seed, accuracy } = record;
    const scores = Object.entries(accuracy).map(([on, percent]) => `${on} ${percent.toFixed(1)}`);
    bar.update(++done, [task, method, variant, `${shots} shots, seed ${seed}:`, ...scores].filter(Boolean).join(" "));
  });
  bar.finish(`${missing} runs`);
  const session = { settings, adapter, seconds: (performance.now() - start) / 1e3 };
  await appendFile(sessions, `${JSON.stringify(session)}\n`);
}

const past = (await readFile(sessions, "utf8"))
  .split("\n")
  .flatMap((line) => (line ? [JSON.parse(line) as { settings: string; adapter: string; seconds: number }] : []))
  .filter((session) => session.settings === settings);
await mkdir(dirname(out), { recursive: true });
await writeFileAtomic(
  out,
  reproductionPage(new Results(records), {
    command: `npm run reproduce${quick ? " -- --quick" : ""}`,
    commit: execFileSync("git", ["rev-parse", "--short=12", "HEAD"], { encoding: "utf8" }).trim(),
    adapter: past.at(-1)?.adapter ?? "",
    perClass: setup.perClass,
    runs: records.length,
    busySeconds: records.reduce((sum, record) => sum + record.seconds, 0),
    wallSeconds: past.reduce((sum, session) => sum + session.seconds, 0),
    processes,
  }),
);
await lock.release();
console.log(out);

/** Zero-shot learns nothing, so one seed stands for all. */
function seedsOf({ method }: Job): readonly number[] {
  return method === "zero-shot" ? [0] : seeds;
}
