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
export type Encode = (pass: GPUComputePassEncoder) => void;

/** Launches in one submission. */
const PIECE = 64;

/**
 * Submits launches so that each is timed: by timestamps around a pass of its own, or, where the device has none, by
 * submitting each alone and looking at the clock when it is done.
 */
export class Timer {
  readonly samples: Sample[] = [];
  readonly method: "timestamps" | "submissions";
  private readonly runs = new Map<Program, number>();
  private readonly pending: Promise<void>[] = [];
  private turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly device: Device,
    method?: "submissions",
  ) {
    this.method = method ?? (device.gpu.features.has("timestamp-query") ? "timestamps" : "submissions");
  }

  /** Runs `work` when all work before it is done. */
  inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.turn.then(work);
    this.turn = done.catch(() => {});
    return done;
  }

  /** Waits for the times of everything so far. */
  async settle(): Promise<void> {
    await this.turn;
    await Promise.all(this.pending.splice(0));
  }

  private countRun(program: Program): number {
    const run = this.runs.get(program) ?? 0;
    this.runs.set(program, run + 1);
    return run;
  }

  /** Runs all launches of a program with a timestamp before and after each. */
  stamped(program: Program, launches: readonly Encode[]): void {
    const run = this.countRun(program);
    for (let from = 0; from < launches.length; from += PIECE)
      this.stampPiece(launches.slice(from, from + PIECE), (i, begin, end) => {
        this.samples.push({ program, run, index: from + i, begin, end });
      });
  }

  /** Runs all launches of a program, waiting for each. */
  async alone(program: Program, launches: readonly Encode[]): Promise<void> {
    const { queue } = this.device.gpu;
    const run = this.countRun(program);
    await this.device.idle();
    for (const [index, encode] of launches.entries()) {
      const encoder = this.device.gpu.createCommandEncoder();
      const pass = encoder.beginComputePass();
      encode(pass);
      pass.end();
      const commands = encoder.finish();
      const begin = performance.now() * 1e6;
      queue.submit([commands]);
      await this.device.wait("profiling", queue.onSubmittedWorkDone());
      this.samples.push({ program, run, index, begin, end: performance.now() * 1e6 });
    }
  }

  private stampPiece(launches: readonly Encode[], sample: (i: number, begin: number, end: number) => void): void {
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
        await this.device.wait("profiling", staging.mapAsync(GPUMapMode.READ));
        const times = new BigUint64Array(staging.getMappedRange());
        // a clock that is reset or steps back gives nonsense for that launch: count it as nothing rather
        launches.forEach((_, i) => {
          const [begin, end] = [Number(times[2 * i]), Number(times[2 * i + 1])];
          sample(i, begin, Math.max(begin, end));
        });
      } finally {
        for (const buffer of [staging, resolved]) buffer.destroy();
        querySet.destroy();
      }
    };
    this.pending.push(read());
  }
}
