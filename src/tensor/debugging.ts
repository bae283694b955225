import type { Lowered } from "./lower.ts";
import type { Plan } from "./plan.ts";
import { environment } from "./runtime.ts";
import type { Tensor } from "./tensor.ts";

const asks = (): string => environment("DEBUG") ?? "";

/** Whether DEBUG asks for anything of coop. */
export const isDebugging = (): boolean => /(^|,)\s*coop\b/.test(asks());

/** Prints what DEBUG asks for of a program that was just made; undefined where it asks for nothing. */
export let printDebug: ((name: string, roots: readonly Tensor[], lowered: Lowered, plan: Plan) => void) | undefined;

/** Loads what prints, where DEBUG asks for it: before the first program is made. */
export async function prepareDebug(): Promise<void> {
  if (!isDebugging()) return;
  const debug = await import("./debug.ts"); // needs nothing of what every page loads, so that that stays whole
  printDebug = (...program) => debug.printDebug(asks(), ...program);
}
