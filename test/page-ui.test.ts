import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import type { Browser, Locator, Page } from "playwright-core";
import { allFiles, chosenFolder } from "../web/ui/intake.ts";
import { keep } from "../web/ui/keep.ts";
import { launch, noChromium } from "./chromium.ts";
import type { Order } from "./fake-page-engine.ts";
import { openPage, type Site, servePage } from "./page-browser.ts";

const LIMIT = { timeout: 90_000 };
const PICTURES = ["a.png", "b.png", "c.png"].map((name) => ({ name, mimeType: "image/png", buffer: Buffer.from("x") }));

test("keep hands back what has not changed", () => {
  const before = {
    a: [
      { id: "x", n: 1 },
      { id: "y", n: 2 },
    ],
    b: { c: 1 },
  };
  const same = keep(before, structuredClone(before));
  assert.equal(same, before);
  const shorter = keep(before, { a: [{ id: "y", n: 2 }], b: { c: 2 } });
  assert.equal(shorter.a[0], before.a[1]);
  assert.deepEqual(shorter, { a: [{ id: "y", n: 2 }], b: { c: 2 } });
  assert.deepEqual(keep({ a: 1, gone: 2 }, { a: 1 }), { a: 1 });
  assert.deepEqual(keep(undefined, { a: 1 }), { a: 1 });
});

test("each folder that holds files is a class, whatever lies around it", () => {
  const files = ["pets/big_cat/1.png", "pets/big_cat/2.png", "pets/dog/1.png", "pets/.DS_Store", "pets/loose.png"].map(
    (path) => Object.assign(new File([], path.split("/").at(-1)!), { webkitRelativePath: path }),
  );
  const { folders, loose } = chosenFolder(files);
  assert.deepEqual(
    [...folders].map(([name, some]) => [name, some.length]),
    [
      ["big cat", 2],
      ["dog", 1],
      ["pets", 1],
    ],
  );
  assert.equal(loose.length, 0);
  assert.equal(allFiles({ folders, loose }).length, 4);
});

