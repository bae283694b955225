import type { Case, Run } from "./cases.ts";
import { Child, type ChildOptions, pythonWithTorch } from "./child.ts";
import { makeModel } from "./models.ts";
import { relativeError } from "./statistics.ts";
import type { PlanReport } from "./work-type.ts";

export interface RunResult {
  readonly name: string;
  readonly sizes: object;
  readonly adapter?: string;
  /** Milliseconds of one call, a sample each. */
  readonly samples: number[];
  /** Calls in a sample. */
  calls?: number;
  /** The first call in the process, with whatever shaders the driver had kept. */
  firstMs?: number;
  /** The loss (or another value) of the first two calls. */
  values?: readonly number[];
  /** How far all of the output is from the first library's: the norm of the difference over the norm. */
  outputError?: number;
  peakBytes?: number | null;
  plan?: PlanReport;
  error?: string;
}

export interface CaseResult {
  readonly title: string;
  readonly date: string;
  readonly commit: string;
  readonly flops?: number;
  readonly runs: RunResult[];
}

interface Options extends ChildOptions {
  readonly rounds: number;
  readonly commit: string;
}

const PATIENCE = 1200;
const MOST_ERROR = 1e-3;

/** Runs a case: processes are made ready one after another, then give samples in turns. */
export async function measure(one: Case, options: Options): Promise<CaseResult> {
  const patience = one.patience ?? PATIENCE;
  const results = new Map<Run, RunResult>();
  const children = new Map<Run, Child>();
  let expected: readonly number[] | undefined;
  const start = async (run: Run, result: RunResult): Promise<Child> => {
    const env = { ...options.env, ...(one.fresh ? { MESA_SHADER_CACHE_DISABLE: "true" } : {}) };
    const child = new Child(run, { ...options, fresh: one.fresh, env });
    children.set(run, child);
    const { output, adapter, firstMs, values, calls, plan, peakBytes } = await child.answer(patience);
    Object.assign(result, { adapter, firstMs, values, calls, plan, peakBytes });
    if (output) {
      expected ??= output;
      result.outputError = relativeError(output, expected);
      if (!(result.outputError <= MOST_ERROR))
        throw new Error(`its output is ${result.outputError.toExponential(1)} from that of ${one.runs[0].name}`);
    }
    return child;
  };
  const attempt = async (run: Run, work: (result: RunResult) => Promise<void>): Promise<void> => {
    const result = results.get(run)!;
    if (result.error) return;
    try {
      await work(result);
    } catch (error) {
      result.error = (error as Error).message;
      await children.get(run)?.stop();
    }
    say(run, result);
  };
  const take = async (child: Child, result: RunResult): Promise<void> => {
    const { ms, value, peakBytes, plan } = await child.sample(patience);
    result.samples.push(ms!);
    result.peakBytes = peakBytes;
    result.plan ??= plan;
    if (value !== undefined) result.values = [value];
  };

  console.log(`\n${one.title}`);
  for (const run of one.runs) {
    const { rows, ...sizes } = run.sizes as { rows?: unknown };
    const result: RunResult = { name: run.name, sizes, samples: [] };
    results.set(run, result);
    if (run.library === "torch" && !pythonWithTorch) result.error = "no Python with PyTorch here";
  }
  if (one.model) await makeModel(one.model);
  try {
    if (!one.fresh) for (const run of one.runs) await attempt(run, async (result) => void (await start(run, result)));
    for (let round = 0; round < options.rounds; round++) {
      for (const run of one.runs) {
        if (round >= (run.rounds ?? options.rounds)) continue;
        await attempt(run, async (result) => {
          const child = one.fresh ? await start(run, result) : children.get(run)!;
          await take(child, result);
          if (one.fresh) await child.stop();
        });
      }
    }
  } finally {
    await Promise.all([...children.values()].map((child) => child.stop()));
  }
  const { title, flops } = one;
  return { title, flops, date: new Date().toISOString(), commit: options.commit, runs: [...results.values()] };
}

function say({ name }: Run, { samples, firstMs, error }: RunResult): void {
  const last = samples.at(-1);
  const text =
    error ?? (last === undefined ? `ready, first call ${firstMs?.toFixed(0) ?? "–"} ms` : `${last.toFixed(2)} ms`);
  console.log(`  ${name.padEnd(16)} ${text}`);
}
