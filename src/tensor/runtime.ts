import { environment, inBrowser } from "./environment.ts";
import { DeviceError } from "./errors.ts";
import { inTime, patience } from "./waiting.ts";

export { environment, inBrowser };

/** What is known of an adapter; empty, false or 0 where the runtime does not say. */
export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter: boolean;
  readonly subgroupMinSize: number;
}

/** A device to run on, and what is known about it. */
export interface Gpu {
  readonly device: GPUDevice;
  /** One line for people: the adapter's name and driver, whether it is hardware, and why it was taken. */
  readonly description: string;
  readonly kind: "hardware" | "software";
  readonly adapterInfo: AdapterInfo;
  readonly limits: GPUSupportedLimits;
  readonly features: GPUSupportedFeatures;
  /** Settles when the device is gone; its reason is "destroyed" after `release`. */
  readonly lost: Promise<GPUDeviceLostInfo>;
  /** Calls `handler` with each error that no error scope caught; the function it returns takes the handler off. */
  onError(handler: (error: GPUError) => void): () => void;
  /** Destroys the device, unless the caller brought it. */
  release(): void;
}

/** How a device is found. */
export interface GpuOptions {
  /** Which kind to try first; the others follow when it is not to be had. Default "hardware". */
  prefer?: "hardware" | "software" | "swiftshader";
  /** A device to use as it is. It stays its owner's: `release` leaves it alone. */
  device?: GPUDevice;
  /** Dawn toggles to switch on, or off with a leading "-", where Dawn runs in this process: `["skip_validation"]`. */
  toggles?: readonly string[];
}

/** A place to look for an adapter: whatever the system offers, a software driver of the system, or our own SwiftShader. */
type Step = "system" | "llvmpipe" | "swiftshader";

const PREFERENCES: Record<NonNullable<GpuOptions["prefer"]>, Step[]> = {
  hardware: ["system", "swiftshader"],
  software: ["llvmpipe", "swiftshader", "system"],
  swiftshader: ["swiftshader", "llvmpipe", "system"],
};

/** What COOP_ADAPTER may demand: where to look, and what the adapter found there must be. */
const DEMANDS: Record<string, { steps: Step[]; fits: (info: AdapterInfo) => boolean }> = {
  hardware: { steps: ["system"], fits: (info) => !isSoftware(info) },
  llvmpipe: { steps: ["llvmpipe"], fits: (info) => /llvmpipe|lavapipe/i.test(words(info)) },
  swiftshader: { steps: ["swiftshader"], fits: (info) => /swiftshader/i.test(words(info)) },
};

const FEATURES: readonly GPUFeatureName[] = ["shader-f16", "subgroups", "timestamp-query"];

const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxUniformBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
] as const;

/**
 * Finds a GPU and opens a device with the features of `FEATURES` that it has and the largest limits it allows.
 *
 * Takes `navigator.gpu` where there is one, else Dawn from the npm package `webgpu`. A hardware adapter comes first, then a
 * software driver of the system (Mesa's llvmpipe), then the SwiftShader that npm installs beside coop (Linux x64). The
 * environment variable `COOP_ADAPTER` = auto | hardware | llvmpipe | swiftshader demands one of them.
 *
 * @throws {DeviceError} when there is no adapter, or not the one that was demanded; the message says how to get one.
 */
export async function requestGpu(options: GpuOptions = {}): Promise<Gpu> {
  if (options.device)
    return asGpu(options.device, complete(options.device.adapterInfo), "brought by the caller", () => {});

  const demand = environment("COOP_ADAPTER") || "auto";
  if (demand !== "auto" && !Object.hasOwn(DEMANDS, demand)) {
    throw new DeviceError(
      `COOP_ADAPTER is "${demand}"; use auto, ${Object.keys(DEMANDS).join(", ")}, or leave it unset.`,
    );
  }
  const order = PREFERENCES[options.prefer ?? "hardware"].filter((step) => !(inBrowser() && step === "swiftshader"));
  const { steps, fits } = DEMANDS[demand] ?? { steps: order, fits: () => true };

  const seconds = patience();
  const failures: string[] = [];
  for (const step of steps) {
    try {
      const adapter = await inTime(seconds, "looking for an adapter", findAdapter(step, options.toggles ?? []));
      const info = adapter && (await infoOf(adapter));
      if (!info) failures.push(`${step}: no adapter`);
      else if (!fits(info)) failures.push(`${step}: only ${name(info)}`);
      else {
        const device = await inTime(seconds, "opening the device", openDevice(adapter));
        return asGpu(device, info, reason(demand, step, options.prefer, info), () => device.destroy());
      }
    } catch (error) {
      failures.push(`${step}: ${error instanceof Error ? error.message : error}`);
    }
  }
  const what = demand === "auto" ? "No WebGPU adapter was found" : `COOP_ADAPTER=${demand} was not to be had`;
  const { remedy } = await (inBrowser() ? import("./runtime-remedy.ts") : import("./runtime-remedy-node.ts"));
  throw new DeviceError(`${what} (${failures.join("; ")}).\n${await remedy(demand)}`);
}

