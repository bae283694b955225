// Campaigns about numbers (`npm run numbers`, or `npm run numbers -- graphs --count 100`): what docs/reliability.md tells
// of random graphs and of errors in units in the last place comes from here.
import "../../test/gpu-settings.ts";
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { parseArgs, promisify } from "node:util";
import { device } from "../../src/tensor/index.ts";
import { ULP_OPS, ulpsOf } from "../../test/ulp.ts";
import { compareGraphs, figuresOf, type GraphErrors } from "./graphs.ts";

/** Graphs that are compared by one process. */
const A_PROCESS = 50;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    from: { type: "string" },
    count: { type: "string", default: "1000" },
    seed: { type: "string", default: "20220901" },
  },
});
const parts = positionals.length > 0 ? positionals : ["graphs", "ulp"];
const { adapter } = await device();
const root = new URL("../../", import.meta.url);

/** Puts an adapter's figures into a file beside those of others. */
async function keep(path: string, figures: object): Promise<void> {
  const file = new URL(path, root);
  const before = JSON.parse(await readFile(file, "utf8").catch(() => "{}"));
  await mkdir(new URL(".", file), { recursive: true });
  await writeFile(file, `${JSON.stringify({ ...before, [adapter]: figures }, null, 2)}\n`);
}

const [count, seed] = [Number(flags.count), Number(flags.seed)];
if (parts.includes("graphs") && flags.from !== undefined)
  process.stdout.write(JSON.stringify(await compareGraphs(Number(flags.from), count, seed)));
else if (parts.includes("graphs")) {
  const errors: GraphErrors[] = [];
  while (errors.length < count) {
    // a driver keeps what it compiled for as long as the process lives
    const some = ["--from", `${errors.length}`, "--count", `${Math.min(A_PROCESS, count - errors.length)}`];
    const words = [...process.execArgv, import.meta.filename, "graphs", ...some, "--seed", `${seed}`];
    const { stdout } = await promisify(execFile)(process.execPath, words, { maxBuffer: 2 ** 28 });
    errors.push(...JSON.parse(stdout));
    console.error(`${errors.length} of ${count} graphs`);
    await keep("reliability/graphs.json", figuresOf(errors, seed));
  }
  console.log(JSON.stringify({ ...figuresOf(errors, seed), worst: undefined }, null, 2));
}

if (parts.includes("ulp")) {
  const table: Record<string, number> = {};
  for (const name of ULP_OPS) table[name] = Math.ceil(100 * (await ulpsOf(name))) / 100;
  await keep("bench/ulp.json", table);
  const [worst] = Object.entries(table).sort(([, a], [, b]) => b - a);
  console.log(`${ULP_OPS.length} ops, the worst ${worst[0]} with ${worst[1]} ulp`);
}
