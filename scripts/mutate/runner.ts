import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Job, Outcome } from "./worker.ts";

export type Verdict = Outcome & { readonly seconds: number; readonly timedOut?: boolean };

const WORKER = fileURLToPath(new URL("worker.ts", import.meta.url));
/** Jobs of one process: each leaves its modules and its device behind. */
const JOBS = 25;

/** Runs jobs one at a time in a process that is replaced when it hangs, dies or gets old. */
export class Runner {
  private child: ChildProcess | undefined;
  private jobs = 0;

  /** @param limit seconds after which the process is killed: a fault may never end */
  async run(job: Job, limit: number): Promise<Verdict> {
    if (this.jobs++ % JOBS === 0) this.close();
    this.child ??= fork(WORKER, { stdio: ["ignore", "ignore", "ignore", "ipc"] });
    const { child } = this;
    const start = performance.now();
    let ended = () => {};
    const outcome = await new Promise<Outcome & { timedOut?: boolean }>((resolve) => {
      const timer = setTimeout(() => resolve({ ran: 0, failed: "no end", timedOut: true }), limit * 1000);
      const onMessage = (message: unknown) => resolve(message as Outcome);
      const onExit = (code: number | null, signal: string | null) =>
        resolve({ ran: 0, failed: "crash", message: `the process ended with ${signal ?? code}` });
      child.on("message", onMessage).on("exit", onExit);
      ended = () => {
        clearTimeout(timer);
        child.off("message", onMessage).off("exit", onExit);
      };
      child.send(job);
    });
    ended();
    const { failed } = outcome;
    if (failed === "no end" || failed === "crash" || failed?.startsWith("un")) this.close();
    return { ...outcome, seconds: (performance.now() - start) / 1000 };
  }

  close(): void {
    this.child?.kill("SIGKILL");
    this.child = undefined;
  }
}
