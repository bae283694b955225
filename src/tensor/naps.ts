import { inBrowser } from "./environment.ts";

/** Milliseconds of waiting before the first nap: shorter waits take what they took. */
const AWAKE = 2;
/** A nap as a share of the time waited, and its most milliseconds: what a result may come later. */
const SHARE = 1 / 16;
const LONGEST = 1;
/** Milliseconds from which a turn of the event loop had something else to do. */
const BUSY = 0.05;

/** What is slept on. Pages may not sleep, those of Electron neither, and Deno waits in its own way. */
const pillow =
  inBrowser() || "document" in globalThis || "Deno" in globalThis
    ? undefined
    : new Int32Array(new SharedArrayBuffer(4));

/**
 * In Node and Bun, Dawn looks at every turn of the event loop whether the GPU is done, and turns it without a pause:
 * waiting takes a whole core, which on a software adapter is one that computes. Naps between idle turns leave it to
 * others.
 *
 * @param waiting whether something is waited for
 * @returns what to call when a wait begins, and when something came back
 */
export function naps(waiting: () => boolean): () => void {
  if (!pillow) return () => {};
  let [since, last, turning] = [0, 0, false];
  const turn = (): void => {
    turning = waiting();
    if (!turning) return;
    const now = performance.now();
    const waited = now - since;
    if (waited > AWAKE && now - last < BUSY) Atomics.wait(pillow, 0, 0, Math.min(SHARE * waited, LONGEST));
    last = performance.now();
    setImmediate(turn);
  };
  return () => {
    since = performance.now();
    if (!turning) setImmediate(turn);
    turning = true;
  };
}
