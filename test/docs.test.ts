// What the documentation says is true: its code runs, its commands exist, its printed blocks are what is printed.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { filled, printed } from "../scripts/how-it-works.ts";
import { main } from "../src/cli/cli.ts";
import * as clip from "../src/clip/index.ts";
import { parseSpec } from "../src/coop/experiments/index.ts";
import * as prompt from "../src/coop/index.ts";
import * as coop from "../src/index.ts";
import { blocksOf, commandsOf, examplesOf, ROOT } from "./doc-blocks.ts";
import "./gpu-settings.ts";

const TIMEOUT = 600_000; // minutes only on SwiftShader
const GUIDES = readdirSync(join(ROOT, "docs")).filter((page) => /^guide-.*\.md$/.test(page));
const PAGES = ["README.md", ...readdirSync(join(ROOT, "docs")).map((page) => `docs/${page}`)].filter((page) =>
  page.endsWith(".md"),
);

const run = (words: readonly string[], cwd: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, COOP_QUIET: "1" };
    execFile(process.execPath, words, { cwd, env, timeout: TIMEOUT }, (error, stdout, stderr) =>
      error ? reject(new Error(`${words.join(" ")}\n${stdout}\n${stderr}`)) : resolve(stdout),
    );
  });

const AT_HAND = `import { tensor, zeros } from "coop";
let loss;
const batch = { features: zeros([8, 64]), labels: tensor(new Int32Array(8)) };
`;

describe("the code of the pages", () => {
  const folder = mkdtempSync(join(tmpdir(), "coop-docs-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  /** The entries of the package and their sources. */
  const entries: Record<string, string> = Object.fromEntries(
    Object.entries(
      JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).exports as Record<string, { types?: string }>,
    )
      .filter(([, { types }]) => types)
      .map(([name, { types }]) => [`coop${name.slice(1)}`, types!.replace("./dist/", "").replace(/\.d\.ts$/, "")]),
  );

  /** The blocks of a guide that run are one program; the others are one each. */
  const programs = GUIDES.flatMap((page) => {
    const blocks = blocksOf(`docs/${page}`).filter(({ language }) => language === "ts");
    const name = page.replace(/\.md$/, "");
    const whole = blocks.filter(({ runs }) => runs).map(({ code }) => code);
    const alone = blocks.filter(({ runs }) => !runs);
    return [
      ...(whole.length > 0 ? [{ file: `strict/${name}.ts`, code: whole.join("\n") }] : []),
      ...alone.map(({ code }, i) => ({ file: `strict/${name}-${i}.ts`, code: `export {};\n${code}` })),
    ];
  });
  const readme = blocksOf("README.md").filter(({ language }) => language === "ts");

  before(() => {
    for (const { file, code } of programs) write(file, code);
    // the README's blocks leave types out, and what a reader has at hand
    readme.forEach(({ code }, i) => write(`readme/${i}.ts`, i > 0 ? `${AT_HAND}${code}` : code));
    write(
      "strict/tsconfig.json",
      JSON.stringify({
        extends: join(ROOT, "tsconfig.json"),
        compilerOptions: {
          noUnusedLocals: false,
          typeRoots: [join(ROOT, "node_modules/@types"), join(ROOT, "node_modules")],
          paths: Object.fromEntries(
            Object.entries(entries).map(([name, file]) => [name, [join(ROOT, "src", `${file}.ts`)]]),
          ),
        },
        include: ["*.ts"],
      }),
    );
    write("package.json", '{ "type": "module" }');
  });

  function write(file: string, text: string): void {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }

  test("has the types that it should", { timeout: TIMEOUT }, async () => {
    await run([join(ROOT, "node_modules/typescript/bin/tsc"), "--noEmit", "-p", join(folder, "strict")], ROOT);
  });

  const runnable = programs.filter(({ file }) => !/-\d\.ts$/.test(file)).map(({ file }) => file);
  for (const file of [...runnable, "readme/0.ts", "readme/1.ts"])
    test(`${file} runs`, { timeout: TIMEOUT }, async () => {
      const code = readFileSync(join(folder, file), "utf8").replace(
        /from "(coop[^"]*)"/g,
        (_, entry) => `from ${JSON.stringify(new URL(`../src/${entries[entry]}.ts`, import.meta.url).href)}`,
      );
      const made = file.replace(/\.ts$/, ".run.mts");
      write(made, file === "readme/1.ts" ? `${code}\nconsole.log(await loss.item());` : code);
      const said = await run(["--import", new URL(import.meta.resolve("tsx")).href, join(folder, made)], ROOT);
      if (file === "readme/0.ts") assert.match(said, /-9,\s*-13/);
    });

  test("experiment files of the guides are read", () => {
    for (const page of GUIDES)
      for (const { language, code } of blocksOf(`docs/${page}`)) if (language === "json") parseSpec(code, page);
  });
});

