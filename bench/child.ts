import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Run } from "./cases.ts";
import type { PlanReport } from "./work-type.ts";

/** What a child says when it is ready, and for each sample. */
export interface Answer {
  readonly ready?: true;
  readonly adapter: string;
  readonly peakBytes: number | null;
  readonly ms?: number;
  readonly value?: number;
  readonly values?: readonly number[];
  readonly output?: readonly number[];
  readonly firstMs?: number;
  readonly calls?: number;
  readonly plan?: PlanReport;
}

export interface ChildOptions {
  readonly fresh?: boolean;
  readonly device?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** A Python that has PyTorch, or undefined. */
export const pythonWithTorch = ["python3", "/usr/bin/python3"].find(
  (python) => spawnSync(python, ["-c", "import torch"], { timeout: 120_000 }).status === 0,
);

/** A process that does one library's work. */
export class Child {
  private readonly process: ChildProcess;
  private readonly answers: Answer[] = [];
  private waiting: (() => void) | undefined;
  private errors = "";
  private ended = false;

  constructor({ library, task, sizes }: Run, { fresh, device, env }: ChildOptions) {
    const [command, ...args] =
      library === "torch"
        ? [pythonWithTorch ?? "python3", here("torch-coop.py"), JSON.stringify(sizes)]
        : [
            process.execPath,
            ...["--import", "tsx", here("work.ts"), library, task, JSON.stringify({ ...sizes, fresh })],
            ...(device ? [device] : []),
          ];
    this.process = spawn(command, args, { cwd: here(".."), env: { ...process.env, ...env }, stdio: "pipe" });
    createInterface({ input: this.process.stdout! }).on("line", (line) => {
      if (!line.startsWith("{")) return; // a library's own greetings
      this.answers.push(JSON.parse(line));
      this.waiting?.();
    });
    this.process.stderr!.on("data", (text) => (this.errors = (this.errors + text).slice(-2000)));
    this.process.stdin!.on("error", () => {}); // it ended: the next answer says so
    for (const event of ["error", "close"] as const) {
      this.process.on(event, (why: unknown) => {
        if (event === "error") this.errors += why;
        this.ended = true;
        this.waiting?.();
      });
    }
  }

  /** The next answer; throws where the process ends or takes longer than `seconds`. */
  async answer(seconds: number): Promise<Answer> {
    if (this.answers.length === 0 && !this.ended) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, seconds * 1000);
        this.waiting = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    const answer = this.answers.shift();
    if (answer) return answer;
    const why = this.errors.split("\n").findLast((line) => /error/i.test(line));
    throw new Error(this.ended ? (why ?? "the process ended").trim().slice(0, 200) : `no answer in ${seconds} s`);
  }

  /** Asks for a sample. */
  sample(seconds: number): Promise<Answer> {
    this.process.stdin!.write("go\n");
    return this.answer(seconds);
  }

  /** Ends the process and waits for its end. */
  async stop(): Promise<void> {
    if (this.ended) return;
    const closed = new Promise((resolve) => this.process.once("close", resolve));
    this.process.kill("SIGKILL");
    await closed;
  }
}
