import { recall } from "./choices.ts";
import { prepareDebug } from "./debugging.ts";
import { DeviceError, DeviceLostError, OutOfMemoryError } from "./errors.ts";
import { promptly } from "./promptly.ts";
import { recallRefused, refusedOn } from "./refused.ts";
import { type GpuOptions, requestGpu } from "./runtime.ts";

/** Who holds device memory: values at the edge, compiled programs, or the device's own pool and readback ring. */
export type Owner = "values" | "programs" | "pool" | "staging";

/** What `device.memory()` tells. */
export interface MemoryReport {
  /** Bytes allocated on the device. */
  readonly bytes: number;
  readonly buffers: number;
  readonly byOwner: Readonly<Record<Owner, number>>;
}

/** Pooled bytes above which recycled buffers are destroyed instead of kept. */
const POOL_LIMIT = 256 * 2 ** 20;

type Gpu = Awaited<ReturnType<typeof requestGpu>>;

/** A GPU device with its buffers, pipelines and readback ring. Get the one that everything uses with `device()`. */
export class Device {
  private readonly live = new Map<GPUBuffer, { bytes: number; owner: Owner }>();
  private readonly pool = new Map<number, GPUBuffer[]>();
  private pooled = 0;
  private readonly pipelines = new Map<string, Promise<GPUComputePipeline>>();
  private readonly staging: GPUBuffer[] = [];
  private error: Error | undefined;
  private released = false;
  readonly gpu: GPUDevice;
  /** What runs, for people: "llvmpipe (LLVM 19, 256 bits), software adapter". */
  readonly description: string;
  /** The part of it that says what is fast here: "llvmpipe (LLVM 19, 256 bits), software adapter". */
  readonly adapter: string;
  readonly isSoftware: boolean;
  readonly subgroupLanes: number;
  readonly maxBindings: number;

  constructor(private readonly handle: Gpu) {
    this.gpu = handle.device;
    this.adapter = handle.description.replace(/: .*$/s, "");
    const refused = [...refusedOn(this.adapter)];
    this.description = handle.description + (refused.length > 0 ? `; refused kernels: ${refused.join(", ")}` : "");
    this.isSoftware = handle.kind === "software";
    this.subgroupLanes = this.gpu.features.has("subgroups") ? handle.adapterInfo.subgroupMinSize : 0;
    this.maxBindings = Math.min(this.gpu.limits.maxStorageBuffersPerShaderStage, 16);
    this.gpu.lost.then(({ message, reason }) => {
      if (!this.released) this.fail(new DeviceLostError(`the GPU device was lost: ${message || reason}`));
    });
    this.gpu.addEventListener("uncapturederror", (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      const outOfMemory = typeof GPUOutOfMemoryError !== "undefined" && error instanceof GPUOutOfMemoryError;
      this.fail(
        outOfMemory
          ? new OutOfMemoryError(
              `the GPU is out of memory (${megabytes(this.memory().bytes)} in use): ${error.message}`,
            )
          : new DeviceError(`WebGPU refused a command: ${error.message}`),
      );
    });
  }

  private fail(error: Error): void {
    this.error ??= error;
  }

  /** Throws the first error that the device reported, if any. */
  check(): void {
    if (this.error) throw this.error;
  }

  /** Bytes alive on the device by owner. */
  memory(): MemoryReport {
    const byOwner: Record<Owner, number> = { values: 0, programs: 0, pool: 0, staging: 0 };
    for (const { bytes, owner } of this.live.values()) byOwner[owner] += bytes;
    return { bytes: Object.values(byOwner).reduce((a, b) => a + b), buffers: this.live.size, byOwner };
  }

  /** Whether a buffer lies in the pool. */
  isFree(buffer: GPUBuffer): boolean {
    return this.live.get(buffer)?.owner === "pool";
  }

  /** Takes this very buffer out of the pool, if it is there. */
  private take(buffer: GPUBuffer, owner: Owner): GPUBuffer | undefined {
    if (!this.isFree(buffer)) return undefined;
    const entry = this.live.get(buffer)!;
    const shelf = this.pool.get(entry.bytes)!;
    shelf.splice(shelf.lastIndexOf(buffer), 1);
    this.pooled -= entry.bytes;
    entry.owner = owner;
    return buffer;
  }

  /** Bytes of the largest tensor that a kernel can read. */
  get largestTensor(): number {
    return Math.min(this.gpu.limits.maxBufferSize, this.gpu.limits.maxStorageBufferBindingSize);
  }

