/** Milliseconds between two submissions, at first and at most. */
const FIRST = 1;
const LONGEST = 32;

/**
 * Waits for work on the GPU. Firefox looks whether any is done ten times a second, and when something is submitted
 * (Mozilla's bug 1870699); there, empty submissions keep a result of a millisecond from taking a hundred.
 */
export function promptly<T>(queue: GPUQueue, done: Promise<T>): Promise<T> {
  if (!/\bFirefox\//.test(globalThis.navigator?.userAgent ?? "")) return done;
  let timer: ReturnType<typeof setTimeout>;
  const submitAfter = (wait: number): void => {
    timer = setTimeout(() => {
      queue.submit([]);
      submitAfter(Math.min(2 * wait, LONGEST));
    }, wait);
  };
  submitAfter(FIRST);
  return done.finally(() => clearTimeout(timer));
}
