import { sleep } from "../../src/clip/patience.ts";

/** Milliseconds between two states. */
const PAUSE = 100;

/**
 * Sends what `snapshot` gives after changes: the first at once, then one for all changes since the last, `pause` milliseconds
 * apart at least and not before the last was taken.
 *
 * @returns to be called after each change
 */
export function publisher<T>(snapshot: () => T, send: (value: T) => unknown, pause = PAUSE): () => void {
  let [changed, sending] = [false, false];
  const sendAll = async () => {
    sending = true;
    while (changed) {
      changed = false;
      await Promise.allSettled([send(snapshot()), sleep(pause)]);
    }
    sending = false;
  };
  return () => {
    changed = true;
    if (!sending) void sendAll();
  };
}

/** Calls `work` once, some time after the last of several calls. */
export function debounced(work: () => void, milliseconds: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, milliseconds);
  };
}
