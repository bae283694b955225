import type { OutOfMemoryError } from "./errors.ts";
import { kept } from "./kept.ts";

/** Storages filled between two moments, while a buffer was in use that the GPU had not given. */
interface Shortage {
  readonly from: number;
  readonly until: number;
  readonly error: OutOfMemoryError;
}

/**
 * A GPU says some time later that it had no memory for a buffer; until then work goes on with it, to no effect. This
 * keeps count of what is filled, so that all that came of such work is known to be nothing, and what was there before is
 * still good.
 */
export class Shortages {
  private readonly known: Shortage[] = [];
  private clock = 0;
  private readonly asked = new Set<Promise<unknown>>();
  /** How many there were: who holds buffers from before must look whether they are good. */
  count = 0;

  /** The moment of filling a storage. */
  tick(): number {
    return this.clock++;
  }

  /**
   * Notes that a buffer is made now.
   *
   * @param refused what the GPU says: the error, or null
   */
  watch(refused: Promise<GPUError | null>, fail: (error: GPUError) => OutOfMemoryError): void {
    const from = this.clock;
    const heard = refused
      .then(
        (error) => {
          if (!error) return;
          this.known.push({ from, until: this.clock, error: kept(fail(error)) });
          this.count++;
        },
        () => {}, // the device is lost, which is told elsewhere
      )
      .finally(() => this.asked.delete(heard));
    this.asked.add(heard);
  }

  /** The error of the last one. */
  get last(): OutOfMemoryError | undefined {
    return this.known.at(-1)?.error;
  }

  /** Whether it is not known yet if all buffers are good. */
  get areOpen(): boolean {
    return this.asked.size > 0;
  }

  /** Waits until that is known. */
  async heard(): Promise<void> {
    while (this.asked.size > 0) await Promise.all(this.asked);
  }

  /** OutOfMemoryError where a storage that was filled then holds nothing. */
  check(filledAt: number): void {
    for (const { from, until, error } of this.known) if (from <= filledAt && filledAt < until) throw error;
  }
}
