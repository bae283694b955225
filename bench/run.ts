/** Measures coop beside its peers. Flags are in README.md. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import { type Case, cases } from "./cases.ts";
import { Child } from "./child.ts";
import { type CaseResult, measure } from "./measure.ts";
import { markdown, measurements, type Results } from "./report.ts";

const at = (name: string): URL => new URL(name, import.meta.url);

const { values: flags } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    large: { type: "boolean", default: false },
    hardware: { type: "boolean", default: false },
    device: { type: "string" },
    rounds: { type: "string" },
    "peak-tflops": { type: "string" },
  },
});

if (flags.help) {
  console.log((await readFile(at("README.md"), "utf8")).split("\n## ")[0]);
  process.exit(0);
}

if (!existsSync(at("node_modules/onnxruntime-node"))) {
  console.log("installing the peers into bench/node_modules");
  const arguments_ = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
  const { status } = spawnSync("npm", arguments_, {
    cwd: at("."),
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (status !== 0) throw new Error("npm ci in bench/ failed; see above");
}

const json = async (name: string) => JSON.parse(await readFile(at(name), "utf8"));
const git = (...args: string[]): string => spawnSync("git", args, { encoding: "utf8" }).stdout?.trim() ?? "";

/** The adapter as a child finds it, before anything is measured. */
async function findAdapter(): Promise<string> {
  const child = new Child(
    { name: "coop", library: "coop", task: "matmul", sizes: { n: 16 } },
    { device: flags.device },
  );
  try {
    return (await child.answer(120)).adapter;
  } finally {
    await child.stop();
  }
}

const adapter = await findAdapter();
const isHardware = flags.hardware || !/llvmpipe|lavapipe|swiftshader|basic render/i.test(adapter);
console.log(`${adapter}\n${cpus()[0].model}, ${availableParallelism()} cores`);

const wanted = (one: Case): boolean => {
  const enabled = !one.flag || (one.flag === "large" ? flags.large : isHardware);
  if (!flags.only) return enabled;
  return flags.only.split(",").some((name) => one.id === name || (enabled && one.id.startsWith(`${name}-`)));
};
const chosen = cases(flags.quick).filter(wanted);
if (chosen.length === 0)
  throw new Error(
    `--only ${flags.only}: there are ${cases(false)
      .map(({ id }) => id)
      .join(", ")}`,
  );

const before: Results | undefined = existsSync(at("results.json")) ? await json("results.json") : undefined;
const version = async (name: string) => (await json(name)).version as string;
const results: Results = {
  about: {
    adapter,
    cpu: cpus()[0].model,
    cores: availableParallelism(),
    node: process.version,
    versions: {
      coop: await version("../package.json"),
      webgpu: await version("../node_modules/webgpu/package.json"),
      "jax-js": await version("node_modules/@jax-js/jax/package.json"),
      "TensorFlow.js": await version("node_modules/@tensorflow/tfjs/package.json"),
      "ONNX Runtime": await version("node_modules/onnxruntime-node/package.json"),
    },
    ...(flags["peak-tflops"] && { peakTflops: Number(flags["peak-tflops"]) }),
  },
  cases: before?.about.adapter === adapter ? before.cases : {},
};

const commit = git("describe", "--always", "--dirty", "--exclude=*");
const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 5));
// Mesa's CPU driver spends most of a smoke test optimising shaders
const env = flags.quick ? { GALLIVM_PERF: "nopt" } : undefined;
const measured: Record<string, CaseResult> = {};
for (const one of chosen) {
  measured[one.id] = await measure(one, { rounds, commit, device: flags.device, env });
  if (flags.quick) continue;
  const known = { ...results.cases, ...measured };
  results.cases = Object.fromEntries(cases(false).flatMap(({ id }) => (known[id] ? [[id, known[id]]] : [])));
  await writeFile(at("results.json"), `${JSON.stringify(results, null, 2)}\n`);
  await writeFile(at("RESULTS.md"), markdown(results));
}
if (flags.quick) {
  const failed = Object.values(measured).flatMap(({ runs }) => runs.filter(({ error }) => error));
  console.log(`\n${measurements({ ...results, cases: measured })}`);
  if (failed.length > 0) throw new Error(failed.map(({ name, error }) => `${name}: ${error}`).join("; "));
} else console.log(`\n${markdown(results)}\nwritten to bench/RESULTS.md and bench/results.json`);
