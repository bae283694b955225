import { printDebug } from "./debug.ts";
import type { Device } from "./device.ts";
import { DTypeError } from "./errors.ts";
import type { Load, VirtualBuffer } from "./expr.ts";
import type { LowerOptions } from "./kernel.ts";
import { type Dispatch, type Lowered, lower } from "./lower.ts";
import { type Plan, plan } from "./plan.ts";
import { Storage } from "./storage.ts";
import type { Tensor } from "./tensor.ts";
import { activeTimer, type Encode, type Timer } from "./timer.ts";

/** Dispatches in one submission: long work is handed over in pieces, so that a device never looks hung. */
const SUBMIT_EVERY = 64;

/** Distance of the parameters of two kernels: WebGPU's alignment of uniform buffers. */
const PARAMS_STEP = 256;

/** A launch that is ready to be encoded; bind groups are kept for the sets of buffers seen last. */
interface Launch {
  readonly dispatch: Dispatch;
  readonly pipeline: GPUComputePipeline;
  /** Where its parameters begin in the program's buffer of parameters. */
  readonly paramsAt?: number;
  readonly bindGroups: Map<string, GPUBindGroup>;
}

/** A graph made executable: kernels compiled, memory planned. Run it as often as you like. */
export class Program {
  readonly lowered: Lowered;
  readonly plan: Plan;
  private launches: Launch[] | undefined;
  private slots: GPUBuffer[] | undefined;
  private scalars: GPUBuffer | undefined;
  private params: GPUBuffer | undefined;
  private readonly places = new Map<string, { at: number; bytes: ArrayBuffer }>();
  private readonly ids = new WeakMap<GPUBuffer, number>();
  private nextId = 0;
  private readonly compiled: Promise<void>;

  constructor(
    private readonly device: Device,
    roots: readonly Tensor[],
    arguments_: ReadonlyMap<Tensor, Load>,
    options: Partial<LowerOptions> = {},
    /** Of the function that was traced. */
    readonly name = "values",
  ) {
    this.lowered = lower(roots, arguments_, {
      subgroupLanes: device.subgroupLanes,
      adapter: device.isSoftware ? "software" : "hardware",
      maxBindings: device.maxBindings,
      ...options,
    });
    this.plan = plan(this.lowered.dispatches);
    printDebug(name, roots, this.lowered, this.plan);
    const half = this.lowered.dispatches.some(({ bindings }) => bindings.some(({ dtype }) => dtype === "f16"));
    if (half && !device.gpu.features.has("shader-f16")) {
      throw new DTypeError(`f16 needs an adapter with shader-f16, and ${device.description} has none; use f32`);
    }
    this.compiled = this.compile();
    this.compiled.catch(() => {});
  }

  /** All pipelines of a program compile at the same time. */
  private async compile(): Promise<void> {
    this.launches = await Promise.all(
      this.lowered.dispatches.map(async (dispatch) => ({
        dispatch,
        paramsAt: dispatch.params && this.placeParams(dispatch.params),
        pipeline: await this.device.pipeline(dispatch.label, dispatch.code),
        bindGroups: new Map<string, GPUBindGroup>(),
      })),
    );
  }

  /** Gives equal parameters one place. */
  private placeParams(params: ArrayBuffer): number {
    const key = new Uint8Array(params).join();
    let place = this.places.get(key);
    if (!place) {
      place = { at: this.places.size * PARAMS_STEP, bytes: params };
      this.places.set(key, place);
    }
    return place.at;
  }

  private writeParams(): GPUBuffer | undefined {
    if (this.places.size === 0) return undefined;
    const all = new Uint8Array(this.places.size * PARAMS_STEP);
    for (const { at, bytes } of this.places.values()) all.set(new Uint8Array(bytes), at);
    const buffer = this.device.allocate(all.byteLength, "programs");
    this.device.write(buffer, 0, all);
    return buffer;
  }

  /**
   * Runs the program: at once where everything is ready, else as soon as it is. Borrowed storages stay pinned till then.
   *
   * @param given storage of each argument, in the order of the arguments
   * @param numbers values of the scalar arguments
   */
  run(given: ReadonlyMap<VirtualBuffer, Storage>, numbers: Float32Array<ArrayBuffer>): Storage[] {
    const inputs = new Map(given);
    for (const [tensor, buffer] of this.lowered.borrowed) inputs.set(buffer, tensor.storage!);
    const outputs = this.lowered.results.map((buffer) => Storage.pending(buffer.bytes));
    for (const storage of inputs.values()) storage.pin();
    const finish = () => {
      for (const storage of inputs.values()) storage.unpin();
    };
    const start = () => {
      try {
        this.execute(inputs, outputs, numbers);
      } finally {
        finish();
      }
    };
    // a profile without timestamps waits for each launch
    const timer = activeTimer();
    const patient = timer?.method === "submissions";
    const begin = patient
      ? () => timer.inTurn(() => this.executeAlone(timer, inputs, outputs, numbers)).finally(finish)
      : start;
    const waiting = [...inputs.values()].filter((s) => !s.isReady);
    if (this.launches && waiting.length === 0 && !patient) start();
    else {
      const ready = Promise.all([this.compiled, ...waiting.map((s) => s.ready)]).then(begin, (error) => {
        finish();
        throw error;
      });
      const settled = ready.catch((error) => {
        for (const output of outputs) output.fail(error);
      });
      for (const output of outputs) output.ready = settled;
    }
    return outputs;
  }

