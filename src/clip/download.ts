import { FormatError } from "../tensor/errors.ts";
import { type Answer, type Asking, ask, failure, hasFiles, PageError, StatusError, shown } from "./http.ts";
import { Patience, Unreachable, Watch } from "./patience.ts";

/** What is fetched, and what is known of it beforehand. */
export interface Delivery extends Pick<Asking, "token" | "signal"> {
  readonly url: string;
  /** in bytes */
  readonly size?: number;
  /** How many bytes are there, and how many there will be where the server says so. */
  readonly onBytes?: (loaded: number, total: number | undefined) => void;
  /** Seconds without a byte after which a connection is given up; 30 where not given. */
  readonly patience?: number;
  /** First wait before another try, in milliseconds. */
  readonly backoff?: number;
}

/** Where bytes are put, one after another. */
export interface Sink {
  readonly length: number;
  write(bytes: Uint8Array): Promise<void>;
  /** Forgets all bytes. */
  restart(): Promise<void>;
  /** The first bytes, at most 64. */
  head(): Promise<Uint8Array>;
}

/**
 * Fetches a file into a sink. What the sink holds already is kept, and only the rest asked for; so is it after a cut
 * connection, as often as bytes keep coming.
 *
 * @throws StatusError, PageError, Unreachable after several tries, FormatError where the length is wrong
 */
export async function receive(from: Delivery, sink: Sink): Promise<Answer | undefined> {
  const patience = new Patience(from);
  let tag: string | undefined;
  for (;;) {
    if (sink.length > (from.size ?? Number.POSITIVE_INFINITY)) await sink.restart();
    if (sink.length > 0 && sink.length === from.size) {
      await checkHead(from.url, sink);
      return undefined;
    }
    const watch = new Watch(from.patience ?? 30, from.signal);
    try {
      const answer = await request(from, sink, tag, watch.signal);
      tag = /^"[^"]*"$/.exec(answer.response.headers.get("etag") ?? "")?.[0];
      const total = await align(from, answer.response, sink);
      try {
        for await (const bytes of answer.response.body ?? []) {
          watch.heard();
          patience.reset();
          await sink.write(bytes);
          if (sink.length > (total ?? Number.POSITIVE_INFINITY)) throw wrongLength(from.url, sink.length, total);
          from.onBytes?.(sink.length, total);
        }
      } catch (error) {
        throw failure(from.url, error, watch.signal);
      }
      if (sink.length < (total ?? 0))
        throw new Unreachable(`${shown(from.url)}: the connection ended after ${sink.length} of ${total} bytes`);
      await checkHead(from.url, sink);
      return answer;
    } catch (error) {
      await patience.wait(error);
    } finally {
      watch.stop();
    }
  }
}

async function request(from: Delivery, sink: Sink, tag: string | undefined, signal: AbortSignal): Promise<Answer> {
  const headers: Record<string, string> = {};
  const isRest = sink.length > 0;
  if (isRest) headers.range = `bytes=${sink.length}-`;
  // in a browser this header would make it a request that the server has to be asked about first
  if (isRest && tag && hasFiles) headers["if-range"] = tag;
  const answer = await ask(from.url, { token: from.token, signal, headers });
  const { response } = answer;
  if (response.ok && !isPage(response)) return answer;
  await response.body?.cancel();
  if (isRest && response.status === 416) {
    await sink.restart();
    throw new Unreachable(`${shown(from.url)}: the server does not know the bytes that are missing; try again`);
  }
  throw response.ok ? new PageError(from.url) : new StatusError(from.url, answer);
}

/** Makes the sink end where the answer begins; the length that the file must have in the end, where one is known. */
async function align(from: Delivery, response: Response, sink: Sink): Promise<number | undefined> {
  const [, start, all] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "") ?? [];
  const part = response.status === 206;
  if (part && Number(start) !== sink.length) {
    await response.body?.cancel();
    await sink.restart();
    throw new Unreachable(`${shown(from.url)}: the server sent other bytes than those that were asked for`);
  }
  if (!part && sink.length > 0) await sink.restart();
  const packed = !["", "identity"].includes(response.headers.get("content-encoding") ?? "");
  const length = response.headers.get("content-length");
  const total = part ? (all === "*" ? undefined : Number(all)) : length === null || packed ? undefined : Number(length);
  if (from.size !== undefined && total !== undefined && total !== from.size) {
    await response.body?.cancel();
    throw wrongLength(from.url, total, from.size);
  }
  return from.size ?? total;
}

const wrongLength = (url: string, got: number, expected?: number) =>
  new FormatError(`${shown(url)}: the server sends ${got} bytes, but the file has ${expected}; try again later`);

const isPage = (response: Response): boolean => /^\s*text\/html/i.test(response.headers.get("content-type") ?? "");

async function checkHead(url: string, sink: Sink): Promise<void> {
  const text = new TextDecoder("latin1").decode(await sink.head());
  if (!/^(?:\u00ef\u00bb\u00bf)?\s*<(?:!doctype|html)/i.test(text)) return;
  await sink.restart();
  throw new PageError(url);
}

const PIECE = 2 ** 25;

/** Collects bytes as a Blob, which browsers can keep outside the page's memory. */
export class BlobSink implements Sink {
  length = 0;
  private blob = new Blob([]);
  private pending: Uint8Array<ArrayBuffer>[] = [];
  private waiting = 0;

  async write(bytes: Uint8Array): Promise<void> {
    this.pending.push(bytes as Uint8Array<ArrayBuffer>);
    this.length += bytes.length;
    this.waiting += bytes.length;
    if (this.waiting >= PIECE) this.whole();
  }

  async restart(): Promise<void> {
    Object.assign(this, { length: 0, blob: new Blob([]), pending: [], waiting: 0 });
  }

  async head(): Promise<Uint8Array> {
    return new Uint8Array(await this.whole().slice(0, 64).arrayBuffer());
  }

  /** All bytes so far. */
  whole(): Blob {
    if (this.pending.length > 0) {
      this.blob = new Blob([this.blob, ...this.pending]);
      this.pending = [];
      this.waiting = 0;
    }
    return this.blob;
  }
}
