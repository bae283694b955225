import { readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { build } from "vite";
import { launch } from "./chromium.ts";
import { type Find, filesOf, serve } from "./static-server.ts";

export const TINY = fileURLToPath(new URL("../models/tiny-clip", import.meta.url));

/** What the page says to its worker; `engine` and the last `state` are the window's. */
const DRIVER = `
import { proxy, wrap } from "/comlink.mjs";
globalThis.begin = async (script = "/caught.js") => {
  globalThis.worker = new Worker(script, { type: "module" });
  globalThis.engine = wrap(worker);
  globalThis.states = 0;
  await engine.start(proxy((state) => { globalThis.state = state; states++; }));
};
globalThis.until = async (test, milliseconds = 60000) => {
  const end = performance.now() + milliseconds;
  while (!test(globalThis.state)) {
    if (performance.now() > end) throw new Error("not in time: " + JSON.stringify({ ...state, classes: state.classes.length }));
    await new Promise((done) => setTimeout(done, 10));
  }
  return globalThis.state;
};
`;

/** The worker, with ways to take its device from it, to make that slow, and to fill its storage. */
const CAUGHT = `import "/catch.js"; import "/worker.js";`;
const CATCH = `
const { createCommandEncoder } = GPUDevice.prototype;
GPUDevice.prototype.createCommandEncoder = function (...given) {
  self.caught = this;
  return createCommandEncoder.apply(this, given);
};
const { mapAsync } = GPUBuffer.prototype;
GPUBuffer.prototype.mapAsync = async function (...given) {
  await new Promise((done) => setTimeout(done, self.delay ?? 0));
  return mapAsync.apply(this, given);
};
const { put } = IDBObjectStore.prototype;
IDBObjectStore.prototype.put = function (...given) {
  if (self.full) throw new DOMException("no room", "QuotaExceededError");
  return put.apply(this, given);
};
const full = new BroadcastChannel("full");
full.onmessage = ({ data }) => { self.full = data; full.postMessage("heard"); };
new BroadcastChannel("slow").onmessage = ({ data }) => { self.delay = data; };
new BroadcastChannel("destroy").onmessage = () => self.caught.destroy();
`;

const NO_GPU = `import "/hide.js"; import "/worker.js";`;
const HIDE = `Object.defineProperty(Object.getPrototypeOf(navigator), "gpu", { value: undefined });`;

const POLICY =
  "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self' https://huggingface.co; style-src 'self'; img-src 'self' blob:";

/** The page's worker, built as the page builds it, in a browser. */
export interface PageWorker {
  readonly page: Page;
  /** Every address that was asked for. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

export async function openPageWorker(): Promise<PageWorker> {
  const dist = join(tmpdir(), `coop-page-worker-${process.pid}`);
  await build({
    configFile: false,
    root: fileURLToPath(new URL("../web", import.meta.url)),
    base: "./",
    logLevel: "error",
    publicDir: false,
    build: {
      outDir: dist,
      emptyOutDir: true,
      target: "es2023",
      assetsInlineLimit: 0,
      modulePreload: false,
      minify: false,
      rolldownOptions: {
        input: fileURLToPath(new URL("../web/engine/worker.ts", import.meta.url)),
        output: { entryFileNames: "worker.js" },
      },
    },
  });
  const comlink = createRequire(import.meta.url)
    .resolve("comlink")
    .replace(/umd.comlink\.js$/, "esm/comlink.mjs");
  const served: Readonly<Record<string, string>> = {
    "/": `<!doctype html><title>test</title><script type="module" src="/driver.js"></script>`,
    "/driver.js": DRIVER,
    "/caught.js": CAUGHT,
    "/catch.js": CATCH,
    "/no-gpu.js": NO_GPU,
    "/hide.js": HIDE,
  };
  const built = filesOf(dist);
  const model = filesOf(TINY);
  const find: Find = (path) => {
    if (path === "/slow/model.safetensors") return "never";
    if (path in served) return Promise.resolve(served[path]);
    if (path === "/comlink.mjs") return readFile(comlink);
    return /^\/(slow|model)\//.test(path) ? model(path.replace(/^\/(slow|model)/, "")) : built(path);
  };
  const { port, close } = await serve(find, { headers: { "content-security-policy": POLICY } });
  const browser = await launch();
  const page = await browser.newPage();
  const requests: string[] = [];
  page.context().on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => process.env.COOP_VERBOSE && console.error(message.text()));
  page.on("pageerror", (error) => console.error(error));
  page.setDefaultTimeout(60_000);
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.waitForFunction("globalThis.begin");
  return {
    page,
    requests,
    async close() {
      await browser.close();
      await close();
      await rm(dist, { recursive: true, force: true });
    },
  };
}
