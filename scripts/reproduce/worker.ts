// A process that does groups of jobs for scripts/reproduce.ts, one after the other, and sends a record for each seed.
import { type Clip, loadClip } from "../../src/clip/index.ts";
import { device } from "../../src/tensor/index.ts";
import type { Score } from "./method.ts";
import { METHODS } from "./methods.ts";
import { TASK_SETS, TEST_SHIFTS } from "./plan.ts";
import type { Job, RunRecord } from "./records.ts";
import { classesBetween, draw, type TaskData, taskData } from "./task-data.ts";

/** The same for all groups of a reproduction. */
export type Setup = {
  readonly model: string;
  readonly folder: string;
  readonly perClass: number;
  readonly maxEpochs?: number;
};
/** Jobs that share a task and a trainer, each with the seeds that are missing. */
export type Group = readonly { readonly job: Job; readonly seeds: readonly number[] }[];
export type ToWorker = Group | "end";
export type FromWorker =
  | { readonly ready: string }
  | { readonly record: Omit<RunRecord, "settings"> }
  | { readonly done: true }
  | { readonly failed: string };

/** Does a group; `tell` is given each record when it is known. */
export async function doGroup(
  clip: Clip,
  { folder, perClass, maxEpochs }: Setup,
  group: Group,
  tell: (record: Omit<RunRecord, "settings">) => void,
): Promise<void> {
  const { task, method, protocol } = group[0].job;
  let since = performance.now();
  const data = taskData(clip, task, perClass, folder);
  const total = data.classNames.length;
  const classes = protocol === "all" ? total : Math.ceil(total / 2);
  const open = METHODS[method];
  if (!open) throw new Error(`there is no method "${method}"`);
  const opened = open({ clip, job: group[0].job, classNames: data.classNames.slice(0, classes), maxEpochs });
  try {
    for (const { job, seeds } of group) {
      const pool = await data.pool();
      const runs = seeds.map((seed) => ({ seed, ...draw(pool, job.shots || 1, seed, classes, job.noise) }));
      const scores = await opened.fit(runs, job.shots);
      for (const [i, score] of scores.entries()) {
        const accuracy = await accuracies(data, job, classes, score);
        const seconds = (performance.now() - since) / 1e3 / (scores.length - i);
        since += seconds * 1e3;
        tell({ ...job, seed: seeds[i], accuracy, seconds });
      }
      since = performance.now();
    }
  } finally {
    opened.free();
  }
}

async function accuracies(
  data: TaskData,
  { task, protocol, noise }: Job,
  classes: number,
  score: Score,
): Promise<Record<string, number>> {
  const names = data.classNames;
  const test = await data.test();
  if (protocol === "base-to-new")
    return {
      base: await score(classesBetween(test, 0, classes), names.slice(0, classes)),
      new: await score(classesBetween(test, classes, names.length), names.slice(classes)),
    };
  const accuracy: Record<string, number> = { test: await score(test, names) };
  const shifted = (TASK_SETS.shifted as readonly string[]).includes(task) && noise === 0;
  if (shifted) for (const shift of TEST_SHIFTS) accuracy[shift] = await score(await data.test(shift), names);
  return accuracy;
}

if (process.send) {
  const setup: Setup = JSON.parse(process.argv[2]);
  const say = (message: FromWorker) => process.send!(message);
  const clip = await loadClip(setup.model);
  const { description } = await device();
  process.on("message", async (message: ToWorker) => {
    if (message === "end") process.exit(0);
    try {
      await doGroup(clip, setup, message, (record) => say({ record }));
      say({ done: true });
    } catch (error) {
      say({ failed: (error as Error).stack ?? String(error) });
    }
  });
  process.on("disconnect", () => process.exit(1));
  say({ ready: description });
}
