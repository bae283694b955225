import type { Timer } from "./timer.ts";

let active: Timer | undefined;

/** The timer that programs hand their launches to, while something is being profiled. */
export const activeTimer = (): Timer | undefined => active;

/** Switches a timer on, or off; returns the one before. */
export function useTimer(timer: Timer | undefined): Timer | undefined {
  const before = active;
  active = timer;
  return before;
}
