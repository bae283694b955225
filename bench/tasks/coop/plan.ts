import type { Compiled } from "../../../src/index.ts";
import type { PlanReport } from "../../work-type.ts";

/** Compares the bytes that a compiled function's plan takes with the most that are alive at any one dispatch. */
export function planReport<Args extends unknown[], Result>(compiled: Compiled<Args, Result>): PlanReport {
  const [{ dispatches, plan }] = compiled.inspect();
  const from = new Map<object, number>();
  const to = new Map<object, number>();
  dispatches.forEach(({ reads, writes }, at) => {
    for (const buffer of [...reads, ...writes]) {
      if (!from.has(buffer)) from.set(buffer, at);
      to.set(buffer, at);
    }
  });
  const change = new Float64Array(dispatches.length + 1);
  for (const buffer of plan.slotOf.keys()) {
    change[from.get(buffer)!] += buffer.bytes;
    change[to.get(buffer)! + 1] -= buffer.bytes;
  }
  let alive = 0;
  let liveBytes = 0;
  for (const bytes of change) liveBytes = Math.max(liveBytes, (alive += bytes));
  return { dispatches: dispatches.length, planBytes: plan.peakBytes, liveBytes };
}