  /** A storage buffer of at least `bytes`, from the pool where one fits. */
  allocate(bytes: number, owner: Owner): GPUBuffer {
    const size = Math.ceil(bytes / 256) * 256;
    const ready = this.pool.get(size)?.pop();
    if (ready) {
      this.pooled -= size;
      this.live.get(ready)!.owner = owner;
      return ready;
    }
    if (size > this.largestTensor) {
      throw new OutOfMemoryError(
        `a tensor of ${megabytes(bytes)} is larger than this device binds (${megabytes(this.largestTensor)}): make the batch smaller`,
      );
    }
    const buffer = this.gpu.createBuffer({
      size,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    this.live.set(buffer, { bytes: size, owner });
    return buffer;
  }

  /**
   * A buffer of each size, or none at all where one cannot be had.
   *
   * @param preferred buffers of these sizes, to be had again where they are free
   */
  allocateAll(sizes: readonly number[], owner: Owner, preferred: readonly (GPUBuffer | undefined)[] = []): GPUBuffer[] {
    const made = sizes.map((_, i) => preferred[i] && this.take(preferred[i], owner));
    try {
      for (const [i, bytes] of sizes.entries()) made[i] ??= this.allocate(bytes, owner);
      return made as GPUBuffer[];
    } catch (error) {
      for (const buffer of made) if (buffer) this.recycle(buffer);
      throw error;
    }
  }

  /** Takes a buffer back; work already submitted may still use it, later work may overwrite it. */
  recycle(buffer: GPUBuffer): void {
    const entry = this.live.get(buffer);
    if (!entry) return;
    if (this.pooled + entry.bytes > POOL_LIMIT) {
      this.live.delete(buffer);
      buffer.destroy();
      return;
    }
    entry.owner = "pool";
    this.pooled += entry.bytes;
    const shelf = this.pool.get(entry.bytes);
    if (shelf) shelf.push(buffer);
    else this.pool.set(entry.bytes, [buffer]);
  }

  /** Destroys the buffers that nobody uses. */
  trim(): void {
    for (const buffer of [...this.pool.values()].flat()) {
      this.live.delete(buffer);
      buffer.destroy();
    }
    this.pool.clear();
    this.pooled = 0;
  }

  /** Copies bytes of the host into a buffer, padding them to a multiple of four. */
  write(buffer: GPUBuffer, offset: number, data: ArrayBufferView<ArrayBuffer>): void {
    if (data.byteLength === 0) return;
    if (data.byteLength % 4 === 0) {
      this.gpu.queue.writeBuffer(buffer, offset, data);
      return;
    }
    const padded = new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
    padded.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    this.gpu.queue.writeBuffer(buffer, offset, padded);
  }

  /** A compiled pipeline, made once for each code. */
  pipeline(label: string, code: string): Promise<GPUComputePipeline> {
    let pipeline = this.pipelines.get(code);
    if (!pipeline) {
      pipeline = this.compile(label, code);
      this.pipelines.set(code, pipeline);
    }
    return pipeline;
  }

  private async compile(label: string, code: string): Promise<GPUComputePipeline> {
    // a text that is refused is the error of this pipeline, not one of the device, which would fail from then on
    this.gpu.pushErrorScope("validation");
    const module = this.gpu.createShaderModule({ label, code });
    this.gpu.popErrorScope().catch(() => {});
    try {
      return await this.gpu.createComputePipelineAsync({
        label,
        layout: "auto",
        compute: { module, entryPoint: "main" },
      });
    } catch (error) {
      const { messages } = await module.getCompilationInfo();
      this.check(); // on a lost device, Deno refuses pipelines too
      const where = messages.map((m) => `${m.lineNum}:${m.linePos} ${m.message}`).join("; ");
      throw new DeviceError(`kernel ${label} does not compile: ${where || (error as Error).message}`);
    }
  }

  /** Reads bytes back through a ring of staging buffers. */
  async read(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    this.check();
    const size = Math.ceil(bytes / 4) * 4;
    const at = this.staging.findIndex((b) => b.size >= size && b.size <= Math.max(4096, 4 * size));
    const staging = at >= 0 ? this.staging.splice(at, 1)[0] : this.createStaging(size);
    const encoder = this.gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, staging, 0, size);
    this.gpu.queue.submit([encoder.finish()]);
    try {
      await promptly(this.gpu.queue, staging.mapAsync(GPUMapMode.READ, 0, size));
    } catch (error) {
      this.live.delete(staging);
      staging.destroy();
      this.check();
      throw new DeviceLostError(`reading from the GPU failed: ${(error as Error).message}`);
    }
    const copy = staging.getMappedRange(0, size).slice(0);
    staging.unmap();
    this.staging.push(staging);
    while (this.staging.length > 8) this.dropStaging(this.staging.shift()!);
    this.check();
    return copy;
  }

  private createStaging(bytes: number): GPUBuffer {
    const size = Math.max(256, 2 ** Math.ceil(Math.log2(bytes)));
    const staging = this.gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    this.live.set(staging, { bytes: size, owner: "staging" });
    return staging;
  }

  private dropStaging(staging: GPUBuffer): void {
    this.live.delete(staging);
    staging.destroy();
  }

  /** Waits until everything submitted so far is done. */
  async idle(): Promise<void> {
    await promptly(this.gpu.queue, this.gpu.queue.onSubmittedWorkDone());
    this.check();
  }

  /**
   * Lets go of the device; a device that was passed in stays alive. The next use of `device()` opens a new one, after a
   * loss too; what lay on the old one is gone.
   */
  release(): void {
    this.released = true;
    if (current === this) {
      current = undefined;
      starting = undefined;
    }
    this.handle.release();
  }
}

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

let current: Device | undefined;
let starting: Promise<Device> | undefined;

/**
 * The device that everything runs on, started at the first use.
 *
 * @param given a device of the caller's to use from now on; coop never destroys it
 * @param options how to find one, where none has been started yet
 * @throws DeviceError where there is no adapter, with the fix for this system
 * @example const { bytes, byOwner } = (await device()).memory();
 */
export function device(given?: GPUDevice, options: GpuOptions = {}): Promise<Device> {
  if (given || !starting) {
    starting = requestGpu(given ? { device: given } : options).then(async (gpu) => {
      await Promise.all([recall(), recallRefused(), prepareDebug()]);
      current = new Device(gpu);
      return current;
    });
    starting.catch(() => {
      starting = undefined;
    });
  }
  return starting;
}

/** The device if it is up, without waiting. */
export const deviceIfReady = (): Device | undefined => current;
