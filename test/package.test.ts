// The package as a user gets it: packed, installed into an empty folder, and used from there.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, normalize, relative } from "node:path";
import { after, before, describe, test } from "node:test";
import { build } from "esbuild";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { sizes, withSizes } from "../scripts/sizes.ts";

const ROOT = join(import.meta.dirname, "..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");
const TIMEOUT = 600_000; // builds, and installs from a registry

const temp = mkdtempSync(join(tmpdir(), "coop-package-"));
/** What is packed: the files of this repository, built apart from it. */
const source = join(temp, "source");
/** A user's folder. */
const app = join(temp, "app");
const installed = join(app, "node_modules/coop");
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
let tarball: string;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, words: readonly string[], cwd: string): Promise<Outcome> {
  const env = { ...process.env, NODE_OPTIONS: "", COOP_NO_CACHE: "1" };
  return new Promise((resolve) =>
    execFile(command, words, { cwd, env, timeout: TIMEOUT / 2, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    ),
  );
}

async function works(command: string, words: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await run(command, words, cwd);
  assert.equal(code, 0, `${command} ${words.join(" ")}\n${stdout}\n${stderr}`);
  return stdout;
}

const bin = (name: string): string => join(ROOT, "node_modules/.bin", name);

/** Installs the tarball; where no registry answers, what it depends on is linked to what the repository has. */
async function install(): Promise<void> {
  mkdirSync(app);
  writeFileSync(join(app, "package.json"), JSON.stringify({ name: "app", private: true, type: "module" }));
  const quiet = ["--no-audit", "--no-fund", "--prefer-offline"];
  const soon = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=2000"]; // offline, else it waits for minutes
  const { code } = await run("npm", ["install", ...quiet, ...soon, tarball], app);
  if (code === 0) return;
  rmSync(join(app, "node_modules"), { recursive: true, force: true });
  mkdirSync(installed, { recursive: true });
  await works("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"], app);
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
    const [from, to] = [join(ROOT, "node_modules", name), join(app, "node_modules", name)];
    mkdirSync(dirname(to), { recursive: true });
    if (existsSync(from)) symlinkSync(from, to);
  }
  mkdirSync(join(app, "node_modules/.bin"));
  symlinkSync(join(installed, manifest.bin.coop), join(app, "node_modules/.bin/coop"));
}

before(
  async () => {
    mkdirSync(source);
    for (const name of [
      "package.json",
      "tsconfig.json",
      "tsconfig.build.json",
      "README.md",
      "LICENSE",
      ...manifest.files,
    ])
      if (name !== "dist") cpSync(join(ROOT, name), join(source, name), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(source, "node_modules"));
    const [{ filename }] = JSON.parse(
      await works("npm", ["pack", "--silent", "--json", "--pack-destination", temp], source),
    );
    tarball = join(temp, filename);
    await install();
  },
  { timeout: TIMEOUT },
);
after(() => rmSync(temp, { recursive: true, force: true }));

