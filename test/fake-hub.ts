// A server on this machine that speaks the hub's addresses, with a second one as its CDN, and fails on demand.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export interface FakeFile {
  readonly body: Buffer;
  /** Kept in large-file storage: the hub redirects to the CDN. */
  readonly large?: boolean;
}

export interface Seen {
  readonly on: "hub" | "cdn";
  readonly method: string;
  readonly path: string;
  readonly range?: string;
  readonly ifRange?: string;
  readonly authorization?: string;
  /** Bytes of body that were written. */
  sent: number;
}

type Handler = (request: IncomingMessage, response: ServerResponse, seen: Seen) => boolean;

export const digest = (body: Uint8Array, algorithm = "sha256") => createHash(algorithm).update(body).digest("hex");

export const COMMIT = "1".repeat(40);

export class FakeHub {
  readonly seen: Seen[] = [];
  readonly repos = new Map<string, { commit: string; files: Map<string, FakeFile> }>();
  /** OpenAI's weights, by path. */
  readonly weights = new Map<string, Buffer>();
  /** After how many bytes the next bodies are cut off. */
  readonly cuts: number[] = [];
  ignoresRange = false;
  /** Answers a request in its own way where it returns true. */
  intercept: Handler = () => false;
  private readonly hub = createServer((request, response) => this.answer("hub", request, response));
  private readonly cdn = createServer((request, response) => this.answer("cdn", request, response));

  get endpoint(): string {
    return address(this.hub);
  }

  get cdnEndpoint(): string {
    return address(this.cdn);
  }

  add(repo: string, files: Record<string, FakeFile>, commit = COMMIT): void {
    this.repos.set(repo, { commit, files: new Map(Object.entries(files)) });
  }

  count(match: Partial<Pick<Seen, "on" | "method">> = {}): number {
    return this.seen.filter((s) => Object.entries(match).every(([key, value]) => s[key as "on"] === value)).length;
  }

  async start(): Promise<this> {
    for (const server of [this.hub, this.cdn])
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  stop(): void {
    for (const server of [this.hub, this.cdn]) {
      server.closeAllConnections();
      server.close();
    }
  }

  private answer(on: "hub" | "cdn", request: IncomingMessage, response: ServerResponse): void {
    const { authorization, range } = request.headers;
    const ifRange = request.headers["if-range"] as string | undefined;
    const seen = { on, method: request.method!, path: request.url!, range, ifRange, authorization, sent: 0 };
    this.seen.push(seen);
    if (this.intercept(request, response, seen)) return;
    if (on === "hub") this.answerHub(request, response, seen);
    else this.answerCdn(request, response, seen);
  }

  private answerHub(request: IncomingMessage, response: ServerResponse, seen: Seen): void {
    const path = new URL(request.url!, "http://x").pathname;
    const weights = this.weights.get(path);
    if (weights) return void this.body(request, response, seen, weights, digest(weights));
    const [, repoName, how, revision, name] =
      /^\/(?:api\/cached\/)?([^/]+\/[^/]+)\/(resolve|raw)\/([^/]+)\/(.+)$/.exec(path) ?? [];
    const repo = this.repos.get(repoName);
    const fail = (status: number, code: string) => response.writeHead(status, { "x-error-code": code }).end();
    if (!repo) return void fail(request.headers.authorization ? 404 : 401, "RepoNotFound");
    if (revision !== "main" && revision !== repo.commit) return void fail(404, "RevisionNotFound");
    response.setHeader("x-repo-commit", repo.commit);
    const file = repo.files.get(decodeURIComponent(name));
    if (!file) return void fail(404, "EntryNotFound");
    const hash = digest(file.body);
    if (how === "raw" && file.large) {
      const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${hash}\nsize ${file.body.length}\n`;
      return void this.body(request, response, seen, Buffer.from(pointer), "pointer");
    }
    if (file.large) {
      response.writeHead(302, {
        "x-linked-etag": `"${hash}"`,
        "x-linked-size": file.body.length,
        location: `${this.cdnEndpoint}/lfs/${hash}?signature=cdn-secret`,
      });
      return void response.end();
    }
    if (how === "resolve" && !path.startsWith("/api/"))
      return void response.writeHead(307, { location: `/api/cached${path}` }).end();
    this.body(request, response, seen, file.body, digest(file.body, "sha1"), `W/"${digest(file.body, "sha1")}"`);
  }

  private answerCdn(request: IncomingMessage, response: ServerResponse, seen: Seen): void {
    const [, hash] = /^\/lfs\/([0-9a-f]{64})\?/.exec(request.url!) ?? [];
    for (const { files } of this.repos.values())
      for (const { body } of files.values())
        if (digest(body) === hash) return void this.body(request, response, seen, body, hash);
    response.writeHead(404).end();
  }

  body(
    request: IncomingMessage,
    response: ServerResponse,
    seen: Seen,
    body: Buffer,
    hash: string,
    etag = `"${hash}"`,
  ): void {
    const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
    const condition = request.headers["if-range"];
    const part = from !== undefined && !this.ignoresRange && (condition === undefined || condition === etag);
    const start = part ? Number(from) : 0;
    if (start >= body.length && part) return void response.writeHead(416).end();
    const rest = body.subarray(start);
    const range = part ? { "content-range": `bytes ${start}-${body.length - 1}/${body.length}` } : {};
    response.writeHead(part ? 206 : 200, { etag, "content-length": rest.length, ...range });
    if (request.method === "HEAD") return void response.end();
    const cut = this.cuts.shift();
    const sent = cut === undefined ? rest : rest.subarray(0, cut);
    seen.sent = sent.length;
    if (cut === undefined) response.end(sent);
    else response.write(sent, () => setTimeout(() => request.socket.destroy(), 30));
  }
}

const address = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const VARIABLES = [
  ...["HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "HOME", "USERPROFILE", "HF_ENDPOINT"],
  ...["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"],
  ...["HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT", "COOP_OPENAI_ENDPOINT"],
];

/** A hub for one test, with the environment pointing at it and at an empty home. */
export async function withHub(t: TestContext): Promise<{ hub: FakeHub; home: string }> {
  const hub = await new FakeHub().start();
  const home = mkdtempSync(join(tmpdir(), "coop-hub-"));
  const before = VARIABLES.map((name) => [name, process.env[name]] as const);
  for (const name of VARIABLES) delete process.env[name];
  Object.assign(process.env, {
    HOME: home,
    USERPROFILE: home,
    HF_HOME: join(home, "hf"),
    HF_ENDPOINT: hub.endpoint,
    COOP_OPENAI_ENDPOINT: hub.endpoint,
  });
  t.after(() => {
    hub.stop();
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    rmSync(home, { recursive: true, force: true });
  });
  return { hub, home };
}
