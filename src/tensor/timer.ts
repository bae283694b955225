import type { Device } from "./device.ts";
import type { Program } from "./program.ts";

/** One launch as it ran: nanoseconds on a clock of the device's. */
export interface Sample {
  readonly program: Program;
  /** Which run of the program, counted from 0. */
  readonly run: number;
  /** Place in the program's list of dispatches. */
  readonly index: number;
  readonly begin: number;
  readonly end: number;
}

/** Puts one launch of a program into a pass. */
type Encode = (pass: GPUComputePassEncoder) => void;

/** Launches in one submission. */
const PIECE = 64;

let active: Timer | undefined;

/** The timer that programs hand their launches to, while something is being profiled. */
export const activeTimer = (): Timer | undefined => active;

/** Switches a timer on, or off; returns the one before. */
export function useTimer(timer: Timer | undefined): Timer | undefined {
  const before = active;
  active = timer;
  return before;
}

/**
 * Submits launches so that each is timed: by timestamps around a pass of its own, or, where the device has none, by
 * submitting each alone and looking at the clock when it is done.
 */
export class Timer {
  readonly samples: Sample[] = [];
  readonly method: "timestamps" | "submissions";
  private readonly runs = new Map<Program, number>();
  private readonly pending: Promise<void>[] = [];
  /** When the last launch that was submitted alone was done. */
  private last: Promise<number> = Promise.resolve(0);

  constructor(
    private readonly device: Device,
    method?: "submissions",
  ) {
    this.method = method ?? (device.gpu.features.has("timestamp-query") ? "timestamps" : "submissions");
  }

  /** Runs all launches of a program, in order. */
  submit(program: Program, launches: readonly Encode[]): void {
    const run = this.runs.get(program) ?? 0;
    this.runs.set(program, run + 1);
    const sample = (index: number, begin: number, end: number) =>
      void this.samples.push({ program, run, index, begin, end });
    if (this.method === "submissions") launches.forEach((encode, i) => this.alone(encode, i, sample));
    else {
      for (let from = 0; from < launches.length; from += PIECE)
        this.stamped(launches.slice(from, from + PIECE), from, sample);
    }
  }

  /** Waits for the times of everything submitted so far. */
  async settle(): Promise<void> {
    await Promise.all(this.pending.splice(0));
  }

  private stamped(launches: readonly Encode[], from: number, sample: Record): void {
    const { gpu } = this.device;
    const count = 2 * launches.length;
    const querySet = gpu.createQuerySet({ type: "timestamp", count });
    const resolved = gpu.createBuffer({
      size: 8 * count,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    const staging = gpu.createBuffer({ size: 8 * count, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = gpu.createCommandEncoder();
    launches.forEach((encode, i) => {
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
      });
      encode(pass);
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, 8 * count);
    gpu.queue.submit([encoder.finish()]);
    const read = async () => {
      try {
        await staging.mapAsync(GPUMapMode.READ);
        const times = new BigUint64Array(staging.getMappedRange());
        // a clock that is reset or steps back gives nonsense for that launch: count it as nothing rather
        launches.forEach((_, i) => {
          const [begin, end] = [Number(times[2 * i]), Number(times[2 * i + 1])];
          sample(from + i, begin, Math.max(begin, end));
        });
      } finally {
        for (const buffer of [staging, resolved]) buffer.destroy();
        querySet.destroy();
      }
    };
    this.pending.push(read());
  }

  private alone(encode: Encode, index: number, sample: Record): void {
    const { queue } = this.device.gpu;
    const encoder = this.device.gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass);
    pass.end();
    const submitted = performance.now() * 1e6;
    queue.submit([encoder.finish()]);
    const before = this.last;
    this.last = queue.onSubmittedWorkDone().then(() => performance.now() * 1e6);
    this.pending.push(
      Promise.all([before, this.last]).then(([idle, end]) => sample(index, Math.max(submitted, idle), end)),
    );
  }
}

type Record = (index: number, begin: number, end: number) => void;
