import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { CLAIMS, FULL, judged } from "../scripts/reproduce/claims.ts";
import { reproductionPage } from "../scripts/reproduce/document.ts";
import { groups, plan, SEEDS, TASK_SETS, TEST_SHIFTS } from "../scripts/reproduce/plan.ts";
import { appendRecord, idOf, type Job, Results, type RunRecord, readRecords } from "../scripts/reproduce/records.ts";
import { classesBetween, draw, taskData } from "../scripts/reproduce/task-data.ts";
import { doGroup } from "../scripts/reproduce/worker.ts";
import { loadClip } from "../src/clip/index.ts";

const folder = await mkdtemp(join(tmpdir(), "coop-reproduce-"));
after(() => rm(folder, { recursive: true, force: true }));

const METHODS = ["zero-shot", "coop", "probe", "cocoop"];
const FULL_PLAN = plan({ ...FULL, methods: METHODS });

/** Records of the whole plan, with accuracies from a function of the job and the test set. */
function invented(accuracy: (job: Job, on: string) => number): Results {
  const sets = ({ protocol }: Job) => (protocol === "base-to-new" ? ["base", "new"] : ["test", ...TEST_SHIFTS]);
  return new Results(
    FULL_PLAN.flatMap((job) =>
      (job.method === "zero-shot" ? [0] : SEEDS).map((seed) => {
        const values = sets(job).map((on) => [on, accuracy(job, on)]);
        return { ...job, seed, accuracy: Object.fromEntries(values), seconds: 1, settings: "s" } as RunRecord;
      }),
    ),
  );
}

/** As the papers have it. */
const asPublished = ({ task, method, variant, shots, noise, protocol }: Job, on: string): number => {
  const special = (TASK_SETS.specialised as readonly string[]).includes(task);
  const strength = Math.log2(shots) / 4;
  if (method === "zero-shot")
    return { naive: 50, good: 55, ensemble: 53 }[variant]! - (protocol === "base-to-new" || on === "test" ? 0 : 10);
  if (protocol === "base-to-new" && on === "new") return method === "cocoop" ? 54 : 45;
  if (method === "probe") return 30 + 30 * strength - (on === "test" ? 0 : 30);
  const robust = variant === "M4" && on !== "test" ? 2 : 0;
  const own = variant.includes("class-specific") ? -8 + 12 * strength : 0;
  return 52 + (special ? 25 : 6) * strength + own + robust - 30 * noise - (on === "test" ? 0 : 10);
};

test("results that are as published make every claim hold", () => {
  assert.deepEqual(
    judged(invented(asPublished)).filter(({ verdict }) => verdict !== "holds"),
    [],
  );
});

test("results that say nothing, and results that are the other way round, make no claim hold", () => {
  const flat = judged(invented(() => 50)).filter(({ verdict }) => verdict === "holds");
  assert.deepEqual(
    flat.map(({ paper }) => paper),
    ["A random context does as well as one that starts as “a photo of a”."],
  );
  const reversed = judged(invented((job, on) => 100 - asPublished(job, on)));
  assert.deepEqual(
    reversed.filter(({ verdict }) => verdict === "holds").map(({ paper }) => paper),
    ["A random context does as well as one that starts as “a photo of a”."],
  );
});

