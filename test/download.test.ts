import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BlobSink, receive } from "../src/clip/download.ts";
import { download } from "../src/clip/download-node.ts";
import { PageError, StatusError } from "../src/clip/http.ts";
import { Unreachable } from "../src/clip/patience.ts";
import { FormatError, InputError } from "../src/tensor/errors.ts";
import { digest, type FakeHub, withHub } from "./fake-hub.ts";

const limit = { timeout: 30_000 };
const BODY = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i) >> 3));
const SHA = digest(BODY);

async function setup(t: TestContext) {
  const { hub, home } = await withHub(t);
  hub.weights.set("/file", BODY);
  const folder = join(home, "files");
  const target = join(folder, "blob");
  const fetchFile = (more: Partial<Parameters<typeof download>[1]> = {}) =>
    download(target, {
      url: `${hub.endpoint}/file`,
      size: BODY.length,
      sha256: SHA,
      backoff: 5,
      isThere: async () => existsSync(target),
      ...more,
    });
  return { hub, folder, target, fetchFile };
}

const nothingKept = (folder: string) => assert.deepEqual(existsSync(folder) ? readdirSync(folder) : [], []);

const respond = (hub: FakeHub, status: number, body: string, headers = {}) => {
  hub.intercept = (_request, response) => {
    response.writeHead(status, headers).end(body);
    return true;
  };
};

test("a file arrives whole, and nothing is left beside it", limit, async (t) => {
  const { folder, target, fetchFile } = await setup(t);
  const seen: number[] = [];
  await fetchFile({ onBytes: (loaded, total) => seen.push(loaded) && assert.equal(total, BODY.length) });
  assert.deepEqual(readFileSync(target), BODY);
  assert.deepEqual(readdirSync(folder), ["blob"]);
  assert.equal(seen.at(-1), BODY.length);
});

test("cut connections are continued where they ended, without a byte twice", limit, async (t) => {
  const { hub, target, fetchFile } = await setup(t);
  // more cuts than tries: every byte that comes earns new ones
  hub.cuts.push(100_000, 50_000, 20_000, 20_000, 20_000, 20_000, 20_000, 20_000);
  const loaded = [0];
  const asked: (string | undefined)[] = [];
  hub.intercept = (_request, _response, { range }) => {
    // what the server sent last may be lost with the connection: what has arrived counts
    const have = loaded.at(-1);
    assert.equal(range, have === 0 ? undefined : `bytes=${have}-`);
    asked.push(range);
    return false;
  };
  await fetchFile({ onBytes: (bytes) => loaded.push(bytes) });
  assert.deepEqual(readFileSync(target), BODY);
  assert.deepEqual(
    loaded,
    loaded.toSorted((x, y) => x - y),
  );
  assert.ok(asked.length === 9 && asked.at(-1) !== undefined);
  assert.equal(hub.seen[8].ifRange, `"${SHA}"`);
});

test("a server that ignores Range sends all again", limit, async (t) => {
  const { hub, target, fetchFile } = await setup(t);
  hub.ignoresRange = true;
  hub.cuts.push(100_000);
  await fetchFile();
  assert.deepEqual(readFileSync(target), BODY);
  assert.deepEqual(
    hub.seen.map(({ sent }) => sent),
    [100_000, BODY.length],
  );
});

test("a part of an earlier try is continued; a wrong or too long one is not believed", limit, async (t) => {
  for (const [part, sent] of [
    [BODY.subarray(0, 200_000), [100_000]],
    [BODY, []],
    [Buffer.alloc(200_000, 7), [100_000, BODY.length]],
    [Buffer.alloc(BODY.length + 1), [BODY.length]],
  ] as const) {
    const { hub, folder, target, fetchFile } = await setup(t);
    mkdirSync(folder);
    writeFileSync(`${target}.coop.incomplete`, part);
    await fetchFile();
    assert.deepEqual(readFileSync(target), BODY);
    assert.deepEqual(
      hub.seen.map((request) => request.sent),
      sent,
    );
  }
});

