// Without a network, all that people do with files of their own works, and nothing even asks for the network.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { drawFolder } from "./drawn-folder.ts";

const TIMEOUT = { timeout: 240_000 };
const NO_NETWORK = new URL("./no-network.ts", import.meta.url).href;
const TINY = new URL("../models/tiny-clip", import.meta.url).pathname;
const CLI = new URL("../src/cli/cli.ts", import.meta.url).href;

/** Runs a module that has no network; what it wrote. */
function alone(script: string, cwd: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const words = ["--import", import.meta.resolve("tsx"), "--import", NO_NETWORK, "--input-type=module", "-e", script];
  const child = spawn(process.execPath, words, { cwd, env: { ...process.env, COOP_QUIET: "1" } });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (piece) => (stdout += piece));
  child.stderr.on("data", (piece) => (stderr += piece));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
}

function scratch(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "coop-offline-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test("the journeys on local files reach for no network", TIMEOUT, async (t) => {
  const dir = scratch(t);
  const names = await drawFolder(join(dir, "pictures"), { perClass: 2, classes: 2 });
  const picture = join("pictures/test", names[0].replaceAll(" ", "_"), "0.png");
  const methods = [{ kind: "zero-shot" }, { kind: "coop", contextTokens: 2, epochs: 1 }];
  const datasets = [{ name: "above", source: join(dir, "pictures") }];
  writeFileSync(join(dir, "spec.json"), JSON.stringify({ datasets, shots: [1], seeds: [1], methods }));
  const journeys = [
    `train pictures --shots 1 --epochs 1 --context-tokens 2 --out run`,
    `eval pictures --prompt run`,
    `predict ${picture} --prompt run`,
    `explain run`,
    `export run --out model.pth.tar-1`,
    `import model.pth.tar-1 --classes a,b --out imported --model ${TINY}`,
    `zero-shot ${picture} --labels a,b`,
    `index pictures`,
    `search pictures a`,
    `embed ${picture}`,
    `bench spec.json --out bench`,
    `report bench/results.jsonl`,
    `datasets`,
    `doctor`,
  ];
  const { code, stdout, stderr } = await alone(
    `const { main } = await import(${JSON.stringify(CLI)});
    console.log = console.info = () => {};
    for (const line of ${JSON.stringify(journeys)}) process.stdout.write(line + ": " + (await main(line.split(" "))) + "\\n");`,
    dir,
  );
  assert.equal(code, 0, stderr);
  assert.deepEqual(
    stdout.trim().split("\n"),
    journeys.map((line) => `${line}: 0`),
    stderr,
  );
  assert.doesNotMatch(stderr, /^network:/m);
});

test("a model that must be fetched says so in one line", TIMEOUT, async (t) => {
  const dir = scratch(t);
  const { stderr } = await alone(
    `process.env.HF_HOME = ${JSON.stringify(dir)}; process.env.HF_HUB_OFFLINE = "1";
    const { main } = await import(${JSON.stringify(CLI)});
    process.exitCode = await main(["embed", "x.png", "--model", "openai/clip-vit-base-patch32"]);`,
    dir,
  );
  assert.doesNotMatch(stderr, /^network:/m); // HF_HUB_OFFLINE is kept to
  assert.match(stderr, /^coop: .*offline/im);
});
