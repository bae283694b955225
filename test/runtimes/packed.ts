// A fresh folder with the packed package installed in it, as a user installs it, and the smoke suite beside it.
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { makeModel } from "../make-model.mjs";
import { goldenTokenizerJson } from "./golden-tokenizer.ts";
import { run } from "./run.ts";

const ROOT = join(import.meta.dirname, "../..");
const GOLDENS = join(ROOT, "test/goldens");
/** What packing needs, beside the files that it packs. */
const FOR_PACKING = ["package.json", "tsconfig.json", "tsconfig.build.json", "README.md", "LICENSE"];
const MINUTES = 60_000;

export interface PackedApp {
  readonly folder: string;
  remove(): Promise<void>;
}

export async function packedApp(): Promise<PackedApp> {
  const place = await realpath(await mkdtemp(join(tmpdir(), "coop-runtimes-")));
  const remove = () => rm(place, { recursive: true, force: true });
  const folder = join(place, "app");
  try {
    await mkdir(folder);
    await install(await pack(place), folder);
    await addSuite(folder);
    await addModel(folder);
    await addPages(folder);
  } catch (error) {
    await remove();
    throw error;
  }
  return { folder, remove };
}

/** Packs a copy of the checkout, so that no two tests build into its `dist` at once. */
async function pack(place: string): Promise<string> {
  const copy = join(place, "copy");
  await mkdir(copy);
  const { files } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { files: string[] };
  for (const name of [...FOR_PACKING, ...files])
    if (name !== "dist") await cp(join(ROOT, name), join(copy, name), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(copy, "node_modules"));
  await run(["npm", "pack", "--silent", "--pack-destination", place], { cwd: copy, timeout: 3 * MINUTES });
  const tarball = (await readdir(place)).find((name) => name.endsWith(".tgz"));
  if (!tarball) throw new Error("npm pack left no tarball");
  return join(place, tarball);
}

/** `npm install`; where no registry can be reached, what it would do, with the checkout's dependencies. */
async function install(tarball: string, app: string): Promise<void> {
  await writeFile(join(app, "package.json"), JSON.stringify({ name: "app", private: true, type: "module" }));
  const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
  const soon = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=2000"]; // offline, else it waits for minutes
  try {
    await run(["npm", "install", ...quiet, ...soon, tarball], { cwd: app, timeout: 3 * MINUTES });
  } catch (error) {
    console.error(`npm install of the tarball failed, linking the checkout's dependencies instead: ${error}`);
    const modules = join(app, "node_modules");
    await rm(modules, { recursive: true, force: true });
    await mkdir(join(modules, "coop"), { recursive: true });
    await run(["tar", "-xzf", tarball, "-C", join(modules, "coop"), "--strip-components=1"]);
    for (const name of await readdir(join(ROOT, "node_modules")))
      await symlink(join(ROOT, "node_modules", name), join(modules, name));
  }
}

/** The suite, its types stripped, and what starts it. */
async function addSuite(app: string): Promise<void> {
  const here = import.meta.dirname;
  const alone = ["--ignoreConfig", "--noResolve", "--noCheck", "--module", "esnext", "--target", "es2023"];
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  await run([process.execPath, tsc, join(here, "smoke.ts"), ...alone, "--outDir", app]);
  for (const name of await readdir(here)) if (name.endsWith(".mjs")) await cp(join(here, name), join(app, name));
}

async function addModel(app: string): Promise<void> {
  makeModel("tiny-vit", join(app, "model"), "hf", "/nowhere");
  const tokens = JSON.parse(await readFile(join(GOLDENS, "tokens.json"), "utf8"));
  await writeFile(join(app, "model/tokenizer.json"), JSON.stringify(goldenTokenizerJson(tokens)));
  await cp(join(GOLDENS, "tiny-vit"), join(app, "goldens"), { recursive: true });
}

/** The README's first example, and pages with the import map of docs/runtimes.md: for it, and for the suite. */
async function addPages(app: string): Promise<void> {
  const importMap = await blockOf("docs/runtimes.md", /<script type="importmap">.*?<\/script>/s);
  await writeFile(join(app, "example.mjs"), await blockOf("README.md", /(?<=^```ts\n).*?(?=^```$)/ms));
  for (const script of ["example.mjs", "page.mjs"]) {
    const html = `<!doctype html><meta charset="utf-8"><title>coop</title>\n${importMap}\n<script type="module" src="${script}"></script>\n`;
    await writeFile(join(app, `${basename(script, ".mjs")}.html`), html);
  }
}

async function blockOf(file: string, pattern: RegExp): Promise<string> {
  const [block] = pattern.exec(await readFile(join(ROOT, file), "utf8")) ?? [];
  if (!block) throw new Error(`${file} has no ${pattern}`);
  return block;
}
