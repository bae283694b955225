import type { Clip } from "../../clip/index.ts";
import { CoopError, InputError } from "../../tensor/errors.ts";
import { accuracy, type Score } from "../score.ts";
import { type Bench, namesOf, prepare, scoreOf, taskOf } from "./bench.ts";
import type { Dataset } from "./dataset.ts";
import { type Fitted, Stopped, type Trainer } from "./method.ts";
import { groups, plan, type Run } from "./plan.ts";
import { openResults, type Result, type ResultsLog } from "./results.ts";
import type { DatasetSpec, ExperimentSpec } from "./spec.ts";

/** Where models and pictures come from. */
export interface Sources {
  /** The model of a name in the experiment file. */
  openModel(name: string): Promise<Clip>;
  /** The pictures of a dataset in it, whose features this model computes. */
  openDataset(dataset: DatasetSpec, clip: Clip): Promise<Dataset>;
}

/** What `runExperiments` needs beside the experiment file. */
export interface ExperimentOptions extends Sources {
  /** JSON lines to go on with and add to; nothing is kept where it is not given. */
  readonly resultsFile?: string;
  /** Version of coop and the adapter, for the results. */
  readonly madeBy: { readonly coop: string; readonly adapter: string };
  /** Called with every finished run. */
  onProgress?(progress: ExperimentProgress): void;
  /** Asked now and then: the runs that are under way end without a result where it says so. */
  stopped?(): boolean;
  /** Which runs are wanted; all where not given. */
  only?(run: Run): boolean;
}

/** What is told of each finished run. */
export interface ExperimentProgress {
  /** Finished runs, those of earlier times included. */
  readonly done: number;
  readonly total: number;
  readonly result: Result;
}

/** What came of an experiment. */
export interface Outcome {
  /** Of the wanted runs that are finished, in the order of the plan. */
  readonly results: readonly Result[];
  /** Whether there is one for every wanted run. */
  readonly complete: boolean;
}

/**
 * Does the runs of an experiment that are not in its results file yet. Pictures are encoded once for a dataset, a
 * method is compiled once for a dataset, and the seeds of a setting are trained at the same time.
 *
 * @throws InputError where the file's results were made with another model or other pictures of the same name
 * @example
 * const { results } = await runExperiments(parseSpec(text), {
 *   resultsFile: "results.jsonl", openModel: loadClip, openDataset, madeBy: { coop: "0.1.0", adapter: "llvmpipe" },
 * });
 */
export async function runExperiments(spec: ExperimentSpec, options: ExperimentOptions): Promise<Outcome> {
  const wanted = (await plan(spec)).filter((run) => options.only?.(run) ?? true);
  const log = options.resultsFile ? await openResults(options.resultsFile) : memoryLog();
  try {
    await takeOver(wanted, log);
    const left = wanted.filter(({ id }) => !log.finished.has(id));
    for (const model of new Set(left.map((run) => run.model))) {
      const clip = await options.openModel(model);
      try {
        for (const dataset of new Set(left.map((run) => run.dataset))) {
          const runs = left.filter((run) => run.model === model && run.dataset === dataset);
          if (runs.length > 0) await runDataset(clip, runs, wanted, log, options);
        }
      } finally {
        clip.free();
      }
    }
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  } finally {
    await log.close();
  }
  const results = wanted.flatMap(({ id }) => log.finished.get(id) ?? []);
  return { results, complete: results.length === wanted.length };
}

const memoryLog = (): ResultsLog => {
  const finished = new Map<string, Result>();
  return { finished, add: async (result) => void finished.set(result.id, result), close: async () => {} };
};

/** What was done under another name need not be done again. */
async function takeOver(wanted: readonly Run[], log: ResultsLog): Promise<void> {
  const done = new Map([...log.finished.values()].map((result) => [result.work, result]));
  for (const { id, work, dataset, method } of wanted) {
    const same = done.get(work);
    if (!same || log.finished.has(id)) continue;
    await log.add({
      ...same,
      id,
      dataset: { ...same.dataset, name: dataset.name },
      method: { ...same.method, name: method.name },
    });
  }
}

