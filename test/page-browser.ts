// The page as a browser shows it: built, served from this machine, opened in the system's Chromium.
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { build, type Plugin } from "vite";

const CHROMIUM = process.env.COOP_CHROMIUM ?? "/usr/bin/chromium";
const CONFIG = fileURLToPath(new URL("../web/vite.config.ts", import.meta.url));
const FAKE = fileURLToPath(new URL("./fake-page-engine.ts", import.meta.url));

/** Why there is no browser to test in; undefined where there is one. */
export const noBrowser = existsSync(CHROMIUM)
  ? undefined
  : `there is no ${CHROMIUM}; install Chromium, or name one by COOP_CHROMIUM`;

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

export interface Site extends AsyncDisposable {
  readonly address: string;
}

/** Builds the page with the tests' own worker and serves it in a folder of a site, as a host of static files does. */
export async function serveFakePage(): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), "coop-page-"));
  const worker: Plugin = {
    name: "fake-engine",
    enforce: "pre",
    resolveId: (id) => (id.endsWith("/web/engine/worker.ts") ? FAKE : undefined),
  };
  await build({
    configFile: CONFIG,
    logLevel: "warn",
    build: { outDir: folder },
    worker: { format: "es", plugins: () => [worker] },
  });
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url!, "http://page").pathname.replace(/^\/some\/place\/$/, "$&index.html"));
    try {
      const body = await readFile(join(folder, path.replace(/^\/some\/place\//, "")));
      response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/some/place/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}

export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: [
      ...["--no-sandbox", "--no-first-run", "--disable-background-networking"],
      ...["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
    ],
  });

/** A page opened in a profile of its own. `troubles` gathers violations of its policy and errors. */
export async function openPage(
  browser: Browser,
  address: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; troubles: string[] }> {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const troubles: string[] = [];
  page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
  page.on("pageerror", (error) => troubles.push(error.message));
  await page.goto(address);
  return { page, troubles };
}
