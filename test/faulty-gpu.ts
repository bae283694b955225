// A GPUDevice that fails at a call of one's choosing.

/** What goes wrong at a call: it throws, or the device is lost, refuses a command, has no memory, or does nothing any more. */
export const FAULTS = ["throw", "lost", "refused", "memory", "hang"] as const;
export type Fault = (typeof FAULTS)[number];

/** A device whose calls are counted. */
export interface FaultyGpu {
  readonly device: GPUDevice;
  /** Calls so far, by object and method: "queue.submit". */
  readonly calls: readonly string[];
  /** When the fault came about, by `performance.now()`. */
  readonly struckAt: number | undefined;
  /** Bytes of the buffers that were made and not destroyed. */
  readonly bytes: number;
  /** Plans a fault so many calls from now, instead of what was planned before. */
  plan(fault: Fault | undefined, callsFromNow?: number): void;
}

type Method = (...args: unknown[]) => unknown;

const METHODS = {
  device: [
    "createBuffer",
    "pushErrorScope",
    "popErrorScope",
    "createShaderModule",
    "createComputePipelineAsync",
    "createBindGroup",
    "createCommandEncoder",
  ],
  queue: ["submit", "writeBuffer", "onSubmittedWorkDone"],
  encoder: ["beginComputePass", "copyBufferToBuffer", "finish"],
  pass: ["setPipeline", "setBindGroup", "dispatchWorkgroups", "end"],
  pipeline: ["getBindGroupLayout"],
  buffer: ["mapAsync", "getMappedRange", "unmap"],
} as const;
type Kind = keyof typeof METHODS;

/** What a method returns is watched too. */
const MAKES: Readonly<Record<string, Kind>> = {
  createBuffer: "buffer",
  createComputePipelineAsync: "pipeline",
  createCommandEncoder: "encoder",
  beginComputePass: "pass",
};

const never = <T>(): Promise<T> => new Promise(() => {});

/** Watches a device. It stays usable by itself; faults strike through this watch only. */
export function faultyGpu(device: GPUDevice): FaultyGpu {
  const calls: string[] = [];
  let [fault, strikeAt, bytes] = [undefined as Fault | undefined, 0, 0];
  let struckAt: number | undefined;
  let hangs = false;
  const make = device.createBuffer.bind(device);
  const push = device.pushErrorScope.bind(device);
  const pop = device.popErrorScope.bind(device);

  /** A buffer that is none, with the errors that come of making it dropped. */
  const noBuffer = (): GPUBuffer => {
    for (const filter of ["validation", "out-of-memory", "internal"] as const) push(filter);
    const buffer = make({ size: 2 ** 52, usage: GPUBufferUsage.STORAGE });
    for (let i = 0; i < 3; i++) pop();
    return buffer;
  };
  let outOfMemory = false;

  const strike = (method: string, call: () => unknown): unknown => {
    if (fault === "throw") {
      if (method === "popErrorScope") (call() as Promise<unknown>).catch(() => {}); // scopes stay in order
      throw new TypeError("as planned");
    }
    if (fault === "lost") device.destroy();
    if (fault === "refused") make({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
    if (fault === "hang") hangs = true;
    if (fault === "memory") {
      outOfMemory = true;
      return noBuffer();
    }
    return call();
  };

  const watch = <T extends object>(object: T, kind: Kind): T => {
    for (const method of METHODS[kind]) {
      const real = (object as unknown as Record<string, Method>)[method].bind(object);
      const watched = (...args: unknown[]): unknown => {
        calls.push(`${kind}.${method}`);
        const due = fault && calls.length >= strikeAt && (fault !== "memory" || method === "createBuffer");
        const call = () => real(...args);
        if (due) struckAt = performance.now();
        const made = due ? strike(method, call) : call();
        if (due) fault = undefined;
        if (method === "popErrorScope" && outOfMemory) {
          outOfMemory = false;
          return (made as Promise<unknown>).then(() => new GPUOutOfMemoryError("as planned"));
        }
        if (hangs && made instanceof Promise) return never();
        if (method === "createBuffer") countBytes(made as GPUBuffer);
        const product = MAKES[method];
        if (!product) return made;
        return made instanceof Promise ? made.then((it) => watch(it, product)) : watch(made as object, product);
      };
      Object.defineProperty(object, method, { value: watched, configurable: true, writable: true });
    }
    return object;
  };

  const countBytes = (buffer: GPUBuffer): void => {
    const { size } = buffer;
    if (size >= 2 ** 52) return;
    const destroy = buffer.destroy.bind(buffer);
    bytes += size;
    let there = true;
    Object.defineProperty(buffer, "destroy", {
      value: () => {
        if (there) bytes -= size;
        there = false;
        return destroy();
      },
    });
  };

  watch(device, "device");
  watch(device.queue, "queue");
  return {
    device,
    calls,
    get struckAt() {
      return struckAt;
    },
    get bytes() {
      return bytes;
    },
    plan(planned, callsFromNow = 1) {
      [fault, strikeAt, struckAt] = [planned, calls.length + callsFromNow, undefined];
    },
  };
}
