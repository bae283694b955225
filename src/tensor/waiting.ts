import { environment } from "./environment.ts";
import { DeviceError, DeviceHungError } from "./errors.ts";
import { naps } from "./naps.ts";

/** Seconds without any sign of life after which a device counts as hung, where COOP_GPU_TIMEOUT does not say. */
const PATIENCE = 600;
/** Looks at the clock within that time: a process that stood still loses one of them, not its device. */
const LOOKS = 10;

/** Seconds that a GPU may do nothing. DeviceError where COOP_GPU_TIMEOUT says no number of them. */
export function patience(): number {
  const asked = environment("COOP_GPU_TIMEOUT") || PATIENCE;
  if (!(Number(asked) > 0 && Number(asked) < 1e7))
    throw new DeviceError(`COOP_GPU_TIMEOUT is "${asked}"; give seconds, such as ${PATIENCE}`);
  return Number(asked);
}

/**
 * What is being waited for on a device. A wait ends when its promise settles, when the device is given up, or when
 * nothing at all has come back for the seconds of patience.
 */
export class Waits {
  private readonly pending = new Set<(error: Error) => void>();
  private readonly stayAwake = naps(() => this.pending.size > 0);
  private timer: ReturnType<typeof setInterval> | undefined;
  private idleLooks = 0;

  /** @param hung is told the error that all waits end with */
  constructor(
    private readonly seconds: number,
    private readonly hung: (error: DeviceHungError) => void,
  ) {}

  /** The promise's value. DeviceHungError where the device does nothing. */
  for<T>(what: string, promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.pending.add(reject);
      this.watch(what);
      this.stayAwake();
      const settle = <V>(end: (value: V) => void) => {
        return (value: V) => {
          this.pending.delete(reject);
          this.progress();
          end(value);
        };
      };
      promise.then(settle(resolve), settle(reject));
    });
  }

  /** The device gave a sign of life. */
  progress(): void {
    this.idleLooks = 0;
    this.stayAwake();
    if (this.pending.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Ends all waits. */
  end(error: Error): void {
    const waiting = [...this.pending];
    this.pending.clear();
    this.progress();
    for (const reject of waiting) reject(error);
  }

  private watch(what: string): void {
    this.timer ??= setInterval(
      () => {
        if (++this.idleLooks < LOOKS) return;
        const error = new DeviceHungError(
          `the GPU has not answered for ${this.seconds} s (${what}): its driver hangs, or one piece of work takes longer; then allow more by COOP_GPU_TIMEOUT=${10 * this.seconds}`,
        );
        this.hung(error);
        this.end(error);
      },
      (1000 * this.seconds) / LOOKS,
    );
  }
}

/** A promise's value. DeviceHungError where it takes longer. */
export const inTime = <T>(seconds: number, what: string, promise: Promise<T>): Promise<T> =>
  new Waits(seconds, () => {}).for(what, promise);
