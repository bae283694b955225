// Kills coop at random moments and at random operations on files (`npm run kills -- --kills 120 --seed 1`), and makes
// these fail as a full or a read-only disk does: every file must be whole afterwards, and what is gone on with must end
// as if nothing had happened. Writes the last findings of each journey to reliability/kills.json.
import "../test/gpu-settings.ts";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { writeFileAtomic } from "../src/coop/atomic.ts";
import { makeFolder } from "../src/tensor/folder-node.ts";
import { campaign, type Findings } from "./kills/campaign.ts";
import { openJourneys } from "./kills/journeys.ts";

const { values: flags } = parseArgs({
  options: {
    kills: { type: "string", default: "120" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    only: { type: "string" }, // journeys, with commas between
    out: { type: "string", default: "reliability/kills.json" },
  },
});
const seed = Number(flags.seed);
const root = await mkdtemp(join(tmpdir(), "coop-kills-"));
console.log(`seed ${seed}`);
const { journeys, stop } = await openJourneys(root);
const wanted = journeys.filter(({ name }) => !flags.only || flags.only.split(",").includes(name));
const findings: Findings[] = [];
const others = JSON.parse(await readFile(flags.out, "utf8").catch(() => "[]")) as readonly Findings[]; // of earlier times
try {
  for (const journey of wanted) {
    const found = await campaign(journey, Math.ceil(Number(flags.kills) / wanted.length), seed, root);
    findings.push(found);
    console.log(
      `${found.journey}: ${found.kills} kills, ${found.killsInWrites} of them at one of ${found.operations} operations on files, ` +
        `${found.failures} failures of the disk, ${found.finished} times gone on with to the same end, in ${found.seconds} s`,
    );
    await makeFolder(dirname(flags.out));
    const all = [...others.filter(({ journey }) => findings.every((one) => one.journey !== journey)), ...findings];
    await writeFileAtomic(flags.out, `${JSON.stringify(all, null, 2)}\n`);
  }
} finally {
  stop();
}
await rm(root, { recursive: true, force: true }); // where something is wrong, it stays to be looked at
console.log(`${killsOf(findings)} kills, no file half, no other end`);

function killsOf(all: readonly Findings[]): number {
  return all.reduce((sum, { kills }) => sum + kills, 0);
}
