import { activeTimer } from "./active-timer.ts";
import { choiceOf, measure, tuning } from "./choices.ts";
import { printDebug } from "./debugging.ts";
import type { Device } from "./device.ts";
import { DTypeError } from "./errors.ts";
import type { Load, VirtualBuffer } from "./expr.ts";
import { type LowerOptions, pick } from "./kernel.ts";
import { type Dispatch, type Lowered, lower } from "./lower.ts";
import { type Plan, plan } from "./plan.ts";
import { refusedOn } from "./refused.ts";
import { Storage } from "./storage.ts";
import type { Tensor } from "./tensor.ts";
import type { Encode, Timer } from "./timer.ts";

/** Dispatches in one submission: long work is handed over in pieces, so that a device never looks hung. */
const SUBMIT_EVERY = 64;

/** Distance of the parameters of two kernels: WebGPU's alignment of uniform buffers. */
const PARAMS_STEP = 256;

/** How graphs are lowered for a device. */
export const optionsFor = (on: Device): LowerOptions => ({
  subgroupLanes: on.subgroupLanes,
  maxBindings: on.maxBindings,
  adapter: on.isSoftware ? "software" : "hardware",
  choose: (op, call) => choiceOf(on.adapter, op, call),
  refused: refusedOn(on.adapter),
});

/** A launch that is ready to be encoded; bind groups are kept for the sets of buffers seen last. */
interface Launch {
  readonly dispatch: Dispatch;
  readonly pipeline: GPUComputePipeline;
  /** Where its parameters begin in the program's buffer of parameters. */
  readonly paramsAt?: number;
  readonly bindGroups: Map<string, GPUBindGroup>;
}

/** The bind groups of all launches for one set of buffers at the edge. */
interface Bound {
  readonly inputs: readonly GPUBuffer[];
  readonly outputs: readonly GPUBuffer[];
  readonly groups: readonly GPUBindGroup[];
}

/** Sets of edge buffers that a program remembers: a step that donates its state goes to and fro between two. */
const REMEMBERED = 8;

/** A graph made executable: kernels compiled, memory planned. Run it as often as you like. */
export class Program {
  lowered: Lowered;
  readonly plan: Plan;
  private launches: Launch[] | undefined;
  private slots: GPUBuffer[] | undefined;
  private scalars: GPUBuffer | undefined;
  private params: GPUBuffer | undefined;
  private readonly places = new Map<string, { at: number; bytes: ArrayBuffer }>();
  private readonly ids = new WeakMap<GPUBuffer, number>();
  private nextId = 0;
  private readonly options: LowerOptions;
  /** Buffers that callers fill, arguments first, and the bytes of each result. */
  private readonly inputs: readonly VirtualBuffer[];
  private readonly resultBytes: readonly number[];
  private bound: Bound[] = [];
  /** The numbers that the device has. */
  private sent: Float32Array<ArrayBuffer> | undefined;
  private compiled: Promise<void> | undefined;
  /** The device's shortages that the buffers have been through. */
  private shortages: number;

  constructor(
    readonly device: Device,
    roots: readonly Tensor[],
    arguments_: ReadonlyMap<Tensor, Load>,
    options: Partial<LowerOptions> = {},
    /** Of the function that was traced. */
    readonly name = "values",
  ) {
    this.options = { ...optionsFor(device), ...options };
    this.lowered = lower(roots, arguments_, this.options);
    this.plan = plan(this.lowered.dispatches);
    const given = [...arguments_.values()].map(({ buffer }) => buffer).filter(({ kind }) => kind === "input");
    this.inputs = [...given, ...this.lowered.borrowed.values()];
    this.resultBytes = this.lowered.results.map(({ bytes }) => bytes);
    printDebug?.(name, roots, this.lowered, this.plan);
    for (const bytes of [...this.plan.slots, ...this.resultBytes]) device.buffers.checkSize(bytes);
    const half = this.lowered.dispatches.some(({ bindings }) => bindings.some(({ dtype }) => dtype === "f16"));
    if (half && !device.gpu.features.has("shader-f16")) {
      throw new DTypeError(`f16 needs an adapter with shader-f16, and ${device.description} has none; use f32`);
    }
    this.shortages = device.buffers.shortageCount;
    this.ready().catch(() => {});
  }

