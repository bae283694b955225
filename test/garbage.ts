// What is left to the collector, collected now.
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Device } from "../src/tensor/index.ts";

/** Collects garbage until that is enough, or after so many rounds. */
export async function collectGarbage(enough: () => boolean, rounds = 20): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let i = 0; i < rounds && !enough(); i++) {
    collect();
    await sleep(5);
  }
}

/** Collects what earlier tests left, which would else go while a test counts memory to the byte. */
export async function collectLeftovers(on: Device): Promise<void> {
  let last = Number.POSITIVE_INFINITY;
  const settled = () => last === on.memory().byOwner.values;
  while (!settled()) {
    last = on.memory().byOwner.values;
    await collectGarbage(() => false, 2);
  }
}
