// How much JavaScript a page loads: each entry bundled and minified by esbuild, gzip -9, 1 KB = 1000 bytes. With --write,
// README.md is told.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What is measured, and the most that may be loaded at once, in KB. */
const MEASURED = [
  { name: "`coop`", code: 'export * from "./src/index.ts"', limit: 51 },
  {
    name: "with `coop/clip`",
    code: 'export * from "./src/index.ts"; export * as c from "./src/clip/index.ts"',
    limit: 73,
  },
  {
    name: "and `coop/prompt`: everything",
    code: 'export * from "./src/index.ts"; export * as c from "./src/clip/index.ts"; export * as p from "./src/coop/index.ts"',
    limit: 90,
  },
  { name: '`import { add } from "coop"` alone', code: 'export { add } from "./src/index.ts"', limit: 24 },
];

/** Packages that only code for Node imports. */
const NODE_ONLY = ["webgpu", "@sparticuz/chromium", "sharp"];

export interface Size {
  readonly name: string;
  /** KB that are loaded at once. */
  readonly now: number;
  /** KB that are loaded where they are first needed. */
  readonly later: number;
  readonly limit: number;
}

/** The sizes of the package's entries. What only Node loads (`…-node.ts`) is left out. */
export async function sizes(): Promise<Size[]> {
  return Promise.all(
    MEASURED.map(async ({ name, code, limit }) => {
      const parts = await chunks(code);
      const sum = (of: "now" | "later") => parts.reduce((all, part) => all + (part.loaded === of ? part.bytes : 0), 0);
      return { name, now: sum("now") / 1000, later: sum("later") / 1000, limit };
    }),
  );
}

interface Chunk {
  readonly loaded: "now" | "later" | "never";
  /** gzipped */
  readonly bytes: number;
}

async function chunks(contents: string): Promise<Chunk[]> {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: root, loader: "ts", sourcefile: "page.ts" },
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    minify: true,
    metafile: true,
    write: false,
    format: "esm",
    target: "es2022",
    platform: "browser",
    outdir: "out",
    external: ["node:*", ...NODE_ONLY],
    logLevel: "error",
  });
  const { outputs } = metafile;
  const reached = (from: string[], kinds: string[], leaveOut?: RegExp): Set<string> => {
    const all = new Set(from);
    for (const path of all)
      for (const { path: to, kind } of outputs[path]?.imports ?? [])
        if (kinds.includes(kind) && !leaveOut?.test(outputs[to]?.entryPoint ?? "")) all.add(to);
    return all;
  };
  const first = Object.keys(outputs).filter((path) => outputs[path].entryPoint === "page.ts");
  const now = reached(first, ["import-statement"]);
  const ever = reached(first, ["import-statement", "dynamic-import"], /-node\.ts$/);
  return outputFiles.map((file) => {
    const path = Object.keys(outputs).find((name) => file.path.endsWith(name))!;
    return {
      loaded: now.has(path) ? "now" : ever.has(path) ? "later" : "never",
      bytes: gzipSync(file.contents, { level: 9 }).length,
    };
  });
}

/** README.md with the table of these sizes, in whole KB. */
export function withSizes(readme: string, all: readonly Size[]): string {
  const whole = (n: number) => (n > 0 ? `${Math.ceil(n)} KB` : "");
  const rows = all.map(({ name, now, later }) => `| ${name} | ${whole(now)} | ${whole(later)} |`);
  const table = ["| gzip | at once | where needed |", "|---|---|---|", ...rows].join("\n");
  return readme.replace(/(?<=<!-- sizes -->\n)[\s\S]*?(?=\n<!-- \/sizes -->)/, table);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const all = await sizes();
  const line = ({ name, now, later, limit }: Size) =>
    `${now.toFixed(1).padStart(5)} KB of ${limit} at once, ${later.toFixed(1).padStart(4)} KB later  ${name}`;
  console.log(all.map(line).join("\n"));
  if (process.argv.includes("--write")) {
    const readme = new URL("../README.md", import.meta.url);
    writeFileSync(readme, withSizes(readFileSync(readme, "utf8"), all));
  }
}
