// Campaigns about numbers (`npm run numbers`, or `npm run numbers -- graphs --count 100`): what docs/reliability.md tells
// of random graphs and of errors in units in the last place comes from here.
import "../../test/gpu-settings.ts";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { device } from "../../src/tensor/index.ts";
import { ULP_OPS, ulpsOf } from "../../test/ulp.ts";
import { compareGraphs } from "./graphs.ts";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: "string", default: "1000" }, seed: { type: "string", default: "20220901" } },
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

if (parts.includes("graphs")) {
  const figures = await compareGraphs(Number(flags.count), Number(flags.seed), async (so) => {
    console.error(`${so.graphs} of ${flags.count} graphs`);
    await keep("reliability/graphs.json", so);
  });
  console.log(JSON.stringify({ ...figures, worst: undefined }, null, 2));
}

if (parts.includes("ulp")) {
  const table: Record<string, number> = {};
  for (const name of ULP_OPS) table[name] = Math.ceil(100 * (await ulpsOf(name))) / 100;
  await keep("bench/ulp.json", table);
  const [worst] = Object.entries(table).sort(([, a], [, b]) => b - a);
  console.log(`${ULP_OPS.length} ops, the worst ${worst[0]} with ${worst[1]} ulp`);
}
