// The page as a browser shows it: built, and served in a folder of a site, as a host of static files does.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { build, type Plugin } from "vite";
import { filesOf, serve } from "./static-server.ts";

const CONFIG = fileURLToPath(new URL("../web/vite.config.ts", import.meta.url));
const FAKE = fileURLToPath(new URL("./fake-page-engine.ts", import.meta.url));
const PLACE = "/some/place/";

export interface Site extends AsyncDisposable {
  readonly address: string;
}

/** Builds the page and serves it; with the tests' own worker where `fake`. */
export async function servePage({ fake }: { readonly fake: boolean }): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), "coop-page-"));
  const fakeEngine: Plugin = {
    name: "fake-engine",
    enforce: "pre",
    resolveId: (id) => (id.endsWith("/web/engine/worker.ts") ? FAKE : undefined),
  };
  await build({
    configFile: CONFIG,
    logLevel: "warn",
    build: { outDir: folder },
    ...(fake ? { worker: { format: "es", plugins: () => [fakeEngine] } } : {}),
  });
  const files = filesOf(folder);
  const served = await serve(async (path) =>
    path.startsWith(PLACE) ? files(path.slice(PLACE.length - 1)) : undefined,
  );
  return {
    address: `http://127.0.0.1:${served.port}${PLACE}`,
    async [Symbol.asyncDispose]() {
      await served.close();
      await rm(folder, { recursive: true });
    },
  };
}

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
