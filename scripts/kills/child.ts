// One run of a program that is to be killed.
import { spawn } from "node:child_process";

const FAULTS = new URL("./faults.ts", import.meta.url).href;
const LIMIT = 180_000;

/** How a run is to end: by itself, at an operation on a file (see faults.ts), or after some milliseconds. */
export type End = { readonly fault: string } | { readonly after: number } | undefined;

export interface Program {
  /** What stands behind `node`. */
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The folder whose files count. */
  readonly under: string;
}

export interface Ended {
  /** null where it was killed. */
  readonly code: number | null;
  readonly stderr: string;
  readonly milliseconds: number;
}

/** Runs a program to its end, which may come early. Error where it hangs. */
export function run({ words, env, under }: Program, end?: End, log = ""): Promise<Ended> {
  const began = performance.now();
  const fault = end && "fault" in end ? end.fault : "none@0";
  const faults = { COOP_FAULT: fault, COOP_FAULT_UNDER: under, COOP_FAULT_LOG: log };
  const child = spawn(process.execPath, ["--import", "tsx", "--import", FAULTS, ...words], {
    env: { ...process.env, COOP_QUIET: "1", ...env, ...faults },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (piece) => (stderr += piece));
  let hangs = false;
  const timers = [
    setTimeout(() => {
      hangs = true;
      child.kill("SIGKILL");
    }, LIMIT),
  ];
  if (end && "after" in end) timers.push(setTimeout(() => child.kill("SIGKILL"), end.after));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      for (const timer of timers) clearTimeout(timer);
      if (hangs) reject(new Error(`${words.join(" ")} ran for more than ${LIMIT / 1000} s:\n${stderr}`));
      else resolve({ code, stderr, milliseconds: performance.now() - began });
    });
  });
}