test("an aborted download ends at once and is continued later", limit, async (t) => {
  const { hub, folder, target, fetchFile } = await setup(t);
  const controller = new AbortController();
  hub.intercept = (_request, response) => {
    response.writeHead(200, { "content-length": BODY.length });
    response.write(BODY.subarray(0, 120_000));
    return true;
  };
  const onBytes = (loaded: number) => loaded === 120_000 && controller.abort(new Error("enough"));
  await assert.rejects(fetchFile({ signal: controller.signal, onBytes }), /enough/);
  assert.deepEqual(readdirSync(folder), ["blob.coop.incomplete"]);
  hub.intercept = () => false;
  await fetchFile();
  assert.deepEqual(readFileSync(target), BODY);
  assert.equal(hub.seen[1].sent, BODY.length - 120_000);
  await assert.rejects(
    fetchFile({ isThere: async () => false, signal: AbortSignal.abort(new Error("before")) }),
    /before/,
  );
});

test("wrong lengths, hashes and pages are refused, and nothing of them is kept", limit, async (t) => {
  const { hub, folder, fetchFile } = await setup(t);
  const other = Buffer.from(BODY).fill(1, 5, 6);
  hub.weights.set("/file", other);
  await assert.rejects(fetchFile(), (error) => error instanceof FormatError && error.message.includes(SHA));
  nothingKept(folder);

  hub.weights.set("/file", BODY.subarray(1));
  await assert.rejects(
    fetchFile(),
    (error) => error instanceof FormatError && /299999 bytes.*300000/.test(error.message),
  );
  nothingKept(folder);
  hub.weights.set("/file", BODY);

  const chunked = Buffer.concat([BODY, BODY]);
  respond(hub, 200, chunked as unknown as string, { "transfer-encoding": "chunked" });
  await assert.rejects(fetchFile({ sha256: undefined }), /but the file has 300000/);
  nothingKept(folder);

  for (const [body, type] of [
    ["<p>Sign in", "text/html; charset=utf-8"],
    ["\n <!DOCTYPE html><p>Sign in", "application/octet-stream"],
    ["<HTML>", "application/octet-stream"],
  ]) {
    respond(hub, 200, body, { "content-type": type });
    await assert.rejects(fetchFile({ size: undefined, sha256: undefined }), PageError);
    nothingKept(folder);
  }
});

test("a page in the middle of a download costs nothing of what was there", limit, async (t) => {
  const { hub, folder, target, fetchFile } = await setup(t);
  mkdirSync(folder);
  writeFileSync(`${target}.coop.incomplete`, BODY.subarray(0, 200_000));
  respond(hub, 200, "<html>Sign in", { "content-type": "text/html" });
  await assert.rejects(fetchFile(), PageError);
  hub.intercept = () => false;
  await fetchFile();
  assert.equal(hub.seen[1].sent, 100_000);
});

test("a connection that ends early without any byte is given up after some tries", limit, async (t) => {
  const { hub, fetchFile } = await setup(t);
  hub.intercept = (request) => {
    request.socket.destroy();
    return true;
  };
  await assert.rejects(fetchFile(), (error) => error instanceof Unreachable && /127\.0\.0\.1/.test(error.message));
  assert.equal(hub.seen.length, 5);
});

test("a silent connection is given up, and the next one continues", limit, async (t) => {
  const { hub, target, fetchFile } = await setup(t);
  let first = true;
  hub.intercept = (_request, response) => {
    if (!first) return false;
    first = false;
    response.writeHead(200, { "content-length": BODY.length });
    response.write(BODY.subarray(0, 1000));
    return true;
  };
  await fetchFile({ patience: 1 });
  assert.deepEqual(readFileSync(target), BODY);
  assert.equal(hub.seen[1].range, "bytes=1000-");
});

