import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const LAUNCH = 60_000;

/** A Chromium: COOP_CHROMIUM, the system's, or the one of npm's `@sparticuz/chromium`; undefined where there is none. */
export async function findChromium(): Promise<string | undefined> {
  const installed = [process.env.COOP_CHROMIUM, ...PLACES].find((path) => path && existsSync(path));
  if (installed) return installed;
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  const packed = await import("@sparticuz/chromium").catch(() => undefined);
  return packed?.default.executablePath();
}

/** Chromium without a window; with WebGPU on the CPU, by its own SwiftShader, unless `webgpu` is false. */
export function launch(executablePath: string, { webgpu = true, hosts = "" } = {}): Promise<Browser> {
  const args = [
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    ...(webgpu ? ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"] : []),
    ...(hosts ? [`--host-resolver-rules=${hosts}`] : []),
  ];
  return chromium.launch({ executablePath, args, timeout: LAUNCH });
}

/** What a page logs, with typed arrays as plain ones. */
export interface Logging {
  logged?: unknown[];
}

/** Runs in the page, before its scripts. */
function keepLogged(): void {
  const { log } = console;
  const logged: unknown[] = [];
  (globalThis as Logging).logged = logged;
  console.log = (...words: unknown[]) => {
    logged.push(...words.map((word) => (word instanceof Float32Array ? [...word] : word)));
    log(...words);
  };
}

/** Opens a page and gives what `read` finds in it, with the page's own errors where it does not come to an end. */
export async function visit<T>(
  browser: Browser,
  url: string,
  read: (page: Page) => Promise<T>,
  timeout: number,
): Promise<T> {
  const page = await browser.newPage();
  const said: string[] = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  page.setDefaultTimeout(timeout);
  await page.addInitScript(keepLogged);
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${url} took more than ${timeout / 1000} s`)), timeout);
  });
  try {
    await page.goto(url, { timeout });
    return await Promise.race([read(page), tooLong]);
  } catch (error) {
    throw new Error(`${(error as Error).message}\nthe page said:\n${said.join("\n")}`);
  } finally {
    clearTimeout(timer);
    await page.close();
  }
}
