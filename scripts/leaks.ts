// Does the same again and again and watches memory:
// npm run leaks [-- --only steps,traces,pipelines,models,answers] [--scale 0.1] [--write]
import "../test/gpu-settings.ts";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { valueAndGrad } from "../src/autograd/index.ts";
import { classify, imageFeatures, loadClip, textFeatures } from "../src/clip/index.ts";
import { add, compile, device, free, mean, mul, square, sub, type Tensor, tensor } from "../src/tensor/index.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const FILE = "reliability/leaks.json";

/** What memory was after so many rounds, in bytes. */
interface Sample {
  readonly round: number;
  readonly device: number;
  readonly heap: number;
  readonly process: number;
}

/** One thing to do over and over. */
interface Subject {
  readonly rounds: number;
  prepare(): Promise<{ round(i: number): Promise<void>; end(): void }>;
}

const SUBJECTS: Readonly<Record<string, Subject>> = {
  steps: {
    rounds: 100_000,
    async prepare() {
      const step = compile(
        (p: Tensor, x: Tensor) => {
          const [loss, g] = valueAndGrad((q: Tensor) => mean(square(sub(mul(q, x), 1))))(p);
          return [sub(p, mul(g, 0.01)), loss] as const;
        },
        { donate: [0], name: "step" },
      );
      const x = tensor(Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)));
      let p = tensor(new Float32Array(64));
      return {
        async round(i) {
          const [updated, loss] = step(p, x);
          p = updated;
          if (i % 50 === 0) await loss.item();
          loss.free();
        },
        end: () => {
          free([p, x]);
          step.free();
        },
      };
    },
  },
  traces: {
    rounds: 2000,
    async prepare() {
      return {
        async round(i) {
          const f = compile((x: Tensor) => mean(square(add(x, 1))), { name: "trace" });
          const x = tensor(new Float32Array(1000 + i)); // from there on a sum takes two kernels
          const y = f(x);
          await y.item();
          free([x, y]);
          f.free();
        },
        end: () => {},
      };
    },
  },
  // half of that without coop: what the driver keeps of a pipeline that nobody has any more
  pipelines: {
    rounds: 2000,
    async prepare() {
      const { gpu } = await device();
      const buffer = gpu.createBuffer({ size: 256, usage: GPUBufferUsage.STORAGE });
      return {
        async round(i) {
          const code = `@group(0) @binding(0) var<storage, read_write> y: array<f32>;
            @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) { y[id.x] = y[id.x] * ${i}f; }`;
          const module = gpu.createShaderModule({ code });
          const pipeline = gpu.createComputePipeline({ layout: "auto", compute: { module } });
          const entries = [{ binding: 0, resource: { buffer } }];
          const encoder = gpu.createCommandEncoder();
          const pass = encoder.beginComputePass();
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
          pass.dispatchWorkgroups(1);
          pass.end();
          gpu.queue.submit([encoder.finish()]);
          await gpu.queue.onSubmittedWorkDone();
        },
        end: () => buffer.destroy(),
      };
    },
  },
  models: {
    rounds: 200,
    async prepare() {
      const model = join(import.meta.dirname, "../models/tiny-clip");
      return {
        async round() {
          const clip = await loadClip(model);
          clip.free();
        },
        end: () => {},
      };
    },
  },
  answers: {
    rounds: 4000,
    async prepare() {
      const clip = await loadClip(join(import.meta.dirname, "../models/tiny-clip"));
      const { imageSize } = clip.config.vision;
      const names = ["cat", "dog", "bird"].map((name) => `a photo of a ${name}.`);
      const classes = await textFeatures(clip, names);
      return {
        async round(i) {
          const picture = Float32Array.from({ length: 3 * imageSize ** 2 }, (_, j) => Math.sin(i + j));
          await classify(clip, await imageFeatures(clip, [picture], 1), classes);
        },
        end: () => {
          clip.free();
        },
      };
    },
  },
};

async function sample(round: number): Promise<Sample> {
  const on = await device();
  await on.idle();
  for (let i = 0; i < 3; i++) {
    collect();
    await sleep(2);
  }
  const { heapUsed, rss } = process.memoryUsage();
  return { round, device: on.memory().bytes, heap: heapUsed, process: rss };
}

/** Rounds of all after which the caches are full: 256 pipelines are kept. */
const SETTLED = 0.55;

/** Bytes a round by least squares, and the standard error of that. */
function slope(samples: readonly Sample[], what: "device" | "heap" | "process"): { slope: number; error: number } {
  const n = samples.length;
  const mx = samples.reduce((s, { round }) => s + round, 0) / n;
  const my = samples.reduce((s, sample) => s + sample[what], 0) / n;
  const xx = samples.reduce((s, { round }) => s + (round - mx) ** 2, 0);
  const b = samples.reduce((s, sample) => s + (sample.round - mx) * (sample[what] - my), 0) / xx;
  const rest = samples.reduce((s, sample) => s + (sample[what] - my - b * (sample.round - mx)) ** 2, 0);
  return { slope: b, error: Math.sqrt(rest / Math.max(1, n - 2) / xx) };
}

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    scale: { type: "string", default: "1" },
    write: { type: "boolean", default: false },
  },
});
const report: Record<string, unknown> = {};
for (const [name, { rounds, prepare }] of Object.entries(SUBJECTS)) {
  if (flags.only && !flags.only.split(",").includes(name)) continue;
  const count = Math.max(40, Math.round(rounds * Number(flags.scale)));
  const { round, end } = await prepare();
  const samples: Sample[] = [];
  const started = performance.now();
  for (let i = 1; i <= count; i++) {
    await round(i);
    // the first part fills caches and pools
    if (i >= count * SETTLED && i % Math.ceil(count / 80) === 0) samples.push(await sample(i));
  }
  end();
  const rounded = (what: "device" | "heap" | "process") => {
    const { slope: each, error } = slope(samples, what);
    return {
      bytesARound: Number(each.toFixed(2)),
      standardError: Number(error.toFixed(2)),
      last: samples.at(-1)![what],
    };
  };
  const row = {
    rounds: count,
    seconds: Math.round((performance.now() - started) / 1000),
    device: rounded("device"),
    heap: rounded("heap"),
    process: rounded("process"),
  };
  report[name] = { ...row, samples };
  console.log(name, JSON.stringify(row));
}
if (flags.write) {
  await mkdir("reliability", { recursive: true });
  const adapter = (await device()).adapter;
  const before = JSON.parse(await readFile(FILE, "utf8").catch(() => "{}"));
  await writeFile(FILE, `${JSON.stringify({ ...before, adapter, ...report }, null, 2)}\n`);
}
