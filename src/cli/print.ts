import { printable } from "../coop/progress.ts";

/** Writes an answer to stdout. Whatever stands in the names in it, it does nothing to a terminal. */
export const print = (text: string): void => console.log(printable(text));

/** Writes an answer for programs to stdout, in one line. */
export const printJson = (value: unknown): void => console.log(JSON.stringify(value));

/** Writes a note to stderr, as `print` does. */
export const say = (text: string): void => console.error(printable(text));