let announced = false;

/** Says on stderr what runs: `coop: <description>`, once in a process, and not at all under COOP_QUIET=1. */
export function announce(description: string): void {
  if (announced || environment("COOP_QUIET") === "1") return;
  announced = true;
  console.error(`coop: ${description}`);
}

/** Whether an adapter computes on the CPU. */
function isSoftware(info: AdapterInfo): boolean {
  return info.isFallbackAdapter || /llvmpipe|lavapipe|softpipe|swiftshader|basic render/i.test(words(info));
}

async function findAdapter(step: Step, toggles: readonly string[]): Promise<GPUAdapter | null> {
  const own = globalThis.navigator?.gpu;
  if (own && step !== "swiftshader") {
    const forceFallbackAdapter = step === "llvmpipe";
    const adapter = await own.requestAdapter({ powerPreference: "high-performance", forceFallbackAdapter });
    if (adapter) return adapter;
  }
  if (inBrowser()) return null;
  const node = await import("./runtime-node.ts");
  return node.findAdapter(step, toggles);
}

/** A device with all that is wanted of what the adapter offers; a plain one where the adapter refuses its own offer. */
function openDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const offered = LIMITS.filter((limit) => adapter.limits[limit] !== undefined);
  const wanted: GPUDeviceDescriptor = {
    requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(offered.map((limit) => [limit, adapter.limits[limit]])),
  };
  return adapter.requestDevice(wanted).catch(() => adapter.requestDevice());
}

/** Asked of the adapter, since Safari's devices do not know it; by a method before Chrome 127 and in old Denos. */
async function infoOf(adapter: GPUAdapter): Promise<AdapterInfo> {
  const older = adapter as Partial<GPUAdapter> & {
    readonly isFallbackAdapter?: boolean;
    requestAdapterInfo?(): Promise<GPUAdapterInfo>;
  };
  return complete(older.info ?? (await older.requestAdapterInfo?.()), older.isFallbackAdapter);
}

function complete(info: Partial<GPUAdapterInfo> = {}, fallback = false): AdapterInfo {
  const { vendor = "", architecture = "", device = "", description = "", subgroupMinSize = 0 } = info;
  const { isFallbackAdapter = fallback } = info;
  return { vendor, architecture, device, description, isFallbackAdapter, subgroupMinSize };
}

function asGpu(device: GPUDevice, adapterInfo: AdapterInfo, why: string, release: () => void): Gpu {
  const kind = isSoftware(adapterInfo) ? "software" : "hardware";
  return {
    device,
    description: `${name(adapterInfo)}, ${kind} adapter${why && `: ${why}`}`,
    kind,
    adapterInfo,
    limits: device.limits,
    features: device.features,
    lost: device.lost,
    onError(handler) {
      const listener = (event: GPUUncapturedErrorEvent) => {
        event.preventDefault(); // or else it is logged as well
        handler(event.error);
      };
      device.addEventListener("uncapturederror", listener);
      return () => device.removeEventListener("uncapturederror", listener);
    },
    release,
  };
}

function reason(demand: string, step: Step, prefer: GpuOptions["prefer"], info: AdapterInfo): string {
  if (demand !== "auto") return `COOP_ADAPTER=${demand}`;
  if (prefer === "software" || prefer === "swiftshader") return "as asked";
  if (!isSoftware(info)) return "";
  return step === "system"
    ? "no GPU was found"
    : "no GPU and no usable driver was found; Mesa's llvmpipe is several times faster";
}

/** The adapter's name and driver: browsers hide most of it, Dawn repeats some of it. */
function name(info: AdapterInfo): string {
  const driver = info.description.replace(/^llvmpipe: (Mesa [\d.]+)\S* \((.*)\).*/, "llvmpipe ($1, $2)").trim();
  if (isSoftware(info) && driver) return driver;
  const model = info.device || [info.vendor, info.architecture].filter(Boolean).join(" ");
  return [model, driver].filter(Boolean).join(", ") || "an unnamed GPU";
}

function words(info: AdapterInfo): string {
  return `${info.vendor} ${info.architecture} ${info.device} ${info.description}`;
}
