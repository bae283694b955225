import { type ChildProcess, fork } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Fault, Verdict } from "./judge.ts";
import { AT_HAND, type Job, keep, type Report } from "./work.ts";

/** What came of a target. */
export interface Outcome {
  readonly target: string;
  readonly inputs: number;
  readonly read: number;
  readonly refused: number;
  /** Inputs that ran code which none before had run. */
  readonly kept: number;
  readonly functions: number;
  readonly functionsOf: number;
  /** of the processor, for one input */
  readonly slowestMilliseconds: number;
  /** Heap and buffers that were allocated for one input, beyond its size. */
  readonly allocatedBytes: number;
  /** The process's resident memory, Node itself and its modules included. */
  readonly peakBytes: number;
  readonly seconds: number;
  readonly findings: readonly Finding[];
}

export interface Finding {
  readonly fault: Fault;
  readonly text: string;
  readonly file: string;
}

/** An input gets so long by the clock before its process is ended and it is given once more, alone. */
const PATIENCE = 5000;
const REPLAY_PATIENCE = 30_000;
const MOST_ROUNDS = 5;
/** What an input allocates is known where the collector does not come in between; what it needs, where it does. */
const HEAP = { search: ["--max-old-space-size=512", "--max-semi-space-size=64"], replay: ["--max-semi-space-size=1"] };

type Done = Extract<Report, { kind: "done" }>;

/** Searches with one target, in processes of its own: what an input does to one of them is seen from outside. */
export async function campaign(job: Job): Promise<Outcome> {
  mkdirSync(job.folder, { recursive: true });
  const started = performance.now();
  const findings: Finding[] = [];
  const parts: Done[] = [];
  let inputs = 0;
  for (let round = 0; inputs < job.inputs && round < MOST_ROUNDS; round++) {
    const seed = round === 0 ? job.seed : `${job.seed}.${round}`;
    const ended = await oneProcess({ ...job, seed, inputs: job.inputs - inputs }, findings);
    inputs += ended.inputs;
    if (ended.done) parts.push(ended.done);
    if (ended.fault) {
      const bytes = inputAtHand(job).bytes;
      const again = await replay(job, keep(job, ended.fault, bytes));
      if (again) findings.push(again);
    }
  }
  const certain: Finding[] = [];
  for (const finding of findings)
    if (finding.fault !== "memory" || (await replay(job, finding.file))) certain.push(finding);
    else rmSync(finding.file);
  const most = (of: (part: Done) => number) => Math.max(0, ...parts.map(of));
  const sum = (of: (part: Done) => number) => parts.reduce((total, part) => total + of(part), 0);
  return {
    target: job.target,
    inputs,
    read: sum(({ read }) => read),
    refused: sum(({ refused }) => refused),
    kept: sum(({ kept }) => kept),
    functions: most(({ coverage }) => coverage.functions),
    functionsOf: most(({ coverage }) => coverage.of),
    slowestMilliseconds: Math.round(10 * most(({ slowest }) => slowest)) / 10,
    allocatedBytes: most(({ allocated }) => allocated),
    peakBytes: most(({ peak }) => peak),
    seconds: Math.round((performance.now() - started) / 100) / 10,
    findings: certain,
  };
}

/** One process until it is done, dies, or hangs at an input. */
async function oneProcess(
  job: Job,
  findings: Finding[],
): Promise<{ inputs: number; done?: Done; fault?: "crash" | "hang" }> {
  const child = start("search");
  let [done, inputs]: [Done | undefined, number] = [undefined, 0];
  let hung = false;
  child.on("message", (report: Report) => {
    if (report.kind === "progress") inputs = report.inputs;
    if (report.kind === "finding") findings.push({ fault: report.fault, text: report.text, file: report.file });
    if (report.kind === "done") done = report;
  });
  let [last, since] = [0n, performance.now()];
  const watch = setInterval(() => {
    const { number } = inputAtHand(job);
    if (number !== last || number === 0n) [last, since] = [number, performance.now()];
    else if (performance.now() - since > PATIENCE) hung = child.kill("SIGKILL");
  }, 250);
  child.send(job);
  const code = await exitOf(child);
  clearInterval(watch);
  if (code === 70) throw new Error(`the target ${job.target} could not be searched`);
  if (done) return { inputs: job.inputs, done };
  return { inputs: Math.max(inputs, Number(inputAtHand(job).number)), fault: hung ? "hang" : "crash" };
}

/** Gives a target a file once more, in a process of its own; undefined where nothing is wrong with it. */
export async function replay(job: Job, file: string): Promise<Finding | undefined> {
  const child = start("replay");
  let verdict: Verdict | undefined;
  child.on("message", (report: Report) => {
    if (report.kind === "replayed") verdict = report.verdict;
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), REPLAY_PATIENCE);
  child.send({ ...job, replay: file });
  const code = await exitOf(child);
  clearTimeout(timer);
  if (verdict) return verdict.fault && { fault: verdict.fault.kind, text: verdict.fault.text, file };
  if (child.signalCode === "SIGKILL") return { fault: "hang", text: `over ${REPLAY_PATIENCE} ms`, file };
  return { fault: "crash", text: `the process ended with ${child.signalCode ?? code}`, file };
}

const start = (what: keyof typeof HEAP): ChildProcess =>
  fork(fileURLToPath(new URL("work.ts", import.meta.url)), { execArgv: [...HEAP[what], "--import", "tsx"] });

const exitOf = (child: ChildProcess): Promise<number | null> => new Promise((done) => child.on("exit", done));

/** What the process was given last. */
function inputAtHand({ folder }: Job): { number: bigint; bytes: Uint8Array } {
  const path = join(folder, AT_HAND);
  try {
    const file = openSync(path, "r");
    const mark = new BigUint64Array(1);
    readSync(file, new Uint8Array(mark.buffer));
    closeSync(file);
    return {
      number: mark[0],
      bytes: mark[0] === 0n ? new Uint8Array() : new Uint8Array(readFileSync(path).subarray(8)),
    };
  } catch {
    return { number: 0n, bytes: new Uint8Array() };
  }
}
