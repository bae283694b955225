import { FormatError, InputError } from "../tensor/errors.ts";

/** Node, Deno and Bun have files; browsers and workers have Cache Storage. */
export const hasFiles = typeof process !== "undefined" && process.versions?.node !== undefined;

/** A server answered with a status that is no success. */
export class StatusError extends InputError {
  override name = "StatusError";
  readonly status: number;
  readonly answer: Answer;

  constructor(url: string, answer: Answer) {
    const { status, statusText } = answer.response;
    super(`${shown(url)}: the server answered ${status} ${statusText}`.trimEnd());
    this.status = status;
    this.answer = answer;
  }
}

/** A web page came where a file was asked for: a sign-in page, or a server that answers everything. */
export class PageError extends FormatError {
  override name = "PageError";

  constructor(url: string) {
    super(
      `${shown(url)}: a web page came instead of the file; check the address, and that no proxy asks you to sign in`,
    );
  }
}

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

/** How to ask a server. */
export interface Asking {
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent to this origin only, whatever it redirects to. */
  readonly token?: { readonly value: string; readonly origin: string };
  readonly signal?: AbortSignal;
}

/** A server's answer behind all redirects. */
export interface Answer {
  readonly response: Response;
  /** A header of the first answer on the way that has it: redirects carry what the hub says about a file. */
  header(name: string): string | null;
}

const MAX_REDIRECTS = 10;
const REDIRECTS = [301, 302, 303, 307, 308];
const TRANSIENT = [408, 425, 429, 500, 502, 503, 504];

/**
 * One request, redirects followed. A HEAD request stops at a redirect to another origin, since that redirect is the answer.
 *
 * @throws Unreachable where the network failed or the server is too busy
 */
export async function ask(address: string, { method = "GET", headers, token, signal }: Asking = {}): Promise<Answer> {
  const hops: Response[] = [];
  let url = checkAddress(address);
  for (;;) {
    // compressed bodies have another length than the file; browsers leave this header out
    const sent = new Headers({ ...headers, "accept-encoding": "identity" });
    if (token && url.origin === token.origin) sent.set("authorization", `Bearer ${token.value}`);
    const response = await fetch(url, {
      method,
      headers: sent,
      redirect: hasFiles ? "manual" : "follow",
      signal,
    }).catch((error) => Promise.reject(failure(url.href, error, signal)));
    hops.push(response);
    const location = REDIRECTS.includes(response.status) ? response.headers.get("location") : null;
    const next = location === null ? undefined : redirected(location, url);
    if (!next || (method === "HEAD" && next.origin !== url.origin)) break;
    await response.body?.cancel();
    if (hops.length > MAX_REDIRECTS)
      throw new InputError(`${shown(address)}: the server redirected ${MAX_REDIRECTS} times; check the address`);
    url = next;
  }
  const response = hops[hops.length - 1];
  if (TRANSIENT.includes(response.status)) {
    await response.body?.cancel();
    const busy = response.status === 429 ? "it gets too many requests" : "it is not working";
    const after = 1000 * Number(response.headers.get("retry-after") ?? Number.NaN);
    throw new Unreachable(
      `${shown(url.href)}: the server answered ${response.status}, so ${busy} now; try again later`,
      after >= 0 ? { after } : {},
    );
  }
  return { response, header: (name) => hops.map(({ headers }) => headers.get(name)).find(Boolean) ?? null };
}

/** What went wrong below HTTP. */
export function failure(url: string, error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  if (!(error instanceof TypeError)) return error;
  const cause = error.cause as { code?: string; message?: string } | undefined;
  const why = cause?.code ?? cause?.message ?? error.message;
  return new Unreachable(`${new URL(url).host} cannot be reached (${why}); check the network`, { cause: error });
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

/** An address fit for a message: without a password or a signature. */
export function shown(address: string): string {
  const { origin, pathname } = new URL(address);
  return origin + pathname;
}

function checkAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw new InputError(`${JSON.stringify(address)} is no http address`);
  if (url.username || url.password)
    throw new InputError(`${shown(address)}: a name or password cannot stand in the address`);
  return url;
}

function redirected(location: string, from: URL): URL {
  const url = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (url && !url.username && (url.protocol === "https:" || url.protocol === from.protocol)) return url;
  throw new InputError(`${shown(from.href)}: the server redirects to an address that is not safe`);
}
