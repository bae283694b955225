/** What a library does in one child process. */
export interface Work {
  /** One unit of the work, enqueued or done. */
  call(): void | Promise<void>;
  /** Hands what was enqueued to the device, where a library holds it back. */
  flush?(): void | Promise<void>;
  /** A value of the last call, by which the libraries are compared: a loss, or a mean. */
  value(): Promise<number>;
  /** All that the last call computed, where the libraries are compared by it before they are timed. */
  output?(): Float32Array;
  /** What computes, where the library does not take the adapter of this process. */
  readonly adapter?: string;
  /** How coop's own plan stands: see `planReport`. */
  plan?(): PlanReport;
}

export interface PlanReport {
  readonly dispatches: number;
  readonly planBytes: number;
  /** The largest sum of buffers that are alive at the same dispatch. */
  readonly liveBytes: number;
}

/** A worker's file: makes the work of a task from its sizes. */
export type MakeWork<Sizes> = (sizes: Sizes) => Promise<Work>;
