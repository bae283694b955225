import type { Device } from "./device.ts";
import { environment } from "./environment.ts";
import { DeviceError, OutOfMemoryError } from "./errors.ts";
import { Shortages } from "./shortages.ts";

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

/** Bytes of the buffer for so many: with fewer different sizes, more of them fit again. */
const padded = (bytes: number) => Math.ceil(bytes / 256) * 256;

/** The buffers of a device: which there are, who holds them, and a pool of those that nobody holds. */
export class Buffers {
  private readonly live = new Map<GPUBuffer, { bytes: number; owner: Owner }>();
  private readonly pool = new Map<number, GPUBuffer[]>();
  private pooled = 0;
  private allocated = 0;
  private readonly shortages = new Shortages();
  /** Shortages of which commands from before them may still be refused. */
  private draining = 0;
  /** Bytes that may be allocated, to leave room for others; COOP_MEMORY where given (`COOP_MEMORY=2048MiB`). */
  limit = memoryLimit();

  constructor(private readonly device: Pick<Device, "gpu" | "attempt" | "wait" | "check">) {}

  /** Bytes alive on the device by owner. */
  report(): MemoryReport {
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
  get largest(): number {
    return Math.min(this.device.gpu.limits.maxBufferSize, this.device.gpu.limits.maxStorageBufferBindingSize);
  }

  /** A storage buffer of at least `bytes`, from the pool where one fits. */
  allocate(bytes: number, owner: Owner): GPUBuffer {
    const size = padded(bytes);
    const ready = this.pool.get(size)?.pop();
    if (ready) {
      this.pooled -= size;
      this.live.get(ready)!.owner = owner;
      return ready;
    }
    this.device.check();
    this.checkSize(bytes);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    return this.create(size, usage, owner);
  }

  /** Throws where no buffer of this device can be of so many bytes. */
  checkSize(bytes: number): void {
    const asked = padded(bytes);
    if (asked <= this.largest) return;
    throw new OutOfMemoryError(
      `a tensor of ${megabytes(bytes)} is larger than this device binds (${megabytes(this.largest)}): make the batch smaller`,
      { asked, inUse: this.report().bytes },
    );
  }

  private create(size: number, usage: number, owner: Owner): GPUBuffer {
    if (this.allocated + size > this.limit) this.trim();
    if (this.allocated + size > this.limit) throw this.shortOf(size, `COOP_MEMORY allows ${megabytes(this.limit)}`);
    const { gpu } = this.device;
    const { buffer, refused } = this.device.attempt("allocating memory", () => {
      gpu.pushErrorScope("out-of-memory");
      let buffer: GPUBuffer | undefined;
      try {
        buffer = gpu.createBuffer({ size, usage });
        return { buffer, refused: gpu.popErrorScope() };
      } catch (error) {
        if (buffer) buffer.destroy();
        else gpu.popErrorScope().catch(() => {});
        throw error;
      }
    });
    this.live.set(buffer, { bytes: size, owner });
    this.allocated += size;
    this.shortages.watch(this.device.wait("allocating memory", refused), ({ message }) => {
      const error = this.shortOf(size, message);
      this.take(buffer, owner);
      this.destroy(buffer);
      this.trim();
      this.drain();
      return error;
    });
    return buffer;
  }

  /** Until all that was submitted so far is done, refusals are taken for what came of the shortage. */
  private async drain(): Promise<void> {
    this.draining++;
    try {
      await this.device.wait("what was under way", this.device.gpu.queue.onSubmittedWorkDone());
    } catch {
      // the device itself fails, and says so to all who use it
    } finally {
      this.draining--;
    }
  }

  private shortOf(asked: number, why: string): OutOfMemoryError {
    const inUse = this.allocated;
    return new OutOfMemoryError(
      `the GPU has no ${megabytes(asked)} left (${megabytes(inUse)} in use): ${why}. Make the batch smaller, or free what is not needed`,
      { asked, inUse },
    );
  }

  /** Gives a buffer back to the GPU. */
  destroy(buffer: GPUBuffer): void {
    const entry = this.live.get(buffer);
    if (!entry) return;
    this.live.delete(buffer);
    this.allocated -= entry.bytes;
    buffer.destroy();
  }

  /** A buffer with these bytes in it, as `write` writes them. */
  allocateFilled(data: ArrayBufferView<ArrayBuffer>, bytes: number, owner: Owner): GPUBuffer {
    const buffer = this.allocate(bytes, owner);
    try {
      this.write(buffer, 0, data);
      return buffer;
    } catch (error) {
      this.recycle(buffer);
      throw error;
    }
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
      this.destroy(buffer);
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
    const free = [...this.pool.values()].flat();
    this.pool.clear();
    this.pooled = 0;
    for (const buffer of free) this.destroy(buffer);
  }

  /** Copies bytes of the host into a buffer, padding them to a multiple of four. */
  write(buffer: GPUBuffer, offset: number, data: ArrayBufferView<ArrayBuffer>): void {
    if (data.byteLength === 0) return;
    let whole = data;
    if (data.byteLength % 4 !== 0) {
      whole = new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
      (whole as Uint8Array).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    this.device.attempt("uploading", () => this.device.gpu.queue.writeBuffer(buffer, offset, whole));
  }

  /** A buffer to read back through, of a power of two bytes. */
  createStaging(bytes: number): GPUBuffer {
    const size = Math.max(256, 2 ** Math.ceil(Math.log2(bytes)));
    return this.create(size, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST, "staging");
  }

  /** Notes that a storage is filled now; see `checkFilled`. */
  noteFilled(): number {
    return this.shortages.tick();
  }

  /** OutOfMemoryError where what filled a storage then used memory that the GPU did not have. */
  checkFilled(filledAt: number): void {
    this.shortages.check(filledAt);
  }

  /** Grows when the GPU had no memory for a buffer: buffers from before may be none. */
  get shortageCount(): number {
    return this.shortages.count;
  }

  /** OutOfMemoryError where there were shortages since there had been so many. */
  checkSince(count: number): void {
    if (this.shortages.count > count) throw this.shortages.last;
  }

  /** Whether a command may be refused for want of a buffer. */
  get inDoubt(): boolean {
    return this.shortages.areOpen || this.draining > 0;
  }

  /** Whether one that was refused now was refused for that. */
  async wasShort(): Promise<boolean> {
    const { count } = this.shortages;
    if (this.draining > 0) return true;
    await this.shortages.heard();
    return this.shortages.count > count;
  }

  /** Waits until it is known of all buffers whether the GPU had memory for them. */
  heard(): Promise<void> {
    return this.shortages.heard();
  }
}

/** COOP_MEMORY in bytes. DeviceError where it is no such amount. */
function memoryLimit(): number {
  const given = environment("COOP_MEMORY");
  if (!given) return Number.POSITIVE_INFINITY;
  const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*([MG])i?B?$/i.exec(given.trim()) ?? [];
  if (!amount) throw new DeviceError(`COOP_MEMORY is "${given}"; give an amount such as 512MiB or 4GiB`);
  return Number(amount) * (unit.toUpperCase() === "G" ? 2 ** 30 : 2 ** 20);
}

export const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