  /** The pipelines; where they could not be had, tried again at the next call. */
  private ready(): Promise<void> {
    this.compiled ??= this.compile().catch((error) => {
      this.compiled = undefined;
      throw error;
    });
    return this.compiled;
  }

  /** All pipelines of a program compile at the same time. */
  private async compile(): Promise<void> {
    if (tuning() === "measure") await this.tune();
    this.launches = await Promise.all(
      this.lowered.dispatches.map(async (dispatch) => ({
        dispatch,
        paramsAt: dispatch.params && this.placeParams(dispatch.params),
        pipeline: await this.device.pipeline(dispatch.label, dispatch.code),
        bindGroups: new Map<string, GPUBindGroup>(),
      })),
    );
  }

  /** Measures what nobody measured before, and takes the kernels that were fastest. */
  private async tune(): Promise<void> {
    const { device, options } = this;
    await measure(device, this.lowered.dispatches, ({ op, call }) => options.choose?.(op, call) !== undefined);
    const dispatches = this.lowered.dispatches.map((dispatch) => {
      const { choice } = dispatch;
      return choice ? { ...dispatch, ...choice.launch(pick(choice, options)) } : dispatch;
    });
    this.lowered = { ...this.lowered, dispatches };
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
    return this.device.buffers.allocateFilled(all, all.byteLength, "programs");
  }

