import type { Device } from "./device.ts";
import { DeviceLostError, DonatedError } from "./errors.ts";
import { kept } from "./kept.ts";

/**
 * The memory behind an edge value: bytes waiting on the host, a buffer on the device, or a promise of one. Uses that
 * are under way hold a pin; memory goes back to the device when it is released and the last pin is gone.
 */
export class Storage {
  private host: ArrayBufferView<ArrayBuffer> | undefined;
  private device: Device | undefined;
  private buffer: GPUBuffer | undefined;
  /** When, on the device's count of filled storages. */
  private filledAt = 0;
  private pins = 0;
  private releasedBy: string | undefined;
  /** Settles when the buffer is filled or the work that should have filled it failed. */
  ready: Promise<unknown> | undefined;
  private failure: unknown;

  private constructor(readonly bytes: number) {}

  /** Bytes that go to the device when they are first needed. */
  static toDevice(host: ArrayBufferView<ArrayBuffer>): Storage {
    const storage = new Storage(Math.max(4, host.byteLength)); // a binding is never empty
    storage.host = host;
    return storage;
  }

  /** The result of work that has not run yet. */
  static pending(bytes: number): Storage {
    return new Storage(bytes);
  }

  /** Gives the memory back when its tensor is collected: the last resort behind `free()`. */
  static collectWith(owner: object, storage: Storage): void {
    collected.register(owner, storage);
  }

  get isReady(): boolean {
    return this.buffer !== undefined || this.host !== undefined;
  }

  assertUsable(where: string): void {
    if (this.releasedBy) {
      throw new DonatedError(
        `${where}: this tensor's memory was given away by ${this.releasedBy}; use the value that call returned, or make a copy before it`,
      );
    }
  }

  /** The buffer, uploading first where the bytes are still on the host. */
  on(device: Device): GPUBuffer {
    if (this.failure) throw this.failure;
    if (!this.buffer) {
      if (!this.host) throw new Error("storage read before the work that fills it was submitted");
      this.fill(device, device.buffers.allocateFilled(this.host, this.bytes, "values"));
      this.host = undefined;
    }
    if (this.device !== device)
      throw new DeviceLostError("this tensor lay on a device that was lost or released: load or compute it again");
    device.buffers.checkFilled(this.filledAt);
    return this.buffer!;
  }

  /** The work that computes this storage has been submitted into `buffer`. */
  fill(device: Device, buffer: GPUBuffer): void {
    this.device = device;
    this.buffer = buffer;
    this.filledAt = device.buffers.noteFilled();
    this.ready = undefined;
    this.recycle();
  }

  /** The work that should have filled this storage failed. */
  fail(error: unknown): void {
    this.failure = kept(error);
  }

  throwIfFailed(): void {
    if (this.failure) throw this.failure;
  }

  pin(): void {
    this.pins++;
  }

  unpin(): void {
    this.pins--;
    this.recycle();
  }

  /** Gives the memory up; `by` is named in the error that a later use throws. */
  release(by: string): void {
    this.releasedBy ??= by;
    this.recycle();
  }

  private recycle(): void {
    if (!this.releasedBy || this.pins > 0) return;
    this.host = undefined;
    if (this.buffer && this.device) this.device.buffers.recycle(this.buffer);
    this.buffer = undefined;
  }
}

const collected = new FinalizationRegistry<Storage>((storage) => storage.release("garbage collection"));