test("every command and flag that a page names exists", async () => {
  const helps = new Map<string, string>();
  const helpOf = async (name: string): Promise<string> => {
    const lines: string[] = [];
    const { log, error } = console;
    console.log = console.error = (line: string) => lines.push(line);
    const code = await main([name, "--help"]).finally(() => Object.assign(console, { log, error }));
    return code === 0 ? lines.join("\n") : "";
  };
  for (const page of PAGES)
    for (const [name, ...words] of commandsOf(page)) {
      if (!/^[a-z][a-z-]*$/.test(name)) continue;
      if (!helps.has(name)) helps.set(name, await helpOf(name));
      const help = helps.get(name)!;
      assert.notEqual(help, "", `${page}: there is no command "coop ${name}"`);
      for (const [flag] of words.join(" ").matchAll(/--[a-z][a-z-]*/g))
        assert.ok(help.includes(flag), `${page}: coop ${name} has no ${flag}`);
    }
});

test("links between pages lead somewhere", () => {
  for (const page of PAGES) {
    const text = readFileSync(join(ROOT, page), "utf8").replace(/^```[\s\S]*?^```$/gm, "");
    for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [path, place] = link.split("#");
      const target = path ? join(ROOT, dirname(page), path) : join(ROOT, page);
      assert.ok(existsSync(target), `${page}: ${link} is not there`);
      if (place) assert.ok(headings(target).includes(place), `${page}: ${link} has no such heading`);
    }
  }
});

/** The anchors of a page's headings, as GitHub makes them. */
const headings = (file: string): string[] =>
  [...readFileSync(file, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(" ", "-"),
  );

test("how-it-works.md shows what is printed", { timeout: TIMEOUT }, async () => {
  const page = readFileSync(join(ROOT, "docs/how-it-works.md"), "utf8");
  const now = filled(page, await printed());
  assert.equal(page, now, "docs/how-it-works.md is not current; `npm run docs:how` writes it anew, then read it again");
});

test("examples in docstrings give what they promise", { timeout: TIMEOUT }, async () => {
  const scope = { ...coop, ...clip, ...prompt } as Record<string, unknown>;
  const files = (readdirSync(join(ROOT, "src"), { recursive: true }) as string[]).filter((file) =>
    file.endsWith(".ts"),
  );
  const examples = files.flatMap((file) => examplesOf(join(ROOT, "src", file)));
  const tried: ((typeof examples)[number] & { readonly result: unknown })[] = [];
  for (const example of examples) {
    const call = new AsyncFunction(...Object.keys(scope), `return [${example.expression}];`);
    const [result] = await call(...Object.values(scope)).catch((error: unknown) => {
      if (error instanceof ReferenceError) return []; // of something that only the reader has
      throw new Error(`${example.where}: ${example.expression}`, { cause: error });
    });
    if (result !== undefined) tried.push({ ...example, result });
  }
  assert.ok(tried.length > 100, `only ${tried.length} of ${examples.length} examples could be tried`);
  const results = await coop.read(tried.map(({ result }) => result));
  const wrong = tried.flatMap(({ where, expression, value }, i) =>
    near(flat(results[i]), flat(value)) ? [] : [`${where}: ${expression} gives ${JSON.stringify(flat(results[i]))}`],
  );
  assert.deepEqual(wrong, []);
});

const AsyncFunction = (async () => {}).constructor as new (
  ...words: string[]
) => (...values: unknown[]) => Promise<unknown[]>;

const flat = (value: unknown): unknown[] =>
  ArrayBuffer.isView(value) ? [...(value as Float32Array)] : Array.isArray(value) ? value.flatMap(flat) : [value];
const near = (a: unknown[], b: unknown[]): boolean =>
  a.length === b.length &&
  a.every((x, i) => {
    const y = b[i];
    return typeof x === "number" && typeof y === "number" ? Math.abs(x - y) <= 1e-4 * (1 + Math.abs(y)) : x === y;
  });

const site = existsSync(join(ROOT, "site/node_modules")) ? {} : { skip: "install it with `npm ci --prefix site`" };
test("the site builds without a warning, and every public symbol is documented", {
  timeout: TIMEOUT,
  ...site,
}, async () => {
  await run(["--import", "tsx", "site/build.ts"], ROOT);
  assert.ok(existsSync(join(ROOT, "site/dist/index.html")));
});