  /**
   * Runs the program: at once where everything is ready, else as soon as it is. Borrowed storages stay pinned till then.
   *
   * @param given storage of each argument, in the order of the arguments
   * @param numbers values of the scalar arguments
   */
  run(given: readonly Storage[], numbers: Float32Array<ArrayBuffer>): Storage[] {
    const inputs = [...given];
    for (const tensor of this.lowered.borrowed.keys()) inputs.push(tensor.storage!);
    const outputs = this.resultBytes.map((bytes) => Storage.pending(bytes));
    for (const storage of inputs) storage.pin();
    const finish = () => {
      for (const storage of inputs) storage.unpin();
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
    const waiting = inputs.filter((s) => !s.isReady);
    if (this.launches && waiting.length === 0 && !patient) start();
    else {
      const ready = Promise.all([this.ready(), ...waiting.map((s) => s.ready)]).then(begin, (error) => {
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

  private execute(inputs: readonly Storage[], outputs: readonly Storage[], numbers: Float32Array<ArrayBuffer>): void {
    const bound = this.bind(inputs, numbers);
    try {
      this.device.attempt(this.name, () => this.submit(bound.groups));
    } catch (error) {
      for (const buffer of bound.outputs) this.device.buffers.recycle(buffer);
      throw error;
    }
    outputs.forEach((output, i) => output.fill(this.device, bound.outputs[i]));
  }

  private async executeAlone(
    timer: Timer,
    inputs: readonly Storage[],
    outputs: readonly Storage[],
    numbers: Float32Array<ArrayBuffer>,
  ): Promise<void> {
    const bound = this.bind(inputs, numbers);
    try {
      await timer.alone(this, this.encoders(bound.groups));
    } catch (error) {
      for (const buffer of bound.outputs) this.device.buffers.recycle(buffer);
      throw error;
    }
    outputs.forEach((output, i) => output.fill(this.device, bound.outputs[i]));
  }

  /** Memory for the results, where possible that which went with these inputs before, and the bind groups. */
  private bind(storages: readonly Storage[], numbers: Float32Array<ArrayBuffer>): Bound {
    const { device } = this;
    device.check();
    for (const storage of storages) storage.throwIfFailed();
    if (this.shortages !== device.buffers.shortageCount) {
      this.release(); // some of it may be none
      this.shortages = device.buffers.shortageCount;
    }
    this.params ??= this.writeParams();
    this.slots ??= device.buffers.allocateAll(this.plan.slots, "programs");
    this.send(numbers);
    const inputs = storages.map((storage) => storage.on(device));
    const isFree = (buffer: GPUBuffer) => device.buffers.isFree(buffer);
    const known = this.bound.find((bound) => same(bound.inputs, inputs) && bound.outputs.every(isFree));
    // each result keeps to its own few buffers, else the sets would never repeat
    const own = (i: number) => this.bound.map(({ outputs }) => outputs[i]).findLast(isFree);
    const outputs = device.buffers.allocateAll(
      this.resultBytes,
      "values",
      known?.outputs ?? this.resultBytes.map((_, i) => own(i)),
    );
    if (known && same(known.outputs, outputs)) return known;
    try {
      const bound = { inputs, outputs, groups: device.attempt(this.name, () => this.groupsFor(inputs, outputs)) };
      this.bound = [bound, ...this.bound.slice(0, REMEMBERED - 1)];
      return bound;
    } catch (error) {
      for (const buffer of outputs) device.buffers.recycle(buffer);
      throw error;
    }
  }

  /** Writes the numbers of the call, unless the device has them. */
  private send(numbers: Float32Array<ArrayBuffer>): void {
    if (numbers.length === 0 || (this.scalars && this.sent && sameNumbers(this.sent, numbers))) return;
    this.scalars ??= this.device.buffers.allocate(numbers.byteLength, "programs");
    this.device.buffers.write(this.scalars, 0, numbers);
    this.sent = numbers;
  }

  private groupsFor(inputs: readonly GPUBuffer[], outputs: readonly GPUBuffer[]): GPUBindGroup[] {
    const edges = new Map<VirtualBuffer, GPUBuffer>();
    this.inputs.forEach((buffer, i) => edges.set(buffer, inputs[i]));
    this.lowered.results.forEach((buffer, i) => edges.set(buffer, outputs[i]));
    const bufferOf = (buffer: VirtualBuffer): GPUBuffer => {
      if (buffer.kind === "slot") return this.slots![this.plan.slotOf.get(buffer)!];
      return buffer.kind === "scalars" ? this.scalars! : edges.get(buffer)!;
    };
    return this.launches!.map((launch) => this.bindGroup(launch, bufferOf));
  }

  /** Puts each launch into a pass. */
  private encoders(groups: readonly GPUBindGroup[]): Encode[] {
    return groups.map((group, i) => (pass) => this.encode(pass, i, group));
  }

  private encode(pass: GPUComputePassEncoder, i: number, group: GPUBindGroup): void {
    const { pipeline, dispatch } = this.launches![i];
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(dispatch.workgroups[0], dispatch.workgroups[1], dispatch.workgroups[2]);
  }

  private submit(groups: readonly GPUBindGroup[]): void {
    const { gpu } = this.device;
    const timer = activeTimer();
    if (timer?.method === "timestamps") {
      timer.stamped(this, this.encoders(groups));
      return;
    }
    for (let from = 0; from < groups.length; from += SUBMIT_EVERY) {
      const encoder = gpu.createCommandEncoder();
      const pass = encoder.beginComputePass();
      const end = Math.min(groups.length, from + SUBMIT_EVERY);
      for (let i = from; i < end; i++) this.encode(pass, i, groups[i]);
      pass.end();
      gpu.queue.submit([encoder.finish()]);
      if (end < groups.length) this.device.noteProgress();
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
    for (const slot of this.slots ?? []) this.device.buffers.recycle(slot);
    if (this.scalars) this.device.buffers.recycle(this.scalars);
    if (this.params) this.device.buffers.recycle(this.params);
    this.slots = undefined;
    this.scalars = undefined;
    this.params = undefined;
    this.bound = [];
    for (const launch of this.launches ?? []) launch.bindGroups.clear();
  }
}

const same = (a: readonly GPUBuffer[], b: readonly GPUBuffer[]): boolean => a.every((buffer, i) => buffer === b[i]);

const sameNumbers = (a: Float32Array, b: Float32Array): boolean => a.every((n, i) => Object.is(n, b[i]));