test("busy servers are asked again, refusals are not", limit, async (t) => {
  const { hub, target, fetchFile } = await setup(t);
  const statuses = [429, 500, 503];
  hub.intercept = (_request, response) => {
    const status = statuses.shift();
    if (status) response.writeHead(status, { "retry-after": "0" }).end();
    return status !== undefined;
  };
  await fetchFile();
  assert.deepEqual(readFileSync(target), BODY);
  assert.equal(hub.seen.length, 4);

  respond(hub, 403, "no");
  await assert.rejects(
    fetchFile({ isThere: async () => false }),
    (error) => error instanceof StatusError && error.status === 403 && !error.message.includes("?"),
  );
  assert.equal(hub.seen.length, 5);
});

test(
  "redirects: loops, other protocols and passwords are refused, the token stays with its origin",
  limit,
  async (t) => {
    const { hub } = await withHub(t);
    const token = { value: "hf_secret", origin: hub.endpoint };
    const go = (path: string) => receive({ url: hub.endpoint + path, token, backoff: 5 }, new BlobSink());
    let location = "/loop";
    hub.intercept = (request, response) => {
      if (request.url === "/there") response.end("here");
      else response.writeHead(302, { location }).end();
      return true;
    };
    await assert.rejects(go("/loop"), /redirected 10 times/);
    assert.equal(hub.seen.length, 11);
    for (location of ["file:///etc/passwd", "data:,x", "http://u:p@127.0.0.1/", "http://["])
      await assert.rejects(go("/x"), (error) => error instanceof InputError && /not safe/.test(error.message));
    hub.seen.length = 0;
    location = `${hub.cdnEndpoint}/there`;
    await go("/x");
    assert.deepEqual(
      hub.seen.map(({ on, authorization }) => [on, authorization]),
      [
        ["hub", "Bearer hf_secret"],
        ["cdn", undefined],
      ],
    );
    await assert.rejects(
      receive({ url: "http://user:hunter2@127.0.0.1:1/x" }, new BlobSink()),
      (error: Error) => error instanceof InputError && !error.message.includes("hunter2"),
    );
  },
);

test("of two downloads of one file, in one process or two, one fetches it", limit, async (t) => {
  const { hub, folder, target, fetchFile } = await setup(t);
  await Promise.all([fetchFile(), fetchFile(), fetchFile()]);
  assert.equal(hub.seen.length, 1);
  assert.deepEqual(readdirSync(folder), ["blob"]);

  const other = join(folder, "other");
  const script = `
    import { existsSync } from "node:fs";
    import { download } from ${JSON.stringify(join(import.meta.dirname, "../src/clip/download-node.ts"))};
    const [url, target, size, sha256] = process.argv.slice(1);
    await download(target, { url, size: Number(size), sha256, isThere: async () => existsSync(target) });`;
  hub.seen.length = 0;
  const args = ["--import", "tsx", "--input-type=module", "-e", script, `${hub.endpoint}/file`, other];
  const run = () =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [...args, `${BODY.length}`, SHA], { timeout: 20_000, stdio: "inherit" });
      child.on("close", resolve);
    });
  assert.deepEqual(await Promise.all([run(), run()]), [0, 0]);
  assert.deepEqual(readFileSync(other), BODY);
  assert.equal(
    hub.seen.reduce((n, { sent }) => n + sent, 0),
    BODY.length,
  );
  assert.deepEqual(readdirSync(folder), ["blob", "other"]);
  assert.ok(existsSync(target));
});

test("a lock of a process that is gone is broken", limit, async (t) => {
  const { folder, target, fetchFile } = await setup(t);
  mkdirSync(folder);
  const { hostname } = await import("node:os");
  writeFileSync(`${target}.coop.lock`, `${hostname()} 999999999 0.5`);
  await fetchFile();
  assert.deepEqual(readFileSync(target), BODY);
  assert.deepEqual(readdirSync(folder), ["blob"]);
});

test("a place that cannot be written is named", limit, async (t) => {
  const { folder, target, fetchFile } = await setup(t);
  writeFileSync(folder, "a file");
  await assert.rejects(fetchFile(), (error) => error instanceof InputError && error.message.startsWith(target));
});
