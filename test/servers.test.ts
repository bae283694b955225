// The server of the page listens on this machine alone, and gives away nothing but the page.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createServer, type PreviewServer, preview, type ViteDevServer } from "vite";

const TIMEOUT = { timeout: 60_000 };
const configFile = new URL("../web/vite.config.ts", import.meta.url).pathname;
const HOSTILE = [
  "/../package.json",
  "/../../../../../../etc/passwd",
  "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
  "/..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd",
  "/%252e%252e/%252e%252e/etc/passwd",
  "/..\\..\\..\\etc\\passwd",
  "//etc/passwd",
  "/@fs/etc/passwd",
  "/@fs//etc/passwd",
  "/@fs/etc/passwd?raw",
  "/@fs/etc/passwd?import&raw",
  "/@fs/etc/passwd?raw??",
  "/@fs/etc/passwd?.svg?.wasm?init",
  "/@fs/x/x/../../etc/passwd",
  "/etc/passwd?url",
];

/** Asks a server for a path as it stands, with whatever host. */
const ask = (port: number, path: string, host = `127.0.0.1:${port}`): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, headers: { host } }, (response) => {
      let body = "";
      response.on("data", (piece) => (body += piece));
      response.on("end", () => resolve({ status: response.statusCode!, body }));
    });
    asked.on("error", reject);
    asked.end();
  });

/** The addresses that something listens on at a port, as Linux writes them. */
const listening = (port: number): string[] =>
  ["tcp", "tcp6"].flatMap((kind) =>
    readFileSync(`/proc/net/${kind}`, "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => state === "0A" && Number.parseInt(local.split(":")[1], 16) === port)
      .map(([, local]) => local.split(":")[0]),
  );

async function checkServer(server: ViteDevServer | PreviewServer): Promise<void> {
  const { address, port } = server.httpServer!.address() as AddressInfo;
  assert.equal(address, "127.0.0.1");
  if (existsSync("/proc/net/tcp")) assert.deepEqual(listening(port), ["0100007F"]);
  const page = await ask(port, "/");
  assert.equal(page.status, 200);
  assert.match(page.body, /<title>/);
  for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1.evil.example"])
    assert.equal((await ask(port, "/", host)).status, 403, `Host: ${host}`);
  for (const path of HOSTILE) {
    const { body } = await ask(port, path);
    assert.doesNotMatch(body, /root:.*:0:0|"devDependencies"/, path);
  }
}

test("the development server", TIMEOUT, async () => {
  const server = await createServer({
    configFile,
    logLevel: "silent",
    server: { port: 0 },
    optimizeDeps: { noDiscovery: true },
  });
  try {
    await server.listen();
    await checkServer(server);
  } finally {
    await server.close();
  }
});

test("the server of the built page", TIMEOUT, async () => {
  const root = mkdtempSync(join(tmpdir(), "coop-server-"));
  const outDir = join(root, "dist");
  mkdirSync(outDir);
  writeFileSync(join(outDir, "index.html"), "<title>coop</title>");
  const server = await preview({ configFile, logLevel: "silent", build: { outDir }, preview: { port: 0 } });
  try {
    await checkServer(server);
  } finally {
    await server.close();
    rmSync(root, { recursive: true });
  }
});
