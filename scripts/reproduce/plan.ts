// Which runs the reproduction is made of.
import type { PromptLearnerOptions } from "../../src/coop/index.ts";
import { type ShiftName, TASKS } from "../../src/world/index.ts";
import type { Job } from "./records.ts";

export const SHOTS = [1, 2, 4, 8, 16];
export const SEEDS = [1, 2, 3];
export const NOISE = [0.2, 0.4];

/** Contexts by the names that stand in records and tables. */
export const CONTEXTS = {
  M16: { contextTokens: 16 },
  "M16 class-specific": { contextTokens: 16, classSpecific: true },
  M4: { contextTokens: 4 },
  "M4 words": { initText: "a photo of a" },
  "M16 middle": { contextTokens: 16, position: "middle" },
  "M16 front": { contextTokens: 16, position: "front" },
} as const satisfies Record<string, PromptLearnerOptions>;
export type ContextName = keyof typeof CONTEXTS;

const named = (...kinds: string[]) =>
  Object.values(TASKS)
    .filter(({ kind }) => kinds.includes(kind))
    .map(({ name }) => name);

/** Tasks by what a claim needs. Shift and noise need tasks on which CoOp gains something that can be lost. */
export const TASK_SETS = {
  all: Object.keys(TASKS),
  generic: named("generic"),
  specialised: named("special", "fine-grained"),
  fineGrained: named("fine-grained"),
  classSpecific: ["flowers", "cars", "textures", "above"],
  initialisation: named("special", "fine-grained"),
  positions: ["flowers", "textures", "counts"],
  shifted: ["actions", "counts"],
  noisy: ["textures", "flowers", "counts"],
  baseToNew: ["textures", "flowers", "actions", "above", "cars", "objects"],
} as const satisfies Record<string, readonly string[]>;

/** Shifts that apply to any task; the drawing styles apply only to tasks that show one object. */
export const TEST_SHIFTS: readonly ShiftName[] = ["inverted", "noise", "rotated"];

export type Extent = {
  readonly tasks: readonly string[];
  readonly shots: readonly number[];
  /** Methods that can be run. */
  readonly methods: readonly string[];
};

/** All runs; each belongs to at least one table or claim, none is listed twice. */
export function plan({ tasks, shots, methods }: Extent): Job[] {
  const jobs = new Map<string, Job>();
  const most = Math.max(...shots);
  const add = (method: Job["method"], variant: string, on: readonly string[], some: Partial<Job>) => {
    for (const task of on) {
      const job: Job = { task, method, variant, protocol: "all", shots: 0, noise: 0, ...some };
      if (tasks.includes(task) && methods.includes(method)) jobs.set(JSON.stringify(job), job);
    }
  };
  for (const prompt of ["naive", "good", "ensemble"]) add("zero-shot", prompt, TASK_SETS.all, {});
  add("zero-shot", "good", TASK_SETS.baseToNew, { protocol: "base-to-new" });
  for (const n of shots) {
    add("coop", "M16", TASK_SETS.all, { shots: n });
    add("coop", "M16 class-specific", TASK_SETS.classSpecific, { shots: n });
    add("probe", "", TASK_SETS.all, { shots: n });
  }
  add("coop", "M16 class-specific", TASK_SETS.shifted, { shots: most });
  for (const context of ["M4", "M4 words"]) add("coop", context, TASK_SETS.initialisation, { shots: most });
  for (const context of ["M16 middle", "M16 front"]) add("coop", context, TASK_SETS.positions, { shots: most });
  for (const noise of NOISE) {
    add("coop", "M16", TASK_SETS.noisy, { shots: most, noise });
    add("probe", "", TASK_SETS.noisy, { shots: most, noise });
  }
  for (const context of ["M16", "M4 words"])
    add("coop", context, TASK_SETS.baseToNew, { shots: most, protocol: "base-to-new" });
  add("cocoop", "M4 words", TASK_SETS.baseToNew, { shots: most, protocol: "base-to-new" });
  add("cocoop", "M4 words", TASK_SETS.shifted, { shots: most });
  return [...jobs.values()];
}

/** Jobs that one trainer can do, one after the other: they differ in shots and noise only. Long ones first. */
export function groups(jobs: readonly Job[]): Job[][] {
  const by = new Map<string, Job[]>();
  for (const job of jobs) {
    const key = [job.task, job.method, job.variant, job.protocol].join("|");
    by.set(key, [...(by.get(key) ?? []), job]);
  }
  const work = (group: readonly Job[]) =>
    group.reduce((sum, { task, method, variant, shots, protocol }) => {
      if (method === "zero-shot") return sum;
      const classes = TASKS[task].classNames.length / (protocol === "all" ? 1 : 2);
      const length = variant.includes("class-specific") ? 20 : 4;
      return sum + (method === "probe" ? shots * classes : shots * classes * (40 + classes * length));
    }, 0);
  return [...by.values()].sort((a, b) => work(b) - work(a));
}
