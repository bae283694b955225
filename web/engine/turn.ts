import { StorageError } from "./problem.ts";

/** A worker that was ended may hold its turn a little longer. */
const PATIENCE = 3000;

/**
 * Waits until no other worker of this page works on what is kept, since two would write over each other; the turn lasts as
 * long as the worker. StorageError where another keeps it.
 */
export async function takeTurn(): Promise<void> {
  const forEver = new Promise<never>(() => {});
  await new Promise<void>((taken, refused) => {
    navigator.locks
      .request("coop", { signal: AbortSignal.timeout(PATIENCE) }, () => {
        taken();
        return forEver;
      })
      .catch(refused);
  }).catch(() => {
    throw new StorageError("This page is open in another tab or window. Close it there, then load it here again.");
  });
}
