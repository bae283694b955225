import { oneLine } from "../clip/bytes.ts";
import { InputError } from "../tensor/errors.ts";
import { checkRunFolder } from "./atomic.ts";
import { lockFolder } from "./lock.ts";
import { CONFIG_FILE } from "./run-config.ts";
import { CHECKPOINT } from "./training-state.ts";

/** The place of a run while it is made: a folder beside its own, locked by this process. */
export interface RunPlace {
  readonly dir: string;
  /** Whether the run is there already, whole. */
  readonly finished: boolean;
  /** Gives the place back. What can be gone on from stays, unless the run is `done`. */
  release(done?: boolean): Promise<void>;
}

/** Where a run is kept while it is made. */
export async function partialOf(out: string): Promise<string> {
  return `${(await import("node:path")).resolve(out)}.partial`;
}

/**
 * Takes the place that a run is made in.
 *
 * @param resume whether to go on with what is there; "any" if it may as well be nothing
 * @throws InputError where another process works there, where a new run finds something in its place, and where there is
 *   nothing to go on with
 */
export async function takeRunPlace(out: string, resume: boolean | "any"): Promise<RunPlace> {
  const { readdir, rm } = await import("node:fs/promises");
  const dir = await partialOf(out);
  const entries = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
  const resumable = async () => (await entries(dir)).some((name) => name.startsWith(CHECKPOINT.split(".")[0]));
  const wasThere = (await entries(dir)).length > 0;
  const lock = await lockFolder(dir, out);
  const release = async (done = false) => {
    if (done || !(await resumable())) await rm(dir, { recursive: true, force: true });
    await lock.release();
  };
  try {
    const finished = (await entries(out)).includes(CONFIG_FILE);
    if (!resume && (await resumable()))
      throw new InputError(
        `${oneLine(out)}: a training was cut short there. Go on with it by --resume ${oneLine(out)}, or delete ${oneLine(dir)}.`,
      );
    if (!resume || !finished) await checkRunFolder(out);
    if (resume === true && !finished && !wasThere)
      throw new InputError(`${oneLine(out)}: there is no training to go on with. Begin one with --out.`);
    return { dir, finished, release };
  } catch (error) {
    await release();
    throw error;
  }
}
