// Strikes a training with faults of the device, at call after call, and says what came of it:
// npm run faults [-- --only lost,hang] [--every N] [--jobs N] [--write]
import "../test/gpu-settings.ts";
import { fork } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { FAULTS, type Fault } from "../test/faulty-gpu.ts";
import { ingredients, type Outcome, openFaulty, strike, training } from "../test/faulty-training.ts";

/** Calls from one point to the next: more of what is likely to leave something behind, fewer of what waits. */
const EVERY: Readonly<Record<Fault, number>> = { throw: 4, lost: 10, refused: 20, memory: 16, hang: 40 };
/** Points for one process, since drivers keep some memory of each device that they opened. */
const PIECE = 14;

/** What a process is asked to do, and what it answers. */
interface Part {
  readonly fault: Fault;
  readonly points: readonly number[];
}
interface Answer {
  readonly adapter: string;
  readonly calls: number;
  readonly outcomes: readonly Outcome[];
  readonly unhandled: number;
}

async function work({ fault, points }: Part): Promise<Answer> {
  let unhandled = 0;
  process.on("unhandledRejection", (error) => {
    unhandled++;
    console.error("nobody handled", error);
  });
  const what = await ingredients();
  const dir = await mkdtemp(join(tmpdir(), "coop-faults-"));
  const { gpu, on } = await openFaulty();
  const expected = await training(what, dir);
  on.release();
  gpu.device.destroy();
  await rm(dir, { recursive: true });
  const outcomes: Outcome[] = [];
  for (const at of points) outcomes.push(await strike(what, fault, at, expected));
  return { adapter: on.adapter, calls: gpu.calls.length, outcomes, unhandled };
}

function inProcess(part: Part): Promise<Answer> {
  const child = fork(import.meta.filename, [], { timeout: 1000 * (60 + 20 * part.points.length) });
  return new Promise((resolve, reject) => {
    child.once("message", (answer: Answer) => resolve(answer));
    child.once("close", (code, signal) => reject(new Error(`a process ended with ${signal ?? code}`)));
    child.send(part);
  });
}

async function campaign(): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      only: { type: "string" },
      every: { type: "string" },
      jobs: { type: "string", default: "1" },
      write: { type: "boolean", default: false },
    },
  });
  const kinds = flags.only ? FAULTS.filter((fault) => flags.only!.split(",").includes(fault)) : FAULTS;
  const { adapter, calls } = await inProcess({ fault: "throw", points: [] });
  console.log(`${adapter}: a training of ${calls} calls`);
  const lists = kinds.map((fault) => {
    const every = Number(flags.every ?? EVERY[fault]);
    const all = Array.from({ length: Math.ceil(calls / every) }, (_, i) => 1 + i * every);
    return Array.from({ length: Math.ceil(all.length / PIECE) }, (_, i) => ({
      fault,
      points: all.slice(i * PIECE, (i + 1) * PIECE),
    }));
  });
  // in turns, so that a campaign that is cut short has tried all of them
  const parts: Part[] = Array.from({ length: Math.max(...lists.map(({ length }) => length)) }, (_, i) =>
    lists.flatMap((list) => list.slice(i, i + 1)),
  ).flat();
  const found: Outcome[] = [];
  let unhandledRejections = 0;
  const started = performance.now();
  const report = async (): Promise<number> => {
    const row = (fault: Fault) => {
      const outcomes = found.filter((outcome) => outcome.fault === fault);
      const errors: Record<string, number> = {};
      for (const { error = "none: it ended well" } of outcomes) errors[error] = (errors[error] ?? 0) + 1;
      const slowestMilliseconds = Math.round(Math.max(0, ...outcomes.map(({ milliseconds }) => milliseconds)));
      return { points: outcomes.length, errors, slowestMilliseconds, wrong: outcomes.filter(isWrong).length };
    };
    const result = {
      ...{ adapter, calls, points: found.length },
      pointsLeft: parts.reduce((sum, { points }) => sum + points.length, 0),
      unhandledRejections,
      wrong: found.filter(isWrong).length,
      seconds: Math.round((performance.now() - started) / 1000),
      faults: Object.fromEntries(kinds.map((fault) => [fault, row(fault)])),
    };
    if (flags.write) {
      await mkdir("reliability", { recursive: true });
      await writeFile("reliability/faults.json", `${JSON.stringify(result, null, 2)}\n`);
    }
    if (result.pointsLeft === 0) console.log(JSON.stringify(result, null, 2));
    return result.wrong + unhandledRejections;
  };
  const worker = async (): Promise<void> => {
    for (let part = parts.shift(); part; part = parts.shift()) {
      const { outcomes, unhandled } = await inProcess(part);
      found.push(...outcomes);
      unhandledRejections += unhandled;
      console.log(`${part.fault}: ${outcomes.length} points, ${outcomes.filter(isWrong).length} wrong`);
      for (const { at, call, wrong } of outcomes.filter(isWrong))
        console.log(`  at ${at} (${call}): ${wrong.join("; ")}`);
      await report();
    }
  };
  await Promise.all(Array.from({ length: Number(flags.jobs) }, worker));
  process.exit((await report()) > 0 ? 1 : 0);
}

const isWrong = ({ wrong }: Outcome): boolean => wrong.length > 0;

if (process.send) process.once("message", async (part: Part) => process.send!(await work(part), () => process.exit(0)));
else await campaign();
