import type { ProgramReport } from "../../tensor/index.ts";

/** One step of a training, counted in its compiled program. */
export interface StepCost {
  /** Arithmetic operations. */
  readonly flops: number;
  /** Read and written. */
  readonly bytes: number;
  /** Of the device, for what lies in between. */
  readonly memory: number;
}

/**
 * What a compiled step costs.
 * @example costOf(step.inspect()[0]).flops
 */
export function costOf({ dispatches, plan }: Pick<ProgramReport, "dispatches" | "plan">): StepCost {
  return {
    flops: dispatches.reduce((sum, { work }) => sum + work.flops, 0),
    bytes: dispatches.reduce((sum, { work }) => sum + work.bytes, 0),
    memory: plan.peakBytes,
  };
}
