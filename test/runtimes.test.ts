// The smoke suite and the README's first example in every runtime, from the packed package.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import type { Browser } from "playwright-core";
import { findChromium, launch } from "./chromium.ts";
import { type Logging, visit } from "./runtimes/browser.ts";
import { type PackedApp, packedApp } from "./runtimes/packed.ts";
import { run } from "./runtimes/run.ts";
import type { Verdict } from "./runtimes/smoke.ts";
import { filesOf, type Served, serve } from "./static-server.ts";

const SETUP = 600_000;
/** A few seconds alone on two cores; SwiftShader on a busy machine takes its time. */
const TIMEOUT = 240_000;
const MODULES = join(import.meta.dirname, "runtimes/node_modules");

/** Runtimes that were installed on purpose (a list with commas): one of them that is missing is a failure. */
const demanded = (process.env.COOP_RUNTIMES ?? "").split(",");

interface Runtime {
  readonly name: string;
  /** What starts a module; undefined where the runtime is not there. */
  readonly command: readonly string[] | undefined;
}

const NODES = ["node20", "node22", "node26"];
const DENO_MAY = "--allow-all";
const RUNTIMES: readonly Runtime[] = [
  { name: "node", command: [process.execPath] },
  ...NODES.map((name) => ({ name, command: installed(`${name}/bin/node`) })),
  { name: "deno", command: installed("deno/deno", "run", "--no-prompt", DENO_MAY) },
  { name: "bun", command: installed("bun/bin/bun") },
];

function installed(file: string, ...args: string[]): string[] | undefined {
  const path = join(MODULES, file);
  return existsSync(path) ? [path, ...args] : undefined;
}

function whySkipped(name: string, there: boolean, how: string): string | false {
  return there || demanded.includes(name) ? false : `${name} is not installed: ${how}`;
}

function report(t: TestContext, verdicts: readonly Verdict[]): void {
  for (const { name, detail } of verdicts) t.diagnostic(`${name}: ${detail}`);
  const wrong = verdicts.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);
  assert.deepEqual(wrong, []);
  assert.deepEqual(
    verdicts.map(({ name }) => name),
    ["adapter", "gradients", "towers", "step", "loss"],
  );
}

function statusOf(port: number, path: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = get({ host: "127.0.0.1", port, path, headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on("error", reject);
  });
}

async function smokeOf(command: readonly string[], env: Record<string, string> = {}): Promise<Verdict[]> {
  const output = await run([...command, "process.mjs"], { cwd: app?.folder, timeout: TIMEOUT, env });
  return JSON.parse(output.trim().split("\n").at(-1) ?? "[]");
}

let app: PackedApp | undefined;
before(async () => void (app = await packedApp()), { timeout: SETUP });
after(() => app?.remove());

describe("outside of browsers", { concurrency: 2 }, () => {
  for (const { name, command = [] } of RUNTIMES) {
    const skip = whySkipped(name, command.length > 0, "npm ci --prefix test/runtimes, on Linux x64");
    test(`${name}: the smoke suite and the README's first example, and they end`, {
      skip,
      timeout: TIMEOUT,
    }, async (t) => {
      assert.ok(command.length > 0, `${name} is missing`);
      let verdicts = await smokeOf(command);
      // on a machine without a driver, Deno and Bun say how to start them
      const [, manifest, folder] = /VK_ICD_FILENAMES=(\S+) LD_LIBRARY_PATH=([^\s)]+)/.exec(verdicts[0].detail) ?? [];
      const env: Record<string, string> = manifest ? { VK_ICD_FILENAMES: manifest, LD_LIBRARY_PATH: folder } : {};
      if (manifest) verdicts = await smokeOf(command, env);
      report(t, verdicts);
      const unprivileged = command.filter((word) => word !== DENO_MAY); // Deno's own WebGPU needs no permission
      assert.match(await run([...unprivileged, "example.mjs"], { cwd: app?.folder, timeout: TIMEOUT, env }), /-9, -13/);
      if (unprivileged.length === command.length) return;
      const [, , denied] = await smokeOf(unprivileged, env);
      assert.match(denied.detail, /^InputError: model: Requires read access/);
    });

    test(`${name}: says what to do where there is no adapter`, { skip, timeout: TIMEOUT }, async () => {
      const env = { COOP_ADAPTER: "hardware", VK_ICD_FILENAMES: "/nonexistent", VK_DRIVER_FILES: "/nonexistent" };
      const [{ name: what, ok, detail }] = await smokeOf(command, env);
      if (ok) return; // a graphics card whose driver needs no Vulkan
      assert.equal(what, "adapter");
      assert.match(detail, /^DeviceError: COOP_ADAPTER=hardware was not to be had \(system: .*\)\.\nTo fix it: /);
    });
  }
});

const started = (await findChromium()) ? await launch().catch((error: Error) => error) : new Error("it is not there");
const browser = started instanceof Error ? undefined : started;
const trouble = started instanceof Error ? started.message : "";
const noChromium = whySkipped("chromium", !trouble, `apt-get install chromium, or COOP_CHROMIUM=PATH (${trouble})`);
after(() => browser?.close());

describe("Chromium", { skip: noChromium, concurrency: 1 }, () => {
  let served: Served;
  before(async () => {
    if (started instanceof Error) throw started;
    served = await serve(filesOf(app!.folder), { hosts: ["localhost", "127.0.0.1", "coop.example"] });
  });
  after(() => served?.close());

  const verdictsOf = (where: Browser, url: string) =>
    visit(
      where,
      url,
      (page) => page.evaluate(() => (globalThis as { verdicts?: Promise<Verdict[]> }).verdicts),
      TIMEOUT,
    );

  for (const [place, query] of [
    ["a page", ""],
    ["a dedicated worker", "?worker"],
  ]) {
    test(`the smoke suite in ${place}, without a bundler`, { timeout: TIMEOUT }, async (t) => {
      report(t, (await verdictsOf(browser!, `http://127.0.0.1:${served.port}/page.html${query}`)) ?? []);
    });
  }

  test("the README's first example in a page", { timeout: TIMEOUT }, async () => {
    const logged = await visit(
      browser!,
      `http://localhost:${served.port}/example.html`,
      async (page) => {
        await page.waitForFunction(() => ((globalThis as Logging).logged ?? []).length > 0);
        return page.evaluate(() => (globalThis as Logging).logged);
      },
      TIMEOUT,
    );
    assert.deepEqual(logged, [[-9, -13]]);
  });

  test("says what to do on an insecure page, and in a browser without an adapter", { timeout: TIMEOUT }, async () => {
    const plain = await launch({ webgpu: false, hosts: "MAP coop.example 127.0.0.1" });
    try {
      const [insecure] = (await verdictsOf(plain, `http://coop.example:${served.port}/page.html`)) ?? [];
      assert.match(insecure.detail, /^DeviceError: No WebGPU adapter was found .*\n.*over https, or from localhost/);
      const [without] = (await verdictsOf(plain, `http://127.0.0.1:${served.port}/page.html`)) ?? [];
      if (!without.ok) assert.match(without.detail, /^DeviceError: No WebGPU adapter was found .*\n.*chrome:\/\/flags/);
    } finally {
      await plain.close();
    }
  });

  test("the server answers this machine's names only", { timeout: TIMEOUT }, async () => {
    assert.equal(await statusOf(served.port, "/page.html", "localhost"), 200);
    assert.equal(await statusOf(served.port, "/page.html", "elsewhere.example"), 403);
    assert.equal(await statusOf(served.port, "/..%2f..%2fpackage.json", "localhost"), 404);
  });
});
