import { kindOf, remember } from "./choices.ts";
import type { Device } from "./device.ts";
import type { Choice } from "./kernel.ts";
import type { Dispatch } from "./launch.ts";
import type { Kernel } from "./op.ts";

/** One kind of call, and how long each kernel took for one of them. */
export interface Measurement {
  /** Op, dtypes, rounded extents and orientation. */
  readonly call: string;
  readonly milliseconds: Readonly<Record<string, number>>;
  readonly fastest: string;
}

/** A candidate is timed for about this long, three times over. */
const MILLISECONDS = 20;

/** Measures the calls among dispatches that `known` says nothing about, one of each kind. */
export async function measure(
  on: Device,
  dispatches: readonly Dispatch[],
  known: (choice: Choice) => boolean = () => false,
): Promise<Measurement[]> {
  const kinds = new Map<string, Dispatch>();
  for (const dispatch of dispatches) {
    const { choice } = dispatch;
    if (choice && !known(choice)) kinds.set(kindOf(choice.op, choice.call), dispatch);
  }
  const measurements: Measurement[] = [];
  for (const [call, dispatch] of kinds) {
    const milliseconds: Record<string, number> = {};
    for (const kernel of dispatch.choice!.kernels) milliseconds[kernel.name] = await time(on, kernel, dispatch);
    const fastest = Object.keys(milliseconds).reduce((a, b) => (milliseconds[b] < milliseconds[a] ? b : a));
    measurements.push({ call, milliseconds, fastest });
  }
  if (measurements.length > 0)
    await remember(on.adapter, Object.fromEntries(measurements.map(({ call, fastest }) => [call, fastest])));
  return measurements;
}

/** Milliseconds that one launch takes with a kernel, on buffers of zeros. */
async function time(on: Device, kernel: Kernel, { choice, bindings }: Dispatch): Promise<number> {
  const { code, params, workgroups } = choice!.launch(kernel);
  const pipeline = await on.pipeline(kernel.name, code);
  const buffers = on.buffers.allocateAll([...bindings.map(({ bytes }) => bytes), params!.byteLength], "programs");
  on.buffers.write(buffers.at(-1)!, 0, new Uint8Array(params!));
  const group = on.gpu.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const run = async (times: number) => {
    const encoder = on.gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    for (let i = 0; i < times; i++) pass.dispatchWorkgroups(...workgroups);
    pass.end();
    const commands = encoder.finish();
    const start = performance.now();
    on.gpu.queue.submit([commands]);
    await on.idle();
    return (performance.now() - start) / times;
  };
  try {
    await run(1); // drivers compile at the first launch
    const times = Math.min(100, Math.ceil(MILLISECONDS / (await run(1))));
    return Math.min(await run(times), await run(times), await run(times));
  } finally {
    for (const buffer of buffers) on.buffers.recycle(buffer);
  }
}