  private execute(
    inputs: ReadonlyMap<VirtualBuffer, Storage>,
    outputs: readonly Storage[],
    numbers: Float32Array<ArrayBuffer>,
  ): void {
    const { made, bufferOf } = this.bind(inputs, numbers);
    try {
      this.submit(bufferOf);
    } catch (error) {
      for (const buffer of made) this.device.recycle(buffer);
      throw error;
    }
    outputs.forEach((output, i) => output.fill(this.device, made[i]));
  }

  private async executeAlone(
    timer: Timer,
    inputs: ReadonlyMap<VirtualBuffer, Storage>,
    outputs: readonly Storage[],
    numbers: Float32Array<ArrayBuffer>,
  ): Promise<void> {
    const { made, bufferOf } = this.bind(inputs, numbers);
    try {
      await timer.alone(this, this.encoders(bufferOf));
    } catch (error) {
      for (const buffer of made) this.device.recycle(buffer);
      throw error;
    }
    outputs.forEach((output, i) => output.fill(this.device, made[i]));
  }

  /** Fresh memory for the results, and the buffer that each virtual one is in this run. */
  private bind(inputs: ReadonlyMap<VirtualBuffer, Storage>, numbers: Float32Array<ArrayBuffer>) {
    const { device } = this;
    device.check();
    for (const storage of inputs.values()) storage.throwIfFailed();
    this.params ??= this.writeParams();
    this.slots ??= device.allocateAll(this.plan.slots, "programs");
    if (numbers.length > 0) {
      this.scalars ??= device.allocate(numbers.byteLength, "programs");
      device.write(this.scalars, 0, numbers);
    }
    const made = device.allocateAll(
      this.lowered.results.map(({ bytes }) => bytes),
      "values",
    );
    const results = new Map(this.lowered.results.map((buffer, i) => [buffer, made[i]]));
    const bufferOf = (buffer: VirtualBuffer): GPUBuffer => {
      switch (buffer.kind) {
        case "slot":
          return this.slots![this.plan.slotOf.get(buffer)!];
        case "output":
          return results.get(buffer)!;
        case "scalars":
          return this.scalars!;
        case "input":
          return inputs.get(buffer)!.on(device);
      }
    };
    return { made, bufferOf };
  }

  /** Puts each launch into a pass. */
  private encoders(bufferOf: (buffer: VirtualBuffer) => GPUBuffer): Encode[] {
    return this.launches!.map((launch) => (pass) => {
      pass.setPipeline(launch.pipeline);
      pass.setBindGroup(0, this.bindGroup(launch, bufferOf));
      pass.dispatchWorkgroups(...launch.dispatch.workgroups);
    });
  }

  private submit(bufferOf: (buffer: VirtualBuffer) => GPUBuffer): void {
    const { gpu } = this.device;
    const encoders = this.encoders(bufferOf);
    const timer = activeTimer();
    if (timer?.method === "timestamps") {
      timer.stamped(this, encoders);
      return;
    }
    for (let from = 0; from < encoders.length; from += SUBMIT_EVERY) {
      const encoder = gpu.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (const encode of encoders.slice(from, from + SUBMIT_EVERY)) encode(pass);
      pass.end();
      gpu.queue.submit([encoder.finish()]);
    }
  }

  private bindGroup(launch: Launch, bufferOf: (buffer: VirtualBuffer) => GPUBuffer): GPUBindGroup {
    const buffers = launch.dispatch.bindings.map(bufferOf);
    const key = buffers.map((buffer) => this.idOf(buffer)).join();
    let group = launch.bindGroups.get(key);
    if (!group) {
      if (launch.bindGroups.size >= 8) launch.bindGroups.clear();
      group = this.device.gpu.createBindGroup({
        layout: launch.pipeline.getBindGroupLayout(0),
        entries: [
          ...buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
          ...(launch.paramsAt === undefined
            ? []
            : [
                {
                  binding: buffers.length,
                  resource: { buffer: this.params!, offset: launch.paramsAt, size: launch.dispatch.params!.byteLength },
                },
              ]),
        ],
      });
      launch.bindGroups.set(key, group);
    }
    return group;
  }

  private idOf(buffer: GPUBuffer): number {
    let id = this.ids.get(buffer);
    if (id === undefined) {
      id = this.nextId++;
      this.ids.set(buffer, id);
    }
    return id;
  }

  /** Gives the slots back. The program can still run; it takes them anew. */
  release(): void {
    for (const slot of this.slots ?? []) this.device.recycle(slot);
    if (this.scalars) this.device.recycle(this.scalars);
    if (this.params) this.device.recycle(this.params);
    this.slots = undefined;
    this.scalars = undefined;
    this.params = undefined;
    for (const launch of this.launches ?? []) launch.bindGroups.clear();
  }
}
