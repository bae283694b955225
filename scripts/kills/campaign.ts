// Kills a journey again and again, looks at its files after each time, lets it go on, and compares how it ends.
import { readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Random } from "../../src/world/index.ts";
import { type End, type Program, run } from "./child.ts";

/** Something that people run for long, and what must hold of its files. */
export interface Journey {
  readonly name: string;
  /** Puts what a run begins with into an empty folder. */
  prepare(folder: string): Promise<void>;
  /** The command for a folder that may hold a part of its work. */
  program(folder: string): Program;
  /** Throws where a file under its own name is neither the old one nor a new one. */
  whole(folder: string): Promise<void>;
  /** What the finished run left, to be compared. */
  result(folder: string): Promise<string>;
}

/** What was found in a journey. */
export interface Findings {
  readonly journey: string;
  readonly seed: number;
  readonly kills: number;
  /** At an operation on a file: before it, or in the middle of its bytes. */
  readonly killsInWrites: number;
  /** Operations on files in an uninterrupted run. */
  readonly operations: number;
  /** Runs that were made to fail, as by a full disk, and ended with code 1 and one line. */
  readonly failures: number;
  /** Killed or failed runs that were gone on with to the end, which was that of the uninterrupted run. */
  readonly finished: number;
  readonly seconds: number;
}

const ERRORS = ["ENOSPC", "EROFS", "EACCES", "EDQUOT"];
/** Kills of one folder before it is let go on to the end. */
const MOST_IN_A_ROW = 4;

/**
 * @param kills how often it is killed; a quarter as often it is made to fail
 * @throws Error that names the seed and the moment, where something is wrong
 */
export async function campaign(journey: Journey, kills: number, seed: number, root: string): Promise<Findings> {
  const began = performance.now();
  const random = new Random(seed, [...journey.name].reduce((sum, c) => sum * 31 + c.charCodeAt(0), 7) >>> 0);
  let number = 0;
  const fresh = async () => {
    const folder = join(root, `${journey.name}-${number++}`);
    await mkdir(folder, { recursive: true });
    await journey.prepare(folder);
    return folder;
  };

  const reference = await fresh();
  const log = join(root, `${journey.name}.log`);
  const uninterrupted = await run(journey.program(reference), undefined, log);
  if (uninterrupted.code !== 0) throw new Error(`${journey.name} fails by itself:\n${uninterrupted.stderr}`);
  const operations = readFileSync(log, "utf8").trim().split("\n").length;
  const expected = await journey.result(reference);
  const duration = uninterrupted.milliseconds;

  let [killed, inWrites, failures, finished] = [0, 0, 0, 0];
  while (killed < kills) {
    const folder = await fresh();
    const told: string[] = [];
    const check = async (what: string, test: () => Promise<void>) => {
      try {
        await test();
      } catch (error) {
        throw new Error(`${journey.name}, seed ${seed}, ${folder}, after ${told.join(", ")}: ${what}`, {
          cause: error,
        });
      }
    };
    const rounds = 1 + random.integer(MOST_IN_A_ROW);
    let done = false;
    for (let round = 0; round < rounds && killed < kills && !done; round++) {
      const n = 1 + random.integer(operations);
      const kind = random.integer(8);
      const end: End =
        kind < 2
          ? { fault: `kill@${n}` }
          : kind < 4
            ? { fault: `half@${n}` }
            : kind < 6
              ? { after: random.uniform(0, duration) }
              : { fault: `${ERRORS[random.integer(ERRORS.length)]}@${n}` };
      told.push("fault" in end ? end.fault : `${end.after.toFixed(0)} ms`);
      const { code, stderr } = await run(journey.program(folder), end);
      await check("a file is not whole", () => journey.whole(folder));
      if (code === null) {
        killed++;
        if ("fault" in end) inWrites++;
      } else if (code === 1) {
        await check(`it does not say in one line what failed, but\n${stderr}`, async () => {
          if (!("fault" in end) || !/^coop: .*(disk|permitted|folder).*$/m.test(stderr) || /^ {4}at /m.test(stderr))
            throw new Error();
        });
        failures++;
      } else if (code === 0) done = true;
      else
        throw new Error(`${journey.name}, seed ${seed}, ${folder}, after ${told.join(", ")}: code ${code}\n${stderr}`);
    }
    if (!done) {
      const { code, stderr } = await run(journey.program(folder));
      if (code !== 0)
        throw new Error(`${journey.name}, seed ${seed}, ${folder}, after ${told.join(", ")}: cannot go on:\n${stderr}`);
    }
    await check("it ends otherwise", async () => {
      if ((await journey.result(folder)) !== expected) throw new Error("not the files of the uninterrupted run");
    });
    finished++;
    await rm(folder, { recursive: true, force: true });
  }
  const seconds = Math.round((performance.now() - began) / 1000);
  return {
    journey: journey.name,
    seed,
    kills: killed,
    killsInWrites: inWrites,
    operations,
    failures,
    finished,
    seconds,
  };
}
