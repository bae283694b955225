// Processes that work side by side: on CPU drivers two small programs run faster beside one another than one on two cores.
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { RunRecord } from "./records.ts";
import type { FromWorker, Group, Setup, ToWorker } from "./worker.ts";

const WORKER = fileURLToPath(new URL("./worker.ts", import.meta.url));

/**
 * Has all groups done.
 *
 * @param tell awaited for each record before the next group is given out
 * @returns the adapter that they ran on
 * @throws Error where a process fails or ends by itself, after all others were ended
 */
export async function doGroups(
  todo: readonly Group[],
  processes: number,
  setup: Setup,
  tell: (record: Omit<RunRecord, "settings">) => Promise<void>,
): Promise<string> {
  const queue = [...todo];
  const children: ChildProcess[] = [];
  let adapter = "";
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const child = fork(WORKER, [JSON.stringify(setup)], {
        execArgv: ["--import", "tsx"],
        env: { LP_NUM_THREADS: "1", ...process.env }, // Mesa's; more would only get in one another's way
        stdio: ["ignore", "ignore", "pipe", "ipc"],
      });
      children.push(child);
      let written = "";
      child.stderr?.on("data", (text) => {
        written = `${written}${text}`.slice(-2000);
      });
      let told: Promise<unknown> = Promise.resolve();
      const next = () => {
        const message: ToWorker = queue.shift() ?? "end";
        child.send(message);
      };
      child.on("message", (message: FromWorker) => {
        if ("failed" in message) reject(new Error(message.failed));
        else if ("record" in message) told = told.then(() => tell(message.record));
        else {
          if ("ready" in message) adapter = message.ready;
          told.then(next, reject);
        }
      });
      child.on("exit", (code) =>
        code === 0 ? resolve() : reject(new Error(`a process ended with ${code}:\n${written}`)),
      );
    });
  try {
    await Promise.all(Array.from({ length: Math.min(processes, todo.length) }, one));
    return adapter;
  } finally {
    for (const child of children) child.kill();
  }
}
