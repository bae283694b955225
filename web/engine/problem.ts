import { DeviceError, DeviceLostError, OutOfMemoryError } from "../../src/tensor/errors.ts";
import { PROBLEM_ERROR, type Problem } from "../protocol.ts";

/** The browser cannot keep something. */
export class StorageError extends Error {
  override name = "StorageError";
}

/** What a problem stands for all others: one that is found later does not hide it, except a graver one. */
const GRAVER: Readonly<Record<Problem["kind"], number>> = { storage: 0, crashed: 1, "device-lost": 2, "no-webgpu": 3 };

export const graver = (a: Problem | undefined, b: Problem): Problem => (a && GRAVER[a.kind] > GRAVER[b.kind] ? a : b);

export const deviceLost = (): Problem => ({
  kind: "device-lost",
  message: "The graphics device was reset or taken away. Everything up to the last epoch is kept; go on from there.",
});

/** How a call fails when a problem stands in its way: in the page's words, not in those of what noticed it first. */
export class ProblemError extends Error {
  override name = PROBLEM_ERROR;
}

/** The problem that an error is a sign of; undefined where it concerns nothing but what was asked. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof StorageError) return { kind: "storage", message: error.message };
  if (error instanceof DeviceLostError) return deviceLost();
  if (error instanceof OutOfMemoryError)
    return {
      kind: "crashed",
      message: `${sentence(error.message)} Load the page again, and take a smaller model or fewer classes.`,
    };
  if (error instanceof DeviceError) return crashed(error); // it will refuse whatever comes
  return undefined;
}

export const crashed = (error: unknown): Problem => ({
  kind: "crashed",
  message: `Something went wrong: ${sentence(messageOf(error))} Load the page again; what was kept is still there.`,
});

/** What a part of the page says of its error. */
export const wordsOf = (error: unknown): string => problemOf(error)?.message ?? messageOf(error);

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);