describe("the package", { timeout: TIMEOUT }, () => {
  test("holds what is to be used and read, and nothing else", () => {
    const files = readdirSync(installed, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(installed, join(entry.parentPath, entry.name)));
    const allowed =
      /^(dist\/.*\.(js|d\.ts)(\.map)?|src\/.*\.ts|docs\/.*|models\/tiny-clip\/[^/]*|(package\.json|README\.md|CHANGELOG\.md|LICENSE))$/;
    assert.deepEqual(
      files.filter((file) => !allowed.test(file) || /\.test\./.test(file)),
      [],
    );
    assert.ok(files.includes("models/tiny-clip/model.safetensors") && files.includes("docs/cli.md"));
    const built = files
      .filter((file) => /^src\/.*\.ts$/.test(file))
      .map((file) => file.replace(/^src\/(.*)\.ts$/, "dist/$1"));
    for (const file of built)
      for (const end of [".js", ".js.map", ".d.ts", ".d.ts.map"])
        assert.ok(files.includes(file + end), `no ${file}${end}`);
  });

  test("source maps lead to files in it", () => {
    const maps = readdirSync(join(installed, "dist"), { recursive: true, encoding: "utf8" }).filter((f) =>
      f.endsWith(".map"),
    );
    assert.ok(maps.length > 100);
    for (const name of maps) {
      const path = join(installed, "dist", name);
      const { sources, sourceRoot = "" } = JSON.parse(readFileSync(path, "utf8"));
      for (const from of sources) {
        const to = normalize(join(dirname(path), sourceRoot, from));
        assert.ok(to.startsWith(join(installed, "src")) && existsSync(to), `${name} names ${from}`);
      }
    }
  });

  test("publint finds nothing", async () => {
    // below a warning: it would have "browser" written another way, which sources that run unbuilt cannot be
    const { messages, pkg } = await publint({ pkgDir: installed, pack: false, strict: true, level: "warning" });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg)),
      [],
    );
  });

  test("the types are those of the code: attw finds nothing", async () => {
    const said = await works(bin("attw"), [tarball, "--profile", "esm-only", "--format", "json"], temp);
    const { analysis } = JSON.parse(said);
    assert.deepEqual(Object.keys(analysis.entrypoints).sort(), Object.keys(manifest.exports).sort());
  });

  const entries = Object.keys(manifest.exports).filter((path) => !path.endsWith(".json"));
  const consumer = `${entries.map((path, i) => `import * as e${i} from "coop${path.slice(1)}";`).join("\n")}
import { grad, matmul, mean, square, tensor, type Tensor } from "coop";
import type { Clip } from "coop/clip";
import { promptLearner } from "coop/prompt";

export const all = [${entries.map((_, i) => `e${i}`).join(", ")}];
const loss = (w: Tensor): Tensor => mean(square(matmul(tensor([[1, 2]]), w)));
export const slope: Tensor = grad(loss)(tensor([0.5, -1]));
export const learner = (clip: Clip) => promptLearner(clip, ["cat", "dog"], { contextTokens: 4 }).init;
// @ts-expect-error a shape is no tensor
matmul([2, 3], slope);
`;
  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ]) {
    test(`its types hold where everything is checked, with ${moduleResolution}`, async () => {
      const folder = join(app, moduleResolution);
      mkdirSync(folder);
      writeFileSync(join(folder, "app.ts"), consumer);
      const lib = ["ES2023", "DOM", "DOM.Iterable", "DOM.AsyncIterable", "ESNext.Disposable"];
      const options = {
        module,
        moduleResolution,
        lib,
        target: "ES2023",
        types: [],
        strict: true,
        noEmit: true,
        skipLibCheck: false,
      };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["app.ts"] }));
      await works(bin("tsc"), ["-p", folder], app);
    });
  }

  test("README's first example runs in Node", async () => {
    const [, example] = README.match(/```ts\n([\s\S]*?)```/)!;
    writeFileSync(join(app, "first.js"), example);
    assert.match(await works(process.execPath, ["first.js"], app), /Float32Array\(2\) \[ -9, -13 \]/);
  });

  test("a bundle for a page has no module of Node in it", async () => {
    const page = 'export * from "coop"; export * as clip from "coop/clip"; export * as prompt from "coop/prompt"';
    const { warnings, outputFiles } = await build({
      stdin: { contents: page, resolveDir: app },
      bundle: true,
      splitting: true,
      write: false,
      format: "esm",
      platform: "browser",
      outdir: "out",
      logLevel: "silent",
    });
    assert.deepEqual(warnings, []);
    for (const { text } of outputFiles) assert.doesNotMatch(text, /import\("[^.]/);
  });

  test("every entry can be imported in Node", async () => {
    const code = `const all = await Promise.all(${JSON.stringify(entries)}.map((path) => import("coop" + path.slice(1))));
console.log(all.map((entry) => Object.keys(entry).length).join());`;
    const counts = (await works(process.execPath, ["--input-type=module", "-e", code], app)).split(",").map(Number);
    assert.ok(counts.length === entries.length && counts.every((n) => n > 0), counts.join());
  });

  test("its command says its version", async () => {
    assert.equal((await works("npx", ["--no-install", "coop", "--version"], app)).trim(), manifest.version);
  });

  test("has the sizes that README.md says, within their limits", async () => {
    const found = await sizes();
    for (const { name, now, limit } of found)
      assert.ok(now <= limit, `${name}: ${now.toFixed(1)} KB at once, more than ${limit} KB`);
    assert.ok(README === withSizes(README, found), "README.md has other sizes: run `npm run sizes -- --write`");
  });
});