test("a claim whose runs are missing is not measured, and a page is written all the same", () => {
  const results = new Results([]);
  assert.ok(judged(results).every(({ verdict }) => verdict === "not measured"));
  const how = { command: "c", commit: "0", adapter: "a", perClass: 1, runs: 0, busySeconds: 0, wallSeconds: 0 };
  for (const some of [results, invented(asPublished)]) {
    const page = reproductionPage(some, { ...how, processes: 1 });
    for (const { paper } of CLAIMS) assert.ok(page.includes(paper));
    assert.ok(!/undefined|NaN|\[object/.test(page), page);
  }
});

test("the plan lists no run twice, and groups share a trainer", () => {
  const ids = FULL_PLAN.map((job) => idOf({ ...job, seed: 1 }));
  assert.equal(new Set(ids).size, ids.length);
  const made = groups(FULL_PLAN);
  assert.equal(made.flat().length, FULL_PLAN.length);
  for (const group of made)
    assert.equal(new Set(group.map((j) => [j.task, j.method, j.variant, j.protocol].join())).size, 1);
  assert.deepEqual(
    plan({ tasks: ["cars"], shots: [1], methods: ["probe"] }).map(({ task, method, shots }) => [task, method, shots]),
    [["cars", "probe", 1]],
  );
});

test("records outlive a line that was cut off; other settings do not count; a second record replaces the first", async () => {
  const file = join(folder, "runs.jsonl");
  const job: Job = { task: "cars", method: "coop", variant: "M16", protocol: "all", shots: 1, noise: 0 };
  const record = (seed: number, percent: number, settings = "s"): RunRecord => ({
    ...job,
    seed,
    accuracy: { test: percent },
    seconds: 1,
    settings,
  });
  assert.deepEqual(await readRecords(file, "s"), []);
  await appendRecord(file, record(1, 40));
  await appendRecord(file, record(3, 10, "other"));
  await appendFile(file, '\n{"task": "cars", "meth');
  await appendRecord(file, record(2, 60));
  await appendRecord(file, record(1, 50));
  const read = await readRecords(file, "s");
  assert.deepEqual(
    read.map(({ seed, accuracy }) => [seed, accuracy.test]),
    [
      [1, 50],
      [2, 60],
    ],
  );
  const results = new Results(read);
  assert.deepEqual(results.cell("cars", { method: "coop", variant: "M16", shots: 1 }), { mean: 55, deviation: 5 });
  assert.equal(results.mean(["cars", "flowers"], { method: "coop", variant: "M16", shots: 1 }), undefined);
});

test("shots, wrong labels and halves of the classes are as asked for, and the same every time", () => {
  const pool = {
    features: Float32Array.from({ length: 60 }, (_, i) => i),
    labels: Int32Array.from({ length: 30 }, (_, i) => Math.floor(i / 10)),
  };
  const one = draw(pool, 5, 1, 3);
  assert.deepEqual(draw(pool, 5, 1, 3), one);
  assert.notDeepEqual(draw(pool, 5, 2, 3), one);
  assert.deepEqual([...one.train.labels], [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
  assert.equal(one.validation.labels.length, 12);
  const firsts = (examples: { features: Float32Array }) => [...examples.features].filter((_, i) => i % 2 === 0);
  assert.ok(firsts(one.train).every((x) => !firsts(one.validation).includes(x)));
  const noisy = draw(pool, 5, 1, 3, 0.4);
  assert.deepEqual(noisy.train.features, one.train.features);
  assert.equal(noisy.train.labels.filter((label, i) => label !== one.train.labels[i]).length, 6);
  const half = draw(pool, 5, 1, 2);
  assert.deepEqual(half.train.features, one.train.features.slice(0, 20));
  const rest = classesBetween(pool, 1, 3);
  assert.deepEqual([...new Set(rest.labels)], [0, 1]);
  assert.deepEqual(rest.features, pool.features.slice(20));
});

test("a group of runs end to end, from pictures to accuracies, twice the same", { timeout: 180_000 }, async () => {
  const clip = await loadClip("models/tiny-clip");
  const setup = { model: "", folder: join(folder, "features"), perClass: 3, maxEpochs: 2 };
  const job: Job = { task: "actions", method: "coop", variant: "M4", protocol: "all", shots: 1, noise: 0 };
  const run = async (some: Partial<Job>) => {
    const records: Omit<RunRecord, "settings">[] = [];
    const seeds = some.method === "zero-shot" ? [0] : [1, 2];
    await doGroup(clip, setup, [{ job: { ...job, ...some }, seeds }], (record) => records.push(record));
    return records.map(({ seed, accuracy }) => ({ seed, accuracy }));
  };
  const first = await run({});
  assert.deepEqual(
    first.map(({ seed }) => seed),
    [1, 2],
  );
  assert.deepEqual(Object.keys(first[0].accuracy), ["test", ...TEST_SHIFTS]);
  assert.deepEqual(await run({}), first);
  const fresh = await taskData(clip, "actions", 3, join(folder, "others")).test();
  assert.deepEqual(await taskData(clip, "actions", 3, setup.folder).test(), fresh);
  const halves = await run({ method: "zero-shot", variant: "good", shots: 0, protocol: "base-to-new" });
  assert.deepEqual(Object.keys(halves[0].accuracy), ["base", "new"]);
  assert.equal((await run({ method: "probe", variant: "" })).length, 2);
  clip.free();
});
