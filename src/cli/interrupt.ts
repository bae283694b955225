import { say } from "./print.ts";

/** What is known of Ctrl-C. */
export interface Interrupt {
  /** Whether it was pressed. */
  now(): boolean;
  /** Milliseconds since then, -∞ where it was not. */
  since(): number;
  /** Listens no longer. */
  off(): void;
}

/**
 * The first Ctrl-C asks the work to stop and keep what it has. From then on it means what it does to any program: a
 * second one ends this one at once, even in the middle of a long computation.
 */
export function onInterrupt(message: string): Interrupt {
  let asked = Number.POSITIVE_INFINITY;
  const handler = () => {
    asked = performance.now();
    say(`\n${message}; press Ctrl-C again to end at once`);
  };
  process.once("SIGINT", handler);
  const since = () => performance.now() - asked;
  return { now: () => since() >= 0, since, off: () => process.off("SIGINT", handler) };
}
