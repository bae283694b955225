import { InputError } from "../tensor/errors.ts";

/** The network or the server failed in a way that may pass. */
export class Unreachable extends InputError {
  override name = "Unreachable";
  /** Milliseconds that the server asks to wait. */
  readonly after?: number;

  constructor(message: string, options: ErrorOptions & { after?: number } = {}) {
    super(message, options);
    this.after = options.after;
  }
}

/** Tries again after failures that may pass, waiting longer each time. */
export class Patience {
  private failures = 0;
  private readonly tries: number;
  private readonly backoff: number;
  private readonly signal?: AbortSignal;

  /** @param backoff first wait in milliseconds */
  constructor({ tries = 5, backoff = 250, signal }: { tries?: number; backoff?: number; signal?: AbortSignal } = {}) {
    this.tries = tries;
    this.backoff = backoff;
    this.signal = signal;
  }

  /** Something came: the count of failures begins anew. */
  reset(): void {
    this.failures = 0;
  }

  /** Waits before the next try; throws `error` where another try is of no use. */
  async wait(error: unknown): Promise<void> {
    this.signal?.throwIfAborted();
    if (!(error instanceof Unreachable) || ++this.failures >= this.tries) throw error;
    const jitter = 0.75 + Math.random() / 2;
    await sleep(Math.min(30_000, error.after ?? this.backoff * 2 ** (this.failures - 1) * jitter), this.signal);
  }

  /** The result of the first try that does not fail. */
  async until<T>(attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        await this.wait(error);
      }
    }
  }
}

/** A signal that fires with the caller's, or when nothing was heard for some time. */
export class Watch {
  private readonly controller = new AbortController();
  private readonly seconds: number;
  private readonly parent?: AbortSignal;
  private timer?: ReturnType<typeof setTimeout>;
  private readonly pass = () => this.controller.abort(this.parent?.reason);

  constructor(seconds: number, parent?: AbortSignal) {
    parent?.throwIfAborted();
    this.seconds = seconds;
    this.parent = parent;
    parent?.addEventListener("abort", this.pass, { once: true });
    this.heard();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  heard(): void {
    clearTimeout(this.timer);
    const silence = new Unreachable(`nothing came for ${this.seconds} s; check the network`);
    this.timer = setTimeout(() => this.controller.abort(silence), 1000 * this.seconds);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.parent?.removeEventListener("abort", this.pass);
  }
}

/** Resolves after some milliseconds; rejects with the signal's reason where that fires first. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