async function runDataset(
  clip: Clip,
  runs: readonly Run[],
  wanted: readonly Run[],
  log: ResultsLog,
  options: ExperimentOptions,
): Promise<void> {
  const dataset = await options.openDataset(runs[0].dataset, clip);
  refuseOthers(runs[0], clip, dataset, log);
  const bench = await prepare(clip, dataset, runs);
  let trainer: Trainer | undefined;
  let before: Run | undefined;
  try {
    for (const group of groups(runs)) {
      if (options.stopped?.()) throw new Stopped();
      const [{ method, classes }] = group;
      const classNames = namesOf(dataset, classes);
      if (!trainer || before?.method !== method || before.classes !== classes) {
        trainer?.free();
        trainer = undefined;
        trainer = await method.open({ clip, classNames, template: group[0].dataset.template, pool: bench.pool });
      }
      before = group[0];
      const started = performance.now();
      const current = trainer;
      const stopped = options.stopped ?? (() => false);
      const made = await named(group, runGroup(group, current, bench, stopped));
      const seconds = (performance.now() - started) / 1000 / group.length;
      for (const result of made) {
        await log.add({ ...result, seconds, ...options.madeBy });
        const done = wanted.filter(({ id }) => log.finished.has(id)).length;
        options.onProgress?.({ done, total: wanted.length, result: log.finished.get(result.id)! });
      }
    }
  } finally {
    trainer?.free();
  }
}

/** Tells of an error in which runs it was. */
const named = <T>([{ model, dataset, method, shots }]: readonly Run[], work: Promise<T>): Promise<T> =>
  work.catch((error) => {
    if (!(error instanceof CoopError)) throw error;
    const where = `${model}, ${dataset.name}, ${method.name}${shots ? `, ${shots} shots` : ""}`;
    throw new CoopError(`${where}: ${error.message}`, { cause: error });
  });

/** Mixing results of two models or two states of a folder in one table would be worse than an error. */
function refuseOthers({ model, dataset: { name, source } }: Run, clip: Clip, dataset: Dataset, log: ResultsLog): void {
  for (const other of log.finished.values()) {
    const same = other.model.name === model;
    if (same && other.model.sha256 !== clip.sha256)
      throw new InputError(`The results so far were made with other weights of ${model}: choose another --out.`);
    if (same && other.dataset.name === name && other.dataset.fingerprint !== dataset.fingerprint)
      throw new InputError(`The pictures of ${source} are not those of the results so far: choose another --out.`);
  }
}

type Measured = Omit<Result, "seconds" | "coop" | "adapter">;

async function runGroup(runs: readonly Run[], trainer: Trainer, bench: Bench, stopped: () => boolean) {
  const tasks = runs.map((run) => ({ shots: run.shots, seed: run.seed, stopped, ...taskOf(run, bench) }));
  const fitted = await trainer.fit(tasks);
  const measured: Measured[] = [];
  for (const [i, run] of runs.entries()) measured.push(await measure(run, fitted[i], bench));
  return measured;
}

async function measure(run: Run, fitted: Fitted, bench: Bench): Promise<Measured> {
  const { dataset, clip } = bench;
  const { shots, seed, classes, labelNoise } = run;
  const known = namesOf(dataset, classes).length;
  const score = await scoreOf(fitted, dataset.test, bench, { from: 0, to: known });
  const others = { from: known, to: dataset.classNames.length };
  const newClasses = classes === "base" ? await scoreOf(fitted, dataset.test, bench, others) : null;
  const shifts: Record<string, Score> = {};
  if (classes === "all" && labelNoise === 0)
    for (const { name } of run.dataset.shifts) shifts[name] = await scoreOf(fitted, dataset.shifts[name], bench, "own");
  const { loss = null, steps = null, step = null, found = {} } = fitted;
  return {
    id: run.id,
    work: run.work,
    dataset: { name: run.dataset.name, fingerprint: dataset.fingerprint },
    model: { name: run.model, sha256: clip.sha256 },
    method: { name: run.method.name, kind: run.method.kind, options: run.options },
    ...{ classes, shots, seed, labelNoise },
    accuracy: accuracy(score),
    ...score,
    ...{ newClasses, shifts, loss, steps, step, found },
  };
}
