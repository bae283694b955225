// The command line as a process of its own.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "../src/cli/main.ts");
const TIMEOUT = 60_000;

/** How a command ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `coop …` without progress lines and without keeping features. */
export const coop = (...words: string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    const env = { ...process.env, COOP_QUIET: "1", COOP_NO_CACHE: "1" };
    const args = ["--import", "tsx", MAIN, ...words];
    execFile(process.execPath, args, { timeout: TIMEOUT, env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    );
  });

/** What a command with --json printed. */
export function jsonOf({ code, stdout, stderr }: Outcome) {
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** Asserts that a command failed, printing nothing but a message. */
export function refused({ code, stdout, stderr }: Outcome, expected: number, pattern: RegExp): void {
  assert.equal(code, expected, stderr);
  assert.equal(stdout, "");
  assert.match(stderr, pattern);
}