describe("the page", { skip: await noChromium(), timeout: 600_000 }, () => {
  let site: Site;
  let browser: Browser;
  before(async () => {
    site = await servePage({ fake: true });
    browser = await launch({ webgpu: false, camera: true });
  }, LIMIT);
  after(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
  });

  test("from nothing to answers with the keyboard alone", LIMIT, async () => {
    const { page, troubles } = await openPage(browser, site.address);
    await tabTo(page, "Name of the first class");
    await page.keyboard.type("cat");
    await page.keyboard.press("Enter");
    await card(page, "cat").waitFor();
    await page.keyboard.type("dog");
    await page.keyboard.press("Enter");
    await card(page, "dog").waitFor();
    for (const name of ["cat", "dog"]) {
      const chooser = page.waitForEvent("filechooser");
      await tabTo(page, "Add pictures", `Class ${name}`);
      await page.keyboard.press("Enter");
      await (await chooser).setFiles(PICTURES);
      await card(page, name).getByText("3 pictures: 2 to learn from, 1 held out").waitFor();
    }
    await tabTo(page, "Train");
    await page.keyboard.press("Enter");
    await page.getByText(/Finished\./).waitFor();
    await tabTo(page, "The prompt after epoch 40 of 40");
    await page.keyboard.press("Home");
    await page.getByText("The prompt after epoch 1 of 40").waitFor();
    await tabTo(page, "1 picture of cat taken for", "Confusion matrix");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: /^1 picture: cat/ }).waitFor();
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("pictures: arrow keys move, Delete removes, unreadable files are listed", LIMIT, async () => {
    const { page } = await openPage(browser, site.address);
    await loadSample(page);
    const striped = card(page, "striped");
    await striped.getByLabel("striped 20.png").focus();
    await page.keyboard.press("ArrowRight");
    await focus(page, /^striped 19\.png/);
    await page.keyboard.press("Delete");
    await striped.getByText("19 pictures").waitFor();
    await focus(page, /^striped 18\.png/);
    await striped
      .locator("input[type=file]")
      .first()
      .setInputFiles([...PICTURES, { ...PICTURES[0], name: "notes.txt" }]);
    await striped.getByText("1 file could not be used").click();
    await striped.getByText("notes.txt: not a picture").waitFor();
    await page.context().close();
  });

  test("pictures are dropped onto a class, or taken while a button is held", LIMIT, async () => {
    const { page, troubles } = await openPage(browser, site.address);
    await loadSample(page);
    await card(page, "dotted").evaluate((element) => {
      const dataTransfer = new DataTransfer();
      for (const name of ["one.png", "two.png"]) dataTransfer.items.add(new File(["x"], name, { type: "image/png" }));
      element.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    });
    await card(page, "dotted").getByText("22 pictures").waitFor();
    await card(page, "plain").getByRole("button", { name: "Webcam" }).press("Enter");
    await focus(page, /^Hold to take pictures$/);
    await page.keyboard.down("Space");
    await card(page, "plain")
      .getByText(/2[3-9] pictures:/)
      .waitFor();
    await page.keyboard.up("Space");
    await card(page, "plain").getByRole("button", { name: "Close webcam" }).press("Enter");
    await focus(page, /^Webcam$/);
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("a name is kept while it is typed, and comes back where it is refused", LIMIT, async () => {
    const { page } = await openPage(browser, site.address);
    await loadSample(page);
    const name = card(page, "striped").getByLabel("Class name");
    await page.getByRole("button", { name: "Train", exact: true }).click();
    await name.fill("stripes");
    await page.getByText(/Finished\./).waitFor();
    assert.equal(await name.inputValue(), "stripes");
    await name.press("Enter");
    await card(page, "stripes").waitFor();
    const renamed = card(page, "stripes").getByLabel("Class name");
    await renamed.fill(" ");
    await renamed.press("Enter");
    await page.getByText("A class needs a name.").waitFor();
    assert.equal(await renamed.inputValue(), "stripes");
    await page.context().close();
  });

  test("pause, resume, stop, go on; the focus stays", LIMIT, async () => {
    const { page } = await openPage(browser, site.address);
    await loadSample(page);
    await page.getByText("Settings", { exact: true }).click();
    await page.getByLabel("Epochs", { exact: true }).fill("5000");
    await page.getByLabel("Epochs", { exact: true }).press("Enter");
    await page.getByRole("button", { name: "Train", exact: true }).click();
    await page.getByLabel(/The prompt after epoch/).waitFor();
    await page.getByRole("button", { name: "Pause" }).press("Enter");
    await page.getByText(/Paused after epoch \d+/).waitFor();
    await focus(page, /^Resume$/);
    await page.getByRole("button", { name: "Resume" }).press("Enter");
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("button", { name: /Go on from epoch/ }).click();
    await page.getByRole("button", { name: "Pause" }).waitFor();
    await page.context().close();
  });

  test("a lost device: says so, and a click goes on from the last epoch", LIMIT, async () => {
    const { page } = await openPage(browser, site.address);
    await loadSample(page);
    await page.getByRole("button", { name: "Train", exact: true }).click();
    await page.getByRole("button", { name: "Stop" }).waitFor();
    await order(page, { patch: { problem: { kind: "device-lost", message: "The device was taken away." } } });
    await page.getByRole("heading", { name: "The GPU was lost" }).waitFor();
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByText(/Finished\./).waitFor();
    assert.equal(await page.getByRole("heading", { name: "The GPU was lost" }).count(), 0);
    await page.context().close();
  });

  test("a worker that breaks is started again", LIMIT, async () => {
    const { page } = await openPage(browser, site.address);
    await loadSample(page);
    await order(page, { crash: "out of luck" });
    await page.getByText(/out of luck/).waitFor();
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByRole("heading", { name: "Something broke" }).waitFor({ state: "detached" });
    await card(page, "striped").waitFor();
    await page.context().close();
  });

  test("2,000 pictures: the page stays quick, and thumbnails are fetched where they are seen", LIMIT, async () => {
    const { page } = await openPage(browser, site.address);
    await order(page, { pictures: 2000 });
    await page.getByText("200 pictures:").first().waitFor();
    const pictures = await page.locator(".picture").count();
    assert.ok(pictures <= 200, `${pictures} pictures drawn at first`);
    const loaded = await page.locator(".picture img[src]").count();
    assert.ok(loaded < pictures, `${loaded} of ${pictures} thumbnails loaded`);
    await page.getByRole("button", { name: "Show 90 more of 200" }).first().click();
    await page.getByLabel("class 1 110.png").waitFor();
    await page.context().close();
  });

  for (const colorScheme of ["light", "dark"] as const) {
    test(`every state is accessible, ${colorScheme}`, LIMIT, async () => {
      const { page, troubles } = await openPage(browser, site.address, { colorScheme });
      await page.getByRole("heading", { name: "Training" }).waitFor();
      for (const [name, bring] of STATES) {
        await bring(page);
        assert.deepEqual(await violations(page), [], name);
      }
      assert.deepEqual(troubles, []);
      await page.context().close();
    });
  }

  test("no state is wider than a phone", LIMIT, async () => {
    const { page } = await openPage(browser, site.address, { viewport: { width: 360, height: 740 } });
    await page.getByRole("heading", { name: "Training" }).waitFor();
    for (const [name, bring] of STATES) {
      await bring(page);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 360, `${name}: ${width} pixels`);
    }
    await page.context().close();
  });

  test("its policy: nothing inline, nothing from elsewhere", LIMIT, async () => {
    const html = (await (await fetch(site.address)).text()).replaceAll("&#39;", "'");
    assert.match(html, /http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self'/);
    assert.doesNotMatch(html, /<style|\sstyle=|<script(?![^>]*\ssrc=)|unsafe-/);
    const { page } = await openPage(browser, site.address);
    const refused = await page.evaluate(() => fetch("https://example.com/").catch((error: Error) => error.name));
    assert.equal(refused, "TypeError");
    await page.context().close();
  });
});

const no = { message: "What happened, in a sentence." };

/** The states of the page, one after the other. */
const STATES: readonly [string, (page: Page) => Promise<void>][] = [
  ["empty", async () => {}],
  [
    "a model that loads",
    (page) =>
      order(page, {
        patch: { model: { status: "loading", source: "openai/clip-vit-base-patch32", loaded: 2e8, total: 605157884 } },
      }),
  ],
  [
    "a model that failed",
    (page) => order(page, { patch: { model: { status: "failed", source: "a/b", error: "There is no such model." } } }),
  ],
  [
    "one class",
    async (page) => {
      await order(page, { patch: { model: { status: "ready", source: "tiny" } } });
      await page.getByLabel("Name of the first class").fill("a class with quite a long name that goes on and on");
      await page.getByRole("button", { name: "Add class" }).click();
      await page.getByText("One class leaves nothing to tell apart").waitFor();
    },
  ],
  [
    "a sample",
    async (page) => {
      await page.getByRole("button", { name: "Textures" }).click();
      await page.getByRole("button", { name: "Replace them" }).click();
      await page.locator(".try .bars").first().waitFor();
    },
  ],
  ["a picture looked at", (page) => page.getByLabel("striped 20.png").click()],
  [
    "settings, one of them wrong",
    async (page) => {
      await page.getByText("Settings", { exact: true }).click();
      await page.getByLabel("Learning rate").fill("much");
      await page.getByLabel("Learning rate").press("Enter");
      await page.getByText("A number above 0").waitFor();
    },
  ],
  [
    "after training",
    async (page) => {
      await page.getByRole("button", { name: "Train", exact: true }).click();
      await page.getByText(/Finished\./).waitFor();
      await page.getByText("Every epoch in numbers").click();
      await page.locator(".matrix button").first().click();
      await page.locator(".words").waitFor();
    },
  ],
  [
    "outdated",
    async (page) => {
      await page.getByLabel("Seed").fill("2");
      await page.getByLabel("Seed").press("Enter");
      await page.getByText(/have changed since/).waitFor();
    },
  ],
  [
    "a question",
    async (page) => {
      await page.getByRole("button", { name: "Clear everything" }).click();
      await page.getByRole("dialog").waitFor();
    },
  ],
  [
    "a refused file",
    async (page) => {
      await page.keyboard.press("Escape");
      await page.locator("input[accept*=zip]").setInputFiles(PICTURES[0]);
      await page.getByText("a.png is not a run").waitFor();
    },
  ],
  ["storage full", (page) => order(page, { patch: { problem: { kind: "storage", ...no } } })],
  ["crashed", (page) => order(page, { patch: { problem: { kind: "crashed", ...no } } })],
  ["device lost", (page) => order(page, { patch: { problem: { kind: "device-lost", ...no } } })],
  ["no WebGPU", (page) => order(page, { patch: { problem: { kind: "no-webgpu", ...no } } })],
];

const card = (page: Page, name: string): Locator => page.getByRole("article", { name: `Class ${name}`, exact: true });

async function loadSample(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Textures" }).click();
  await card(page, "striped").waitFor();
}

/** Tells the fake worker what to do, and waits until the page has drawn it. */
async function order(page: Page, what: Order): Promise<void> {
  await page.locator(".columns").waitFor();
  await page.evaluate(async (data) => {
    const channel = new BroadcastChannel("fake-engine");
    channel.postMessage(data);
    await new Promise((resolve) => setTimeout(resolve, 150));
    channel.close();
  }, what);
}

/** Waits until a control of such a name has the focus. */
async function focus(page: Page, name: RegExp): Promise<void> {
  let found = "";
  for (let i = 0; i < 100; i++) {
    found = await page.evaluate(() => document.activeElement!.ariaLabel ?? document.activeElement!.textContent!);
    if (name.test(found)) return;
    await page.waitForTimeout(50);
  }
  assert.fail(`the focus is on ${found}, not on ${name}`);
}

/** Presses Tab until a control of that name (within a region of that name) has the focus. */
async function tabTo(page: Page, name: string, within?: string): Promise<void> {
  const seen: string[] = [];
  for (let i = 0; i < 150; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const element = document.activeElement as HTMLInputElement;
      const label = element.labels?.[0]?.querySelector("span") ?? element.labels?.[0];
      const text = element.ariaLabel ?? label?.textContent ?? element.textContent ?? "";
      return { text, within: element.closest("[aria-label]:not(button,input)")?.ariaLabel };
    });
    seen.push(at.text);
    if (at.text.startsWith(name) && (within === undefined || at.within === within)) return;
  }
  assert.fail(`Tab never reached ${name}: ${seen.join(" | ")}`);
}

/** What axe finds wrong, a line for each element. */
async function violations(page: Page): Promise<string[]> {
  if (await page.evaluate(() => !("axe" in window))) {
    await page.evaluate(await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
  }
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof import("axe-core") };
    const { violations } = await axe.run();
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
  });
}
