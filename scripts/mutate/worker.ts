// Runs tests on one bundle after another in one process; talks to the parent.
import "../../test/gpu-settings.ts";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { bundled, ROOT } from "./bundle.ts";

/** What to run on which text. */
export interface Job {
  readonly replaced?: { readonly path: string; readonly text: string };
  readonly tests: readonly { readonly file: string; readonly pattern: string }[];
  /** Of the random cases, all where not given. */
  readonly share?: number;
}

/** What came of it. */
export interface Outcome {
  readonly ran: number;
  readonly failed?: string;
  readonly message?: string;
}

fc.configureGlobal({ endOnFailure: true }); // that it fails is all that is asked
process.env.COOP_SHRINK = "0";
process.env.COOP_QUIET = "1";

async function outcome({ replaced, tests, share = 1 }: Job, n: number): Promise<Outcome> {
  try {
    process.env.COOP_CASES = String(share);
    const file = join(folder, `${n}.mjs`);
    writeFileSync(file, await bundled([...new Set(tests.map(({ file }) => file))], replaced));
    const { run } = await import(pathToFileURL(file).href).finally(() => rmSync(file));
    return await run(tests);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { ran: 0, failed: "loading", message };
  }
}

mkdirSync(join(ROOT, "runs"), { recursive: true });
const folder = mkdtempSync(join(ROOT, "runs/mutants-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
process.on("disconnect", () => process.exit());

let jobs = 0;
process.on("message", async (job: Job) => process.send!(await outcome(job, jobs++)));
// what goes wrong behind a test's back is a failure of what runs; the parent takes another process after it
for (const event of ["uncaughtException", "unhandledRejection"] as const)
  process.on(event, (error: Error) => {
    const message = error?.message ?? String(error);
    process.send!({ ran: 0, failed: event, message }, () => process.exit(1));
  });
