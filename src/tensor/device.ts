import { Buffers, type MemoryReport, megabytes } from "./buffers.ts";
import { recall } from "./choices.ts";
import { prepareDebug } from "./debugging.ts";
import { CoopError, DeviceError, DeviceLostError, OutOfMemoryError } from "./errors.ts";
import { kept } from "./kept.ts";
import { promptly } from "./promptly.ts";
import { Readback } from "./readback.ts";
import { recallRefused, refusedOn } from "./refused.ts";
import { type GpuOptions, requestGpu } from "./runtime.ts";
import { patience, Waits } from "./waiting.ts";

/** Pipelines that are kept for programs to come; those of the programs there are stay with them. */
const PIPELINES_KEPT = 256;

type Gpu = Awaited<ReturnType<typeof requestGpu>>;

/** A GPU device with its buffers, pipelines and readback ring. Get the one that everything uses with `device()`. */
export class Device {
  private readonly pipelines = new Map<string, Promise<GPUComputePipeline>>();
  private readonly readback: Readback;
  private readonly waits = new Waits(patience(), (error) => this.fail(error));
  private error: Error | undefined;
  private released = false;
  readonly gpu: GPUDevice;
  /** All buffers. */
  readonly buffers: Buffers;
  /** What runs, for people: "llvmpipe (LLVM 19, 256 bits), software adapter". */
  readonly description: string;
  /** The part of it that says what is fast here: "llvmpipe (LLVM 19, 256 bits), software adapter". */
  readonly adapter: string;
  readonly isSoftware: boolean;
  readonly subgroupLanes: number;
  readonly maxBindings: number;

  constructor(private readonly handle: Gpu) {
    this.gpu = handle.device;
    this.buffers = new Buffers(this);
    this.readback = new Readback(this);
    this.adapter = handle.description.replace(/: .*$/s, "");
    const refused = [...refusedOn(this.adapter)];
    this.description = handle.description + (refused.length > 0 ? `; refused kernels: ${refused.join(", ")}` : "");
    this.isSoftware = handle.kind === "software";
    this.subgroupLanes = this.gpu.features.has("subgroups") ? handle.adapterInfo.subgroupMinSize : 0;
    this.maxBindings = Math.min(this.gpu.limits.maxStorageBuffersPerShaderStage, 16);
    this.gpu.lost.then(({ message, reason }) => {
      if (!this.released)
        this.fail(
          new DeviceLostError(
            `the GPU device was lost: ${message || reason}. What lay on it is gone: release() it and load the model again (retryOnLoss does); \`coop train --resume\` goes on from the last checkpoint`,
          ),
        );
    });
    this.gpu.addEventListener("uncapturederror", (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      event.preventDefault?.(); // or else it is logged as well
      if (this.buffers.inDoubt) this.refusedInDoubt(error);
      else this.refused(error);
    });
  }

  private refused(error: GPUError): void {
    const outOfMemory = typeof GPUOutOfMemoryError !== "undefined" && error instanceof GPUOutOfMemoryError;
    this.fail(
      outOfMemory
        ? new OutOfMemoryError(
            `the GPU is out of memory (${megabytes(this.buffers.report().bytes)} in use): ${error.message}`,
            { inUse: this.buffers.report().bytes },
          )
        : new DeviceError(`WebGPU refused a command: ${error.message}`),
    );
  }

  /** A command that binds a buffer which could not be had is refused too: that is no error of its own. */
  private async refusedInDoubt(error: GPUError): Promise<void> {
    if (!(await this.buffers.wasShort())) this.refused(error);
  }

  private fail(error: Error): void {
    this.error ??= kept(error);
    this.waits.end(this.error);
  }

  /** Waits for something that the GPU does. DeviceLostError where the device goes before, DeviceHungError where it does nothing. */
  async wait<T>(what: string, promise: Promise<T>): Promise<T> {
    try {
      return await this.waits.for(what, promise);
    } catch (error) {
      throw this.named(what, error);
    }
  }

  /** Gives commands to the GPU; what a driver throws becomes an error with a name. */
  attempt<T>(what: string, commands: () => T): T {
    try {
      return commands();
    } catch (error) {
      throw this.named(what, error);
    }
  }

  private named(what: string, error: unknown): Error {
    if (error instanceof CoopError) return error;
    if (this.released && !this.error) return letGo();
    return (
      this.error ?? new DeviceError(`${what} failed on the GPU: ${error instanceof Error ? error.message : error}`)
    );
  }

  /** Throws the first error that the device reported, if any. */
  check(): void {
    if (this.error) throw this.error;
  }

  /** Bytes alive on the device by owner. */
  memory(): MemoryReport {
    return this.buffers.report();
  }

  /** Bytes of the largest tensor that a kernel can read. */
  get largestTensor(): number {
    return this.buffers.largest;
  }

  /** A compiled pipeline, made once for each code. */
  pipeline(label: string, code: string): Promise<GPUComputePipeline> {
    let pipeline = this.pipelines.get(code);
    if (!pipeline) {
      pipeline = this.compile(label, code);
      pipeline.catch(() => this.pipelines.delete(code)); // it may do another time
    }
    this.pipelines.delete(code);
    this.pipelines.set(code, pipeline); // the last that was used
    if (this.pipelines.size > PIPELINES_KEPT) this.pipelines.delete(this.pipelines.keys().next().value!);
    return pipeline;
  }

  private async compile(label: string, code: string): Promise<GPUComputePipeline> {
    this.check();
    const module = this.attempt(`compiling ${label}`, () => this.shaderModule(label, code));
    try {
      const compute = { module, entryPoint: "main" };
      const made = this.gpu.createComputePipelineAsync({ label, layout: "auto", compute });
      return await this.waits.for(`compiling ${label}`, made);
    } catch (error) {
      this.check();
      const info = await this.wait(
        `compiling ${label}`,
        this.attempt(`compiling ${label}`, () => module.getCompilationInfo()),
      );
      this.check(); // on a lost device, Deno refuses pipelines too
      const where = info.messages.map((m) => `${m.lineNum}:${m.linePos} ${m.message}`).join("; ");
      throw new DeviceError(`kernel ${label} does not compile: ${where || (error as Error).message}`);
    }
  }

  /** A text that is refused is the error of this pipeline, not one of the device, which would fail from then on. */
  private shaderModule(label: string, code: string): GPUShaderModule {
    this.gpu.pushErrorScope("validation");
    try {
      return this.gpu.createShaderModule({ label, code });
    } finally {
      this.gpu.popErrorScope().catch(() => {});
    }
  }

  /** Reads bytes back. */
  async read(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    this.check();
    const { shortageCount } = this.buffers;
    try {
      const copy = await this.readback.read(buffer, bytes);
      await this.buffers.heard();
      this.check();
      return copy;
    } catch (error) {
      await this.buffers.heard();
      this.buffers.checkSince(shortageCount);
      throw this.named("reading", error);
    }
  }

  /** Waits until everything submitted so far is done. */
  async idle(): Promise<void> {
    const done = this.attempt("waiting", () => this.gpu.queue.onSubmittedWorkDone());
    await this.wait("work", promptly(this.gpu.queue, done));
    await this.buffers.heard();
    this.check();
  }

  /** Notes when all that was submitted so far is done, so that long work is not taken for a hang. */
  noteProgress(): void {
    this.gpu.queue.onSubmittedWorkDone().then(
      () => this.waits.progress(),
      () => {},
    );
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
    this.waits.end(letGo());
    this.handle.release();
  }
}

const letGo = (): DeviceLostError => new DeviceLostError("the GPU device was released: what lay on it is gone");

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
