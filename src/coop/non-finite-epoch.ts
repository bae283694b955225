import { findNonFinite } from "../tensor/non-finite.ts";
import { free } from "../tensor/values.ts";
import type { Checks, FitState, TrainingStep } from "./epochs.ts";

/** Where numbers stopped being finite: the epoch again, a step at a time, and the first bad one op by op. */
export async function originOf<P, Batch>(
  step: TrainingStep<P, Batch>,
  before: FitState<P>,
  batches: Iterable<Batch>,
  rate: number,
  { copyOf, health }: Checks<P>,
): Promise<string> {
  let { params, optimizer }: Pick<FitState<P>, "params" | "optimizer"> = before;
  let count = 0;
  for (const batch of batches) {
    count++;
    const kept = copyOf(params, optimizer);
    const [updated, state, loss] = step(params, optimizer, batch, rate);
    [params, optimizer] = [updated, state];
    const healthy = health(params);
    const [value, finiteParams] = await Promise.all([loss.item(), healthy.item()]);
    const bad = !Number.isFinite(value) || finiteParams === 0;
    const found = bad ? await findNonFinite(step, kept.params, kept.optimizer, batch, rate) : undefined;
    free([kept, loss, healthy, batch]);
    if (!bad) continue;
    free([params, optimizer]);
    return `In step ${count}, ${found?.text ?? "computed op by op, every number is finite: see coop doctor"}.`;
  }
  free([params, optimizer]);
  return "Computed again, every step is finite: that is the adapter or its driver; see coop doctor.";
}
