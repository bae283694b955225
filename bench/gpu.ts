/** Bytes in buffers of all devices of this process, counted where they are made and destroyed. */
export const memory = { bytes: 0, peak: 0 };

/** What runs, as the adapter calls itself. */
export let adapterName = "";

const devices: GPUDevice[] = [];
let gpu: GPU; // Dawn crashes when it is collected while a device lives

/**
 * Gives this process `navigator.gpu` out of Dawn, the same for every library, before a library is imported.
 *
 * @param adapter part of an adapter's name; the system's best where not given
 * @throws where there is none: a library must not look elsewhere
 */
export async function installGpu(adapter?: string): Promise<void> {
  const { create, globals } = await import("webgpu");
  gpu = create(adapter ? [`adapter=${adapter}`] : []);
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  const high = { powerPreference: "high-performance" } as const;
  if (!(await requestAdapter(high).catch(() => null))) throw new Error(`no adapter${adapter ? ` "${adapter}"` : ""}`);
  gpu.requestAdapter = async (options) => {
    const found = await requestAdapter(options);
    if (!found) return null;
    adapterName = `${found.info.device} ${found.info.description}`.trim();
    const requestDevice = found.requestDevice.bind(found);
    found.requestDevice = async (descriptor) => {
      const device = await requestDevice(descriptor);
      devices.push(device);
      countBuffers(device);
      return device;
    };
    return found;
  };
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, "navigator", { value: { gpu, userAgent: "Node" }, configurable: true });
}

function countBuffers(device: GPUDevice): void {
  const createBuffer = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = createBuffer(descriptor);
    memory.bytes += descriptor.size;
    memory.peak = Math.max(memory.peak, memory.bytes);
    const destroy = buffer.destroy.bind(buffer);
    let alive = true;
    buffer.destroy = () => {
      if (alive) memory.bytes -= descriptor.size;
      alive = false;
      return destroy();
    };
    return buffer;
  };
}

/** Waits until the devices have done all that was submitted. */
export const finished = (): Promise<unknown> => Promise.all(devices.map(({ queue }) => queue.onSubmittedWorkDone()));
