// How much JavaScript a page loads: each entry bundled and minified by esbuild, gzip -9, 1 KB = 1000 bytes.
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What is measured, and the most that it may be, in KB. */
const MEASURED = [
  { name: "`coop`", code: 'export * from "./src/index.ts"', limit: 30 },
  {
    name: "with `coop/clip`",
    code: 'export * from "./src/index.ts"; export * as c from "./src/clip/index.ts"',
    limit: 60,
  },
  {
    name: "and `coop/prompt`: everything",
    code: 'export * from "./src/index.ts"; export * as c from "./src/clip/index.ts"; export * as p from "./src/coop/index.ts"',
    limit: 90,
  },
  { name: '`import { add } from "coop"` alone', code: 'export { add } from "./src/index.ts"', limit: 30 },
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

/** The table of README.md. */
export function sizeTable(all: readonly Size[]): string {
  const rows = all.map(
    ({ name, now, later }) => `| ${name} | ${now.toFixed(1)} KB | ${later ? `${later.toFixed(1)} KB` : ""} |`,
  );
  return ["| | at once | later, where needed |", "|---|---|---|", ...rows].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(sizeTable(await sizes()));
