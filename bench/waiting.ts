// What the naps of src/tensor/naps.ts save: results that are waited for, with naps and without, in processes that take
// turns: npx tsx bench/waiting.ts [ROUNDS]. It prints milliseconds from call to result, and of processor in that time.
import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { median } from "./statistics.ts";

/** Edge of a matrix that is multiplied four times, and how often. */
const WORK = [
  [4, 300],
  [128, 100],
  [256, 50],
  [512, 10],
  [1024, 4],
] as const;

interface Time {
  readonly ms: number;
  readonly processor: number;
}

/** Medians of one process, an entry for each size. */
async function work(): Promise<Time[]> {
  const { compile, device, matmul, tensor } = await import("../src/tensor/index.ts");
  await device();
  const times: Time[] = [];
  for (const [n, calls] of WORK) {
    const x = tensor(new Float32Array(n * n), [n, n]);
    const product = compile((y: typeof x) => matmul(matmul(matmul(matmul(y, x), x), x), x));
    const once = async () => {
      const began = performance.now();
      const y = product(x);
      await y.data();
      y.free();
      return performance.now() - began;
    };
    for (let i = 0; i < 3; i++) await once();
    const before = process.cpuUsage();
    const each: number[] = [];
    for (let i = 0; i < calls; i++) each.push(await once());
    const { user, system } = process.cpuUsage(before);
    times.push({ ms: median(each), processor: (user + system) / 1000 / calls });
    x.free();
    product.free();
  }
  return times;
}

const [word = "5"] = process.argv.slice(2);
if (word === "naps" || word === "awake") {
  if (word === "awake") Atomics.wait = () => "timed-out";
  console.log(JSON.stringify(await work()));
  process.exit();
}

const rounds: Record<"naps" | "awake", Time[][]> = { awake: [], naps: [] };
for (let i = 0; i < Number(word); i++)
  for (const how of ["awake", "naps"] as const) {
    const args = ["--import", "tsx", fileURLToPath(import.meta.url), how];
    const options: ExecFileSyncOptionsWithStringEncoding = { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] };
    rounds[how].push(JSON.parse(execFileSync(process.execPath, args, options)));
  }
console.table(
  Object.fromEntries(
    WORK.map(([n], i) => {
      const of = (how: "naps" | "awake", key: keyof Time) => median(rounds[how].map((round) => round[i][key]));
      const [awake, naps] = [of("awake", "ms"), of("naps", "ms")];
      return [
        `${n}²`,
        {
          "awake, ms": awake.toFixed(2),
          "with naps, ms": naps.toFixed(2),
          ratio: (awake / naps).toFixed(2),
          "awake, processor ms": of("awake", "processor").toFixed(2),
          "with naps, processor ms": of("naps", "processor").toFixed(2),
        },
      ];
    }),
  ),
);
