import type { Device } from "./device.ts";

/** What a device reached in two tiny kernels: measured, not looked up. */
export interface Peaks {
  /** Multiply-adds on numbers in registers, each counted as two operations, in 10⁹ a second. */
  readonly gflops: number;
  /** A copy that fits no cache, bytes read and written, in 10⁹ a second. */
  readonly gbps: number;
}

const measured = new WeakMap<Device, Promise<Peaks>>();

/** The peaks of a device, measured at the first call in about half a second. */
export function peaksOf(device: Device): Promise<Peaks> {
  let peaks = measured.get(device);
  if (!peaks) {
    peaks = measure(device);
    measured.set(device, peaks);
  }
  return peaks;
}

const INVOCATIONS = 65536;
const STEPS = 256;
/** Chains that do not wait for one another: enough to hide a latency, few enough for the registers of a CPU. */
const CHAINS = 16;

const chains = Array.from({ length: CHAINS }, (_, i) => `a${i}`);
const MULTIPLY_ADD = `@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let x = f32(id.x) * 1e-9;
  let m = 0.999 + x;
${chains.map((a, i) => `  var ${a} = x + ${i}.0;`).join("\n")}
  for (var i = 0u; i < ${STEPS}u; i++) {
${chains.map((a) => `    ${a} = fma(${a}, m, x);`).join("\n")}
  }
  out[id.x] = ${chains.join(" + ")};
}`;

const COPIED = 64 * 2 ** 20;
const COPY = `@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  y[id.x] = x[id.x];
  y[id.x + ${COPIED / 32}u] = x[id.x + ${COPIED / 32}u];
}`;

async function measure(device: Device): Promise<Peaks> {
  const scratch = device.buffers.allocateAll([COPIED, COPIED], "programs");
  try {
    const add = await secondsOf(device, MULTIPLY_ADD, scratch.slice(1), INVOCATIONS / 64);
    const copy = await secondsOf(device, COPY, scratch, COPIED / 32 / 64);
    return { gflops: (2 * CHAINS * STEPS * INVOCATIONS) / add / 1e9, gbps: (2 * COPIED) / copy / 1e9 };
  } finally {
    for (const buffer of scratch) device.buffers.recycle(buffer);
  }
}

/** Time that a submission has to take for the clock and the way to the device and back to be small beside it. */
const LONG_ENOUGH = 0.03;

/** Seconds of one dispatch: the best of a few submissions of as many as take long enough. */
async function secondsOf(device: Device, code: string, buffers: readonly GPUBuffer[], groups: number): Promise<number> {
  const pipeline = await device.pipeline("peak", code);
  const { gpu } = device;
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const submission = async (dispatches: number): Promise<number> => {
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    for (let i = 0; i < dispatches; i++) pass.dispatchWorkgroups(groups);
    pass.end();
    const start = performance.now();
    gpu.queue.submit([encoder.finish()]);
    await device.idle();
    return (performance.now() - start) / 1000;
  };
  await submission(1);
  let dispatches = 1;
  while ((await submission(dispatches)) < LONG_ENOUGH && dispatches < 2 ** 16) dispatches *= 2;
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 8; i++) best = Math.min(best, await submission(dispatches));
  return best / dispatches;
}
