import type { Device } from "../src/tensor/index.ts";

/** What is laid behind results: no kernel computes it. */
const MARK = 0xa5c35a3c;

/**
 * Runs `f`, and says how many bytes behind the end of a result were written in the meantime. Buffers are larger than
 * what lies in them; a kernel that writes behind the end may hit the result itself where they are not.
 */
export async function writtenBehind<T>(on: Device, f: () => Promise<T>): Promise<{ value: T; bytes: number }> {
  const { buffers, gpu } = on;
  /** Where results end in their buffers. */
  const ends = new Map<GPUBuffer, number>();
  const { allocate, allocateAll } = buffers;
  buffers.allocate = (bytes, owner) => {
    const buffer = allocate.call(buffers, bytes, owner);
    ends.delete(buffer);
    return buffer;
  };
  buffers.allocateAll = (sizes, owner, preferred) => {
    const all = allocateAll.call(buffers, sizes, owner, preferred);
    for (const [i, buffer] of all.entries()) {
      const end = Math.ceil(sizes[i] / 4) * 4;
      ends.delete(buffer);
      if (owner !== "values" || end === buffer.size) continue;
      gpu.queue.writeBuffer(buffer, end, new Uint32Array((buffer.size - end) / 4).fill(MARK));
      ends.set(buffer, end);
    }
    return all;
  };
  try {
    const value = await f();
    return { value, bytes: await changed(gpu, ends) };
  } finally {
    Object.assign(buffers, { allocate, allocateAll });
  }
}

async function changed(gpu: GPUDevice, ends: ReadonlyMap<GPUBuffer, number>): Promise<number> {
  const total = [...ends].reduce((sum, [{ size }, end]) => sum + size - end, 0);
  const copy = gpu.createBuffer({ size: total, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const encoder = gpu.createCommandEncoder();
  let at = 0;
  for (const [buffer, end] of ends) {
    encoder.copyBufferToBuffer(buffer, end, copy, at, buffer.size - end);
    at += buffer.size - end;
  }
  gpu.queue.submit([encoder.finish()]);
  await copy.mapAsync(GPUMapMode.READ);
  const wrong = new Uint32Array(copy.getMappedRange()).filter((word) => word !== MARK).length;
  copy.destroy();
  return 4 * wrong;
}
