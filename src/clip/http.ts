import { FormatError, InputError } from "../tensor/errors.ts";
import { Unreachable } from "./patience.ts";

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

/** An address fit for a message: without a password or a signature. */
export function shown(address: string): string {
  const { origin, pathname } = new URL(address);
  return origin + pathname;
}

const SECRET = /token|sig|key|cred|secret|pass|auth/i;

/**
 * A text to be kept, such as a command: addresses in it lose the parameters that let whoever reads them in.
 * @example withoutSecrets("coop embed --model https://a.b/m?sig=123") // "coop embed --model https://a.b/m?sig=left-out"
 */
export function withoutSecrets(text: string): string {
  return text.replaceAll(/(https?:\/\/[^\s?'"]*)\?([^\s'"]*)/g, (_, address: string, query: string) => {
    const parts = query.split("&").map((part) => {
      const [name] = part.split("=");
      return SECRET.test(name) ? `${name}=left-out` : part;
    });
    return `${address}?${parts.join("&")}`;
  });
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
