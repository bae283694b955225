import type { Browser, Page } from "playwright-core";

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
