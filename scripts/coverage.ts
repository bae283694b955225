// Runs the suite and says how much of the library it ran through: npm run coverage. Writes reliability/coverage.json; fails
// where a folder has less than 95 % of its lines or 90 % of its branches. Processes that tests start count too.
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { writeFileAtomic } from "../src/coop/atomic.ts";

const FOLDERS = ["src/tensor", "src/autograd", "src/clip", "src/coop"];
const LEAST = { lines: 95, branches: 90 } as const;
const KINDS = Object.keys(LEAST) as (keyof typeof LEAST)[];

type Counts = Readonly<Record<keyof typeof LEAST, { readonly total: number; readonly covered: number }>>;

const dir = await mkdtemp(join(tmpdir(), "coop-coverage-"));
const include = FOLDERS.flatMap((folder) => ["--include", `${folder}/**`]);
const words = ["--merge-async", "--reporter", "json-summary", "--reports-dir", dir, ...include];
const { status } = spawnSync("npx", ["c8", ...words, "npm", "run", "-s", "test:run"], { stdio: "inherit" });
if (status !== 0) console.error("the suite does not pass");

const { total: _, ...summary } = JSON.parse(await readFile(join(dir, "coverage-summary.json"), "utf8"));
await rm(dir, { recursive: true, force: true });
const files = Object.entries(summary as Record<string, Counts>).map(([file, counts]) => ({
  name: relative(".", file),
  counts,
}));
const percent = ({ covered, total }: Counts["lines"]) => Math.floor(10_000 * (total ? covered / total : 1)) / 100;
const row = (list: readonly Counts[]) =>
  Object.fromEntries(
    KINDS.map((kind) => {
      const sum = (of: "total" | "covered") => list.reduce((sum, counts) => sum + counts[kind][of], 0);
      return [kind, percent({ total: sum("total"), covered: sum("covered") })];
    }),
  ) as Record<keyof typeof LEAST, number>;

const folders = Object.fromEntries(
  FOLDERS.map((folder) => [
    folder,
    row(files.filter(({ name }) => name.startsWith(`${folder}/`)).map(({ counts }) => counts)),
  ]),
);
const each = Object.fromEntries(files.map(({ name, counts }) => [name, row([counts])]));
await writeFileAtomic("reliability/coverage.json", `${JSON.stringify({ folders, files: each }, null, 2)}\n`);
console.log(folders);
if (status !== 0 || Object.values(folders).some((row) => KINDS.some((kind) => row[kind] < LEAST[kind])))
  process.exitCode = 1;
