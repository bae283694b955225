import { constants } from "node:os";
import { say } from "./print.ts";

/** Ctrl-C, and what `kill`, `docker stop` and the schedulers of clusters send. */
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** What is known of a signal to stop. */
export interface Interrupt {
  /** Whether it came. */
  now(): boolean;
  /** Milliseconds since then, -∞ where it did not. */
  since(): number;
  /** Listens no longer. */
  off(): void;
}

let stopped = 128 + constants.signals.SIGINT;

/** The exit code of what the last signal stopped, as shells have it: 130 after Ctrl-C, 143 after SIGTERM. */
export const stoppedCode = (): number => stopped;

/**
 * The first signal asks the work to stop and keep what it has. From then on they mean what they do to any program: a
 * second one ends this one at once, even in the middle of a long computation.
 */
export function onInterrupt(message: string): Interrupt {
  let asked = Number.POSITIVE_INFINITY;
  const off = () => {
    for (const signal of SIGNALS) process.off(signal, handler);
  };
  const handler = (signal: (typeof SIGNALS)[number]) => {
    off();
    asked = performance.now();
    stopped = 128 + constants.signals[signal];
    say(`\n${message}; ${signal === "SIGINT" ? "press Ctrl-C again" : "send SIGTERM again"} to end at once`);
  };
  for (const signal of SIGNALS) process.on(signal, handler);
  const since = () => performance.now() - asked;
  return { now: () => since() >= 0, since, off };
}
