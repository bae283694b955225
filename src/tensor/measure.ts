import type { Device } from "./device.ts";
import type { Dispatch } from "./launch.ts";
import type { Kernel } from "./op.ts";

/** A candidate is timed for about this long, three times over. */
const MILLISECONDS = 20;

/** Milliseconds that one launch takes with each kernel that could run it. */
export async function timings(on: Device, dispatch: Dispatch): Promise<Record<string, number>> {
  const milliseconds: Record<string, number> = {};
  for (const kernel of dispatch.choice!.kernels) milliseconds[kernel.name] = await time(on, kernel, dispatch);
  return milliseconds;
}

/** With one kernel, on buffers of zeros. */
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
