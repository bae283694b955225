import { environment } from "./runtime.ts";

/** Whether DEBUG asks for anything of coop. */
export const isDebugging = (): boolean => /(^|,)\s*coop\b/.test(environment("DEBUG") ?? "");

/** Prints what DEBUG asks for of a program that was just made; undefined where it asks for nothing. */
export let printDebug: typeof import("./debug.ts").printDebug | undefined;

/** Loads what prints, where DEBUG asks for it: before the first program is made. */
export async function prepareDebug(): Promise<void> {
  if (isDebugging()) ({ printDebug } = await import("./debug.ts"));
}
