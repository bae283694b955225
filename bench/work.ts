/** A child process: one task of one library. Waits for lines on stdin and answers each with a line of JSON. */
import { createInterface } from "node:readline";
import { adapterName, finished, installGpu, memory } from "./gpu.ts";
import type { MakeWork } from "./work-type.ts";

const [library, task, sizes, adapter] = process.argv.slice(2);
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);
const SAMPLE_MS = 150;

if (library !== "ort") await installGpu(adapter); // it has a Dawn of its own
const { make } = (await import(`./tasks/${library}/${task}.ts`)) as { make: MakeWork<unknown> };
const { fresh, ...given } = JSON.parse(sizes);
const work = await make(given);
await finished();

/** Milliseconds of `calls` calls, from the first to the device's last. */
async function time(calls: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < calls; i++) await work.call();
  await work.flush?.();
  await finished();
  return performance.now() - start;
}

async function firstCall() {
  const start = performance.now();
  await work.call();
  const value = await work.value();
  return { ms: performance.now() - start, value };
}

let calls = 1;
const state = () => ({ adapter: work.adapter ?? adapterName, peakBytes: memory.peak || null });
if (fresh) say({ ready: true, ...state() });
else {
  const first = await firstCall();
  const second = await firstCall();
  const once = await time(1);
  calls = Math.max(1, Math.min(500, Math.ceil(SAMPLE_MS / once)));
  if (calls > 1) await time(calls);
  const values = [first.value, second.value];
  const output = work.output && [...work.output()];
  say({ ready: true, ...state(), firstMs: first.ms, values, output, calls, plan: work.plan?.() });
}
for await (const _ of createInterface({ input: process.stdin })) {
  if (fresh) {
    const { ms, value } = await firstCall();
    say({ ms, value, ...state(), plan: work.plan?.() });
  } else say({ ms: (await time(calls)) / calls, ...state() });
}
process.exit(0);
