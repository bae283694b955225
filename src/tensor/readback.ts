import type { Device } from "./device.ts";
import { promptly } from "./promptly.ts";

/** Staging buffers that are kept for the next reading. */
const KEPT = 8;

/** Reads bytes back through a ring of staging buffers. */
export class Readback {
  private readonly ring: GPUBuffer[] = [];

  constructor(private readonly on: Pick<Device, "gpu" | "buffers" | "wait">) {}

  async read(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    const { on, ring } = this;
    const size = Math.ceil(bytes / 4) * 4;
    const at = ring.findIndex((b) => b.size >= size && b.size <= Math.max(4096, 4 * size));
    const staging = at >= 0 ? ring.splice(at, 1)[0] : on.buffers.createStaging(size);
    try {
      const encoder = on.gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, 0, staging, 0, size);
      on.gpu.queue.submit([encoder.finish()]);
      await on.wait("reading", promptly(on.gpu.queue, staging.mapAsync(GPUMapMode.READ, 0, size)));
      const copy = staging.getMappedRange(0, size).slice(0);
      staging.unmap();
      ring.push(staging);
      while (ring.length > KEPT) on.buffers.destroy(ring.shift()!);
      return copy;
    } catch (error) {
      on.buffers.destroy(staging);
      throw error;
    }
  }
}
