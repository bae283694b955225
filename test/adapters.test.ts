// Browsers' WebGPU differs: adapters that stand for what is known of each.
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { Device } from "../src/tensor/device.ts";
import { DeviceLostError } from "../src/tensor/errors.ts";
import { promptly } from "../src/tensor/promptly.ts";
import { requestGpu } from "../src/tensor/runtime.ts";
import { browserRemedy } from "../src/tensor/runtime-remedy.ts";
import { outsideRemedy, type PlaceOutside } from "../src/tensor/runtime-remedy-node.ts";

const FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:141.0) Gecko/20100101 Firefox/141.0";
const SAFARI =
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15";
const CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

const own = Object.getOwnPropertyDescriptor(globalThis, "navigator");
const adapterSetting = process.env.COOP_ADAPTER;

function setNavigator(value: object): void {
  Object.defineProperty(globalThis, "navigator", { value, configurable: true, writable: true });
}

afterEach(() => {
  if (own) Object.defineProperty(globalThis, "navigator", own);
  else Reflect.deleteProperty(globalThis, "navigator");
  if (adapterSetting === undefined) delete process.env.COOP_ADAPTER;
  else process.env.COOP_ADAPTER = adapterSetting;
});

interface FakeAdapter {
  readonly info?: object;
  readonly features?: readonly string[];
  readonly limits?: Record<string, number>;
  readonly device?: object;
  /** Refuses to give a device with anything beyond the defaults. */
  readonly grudging?: boolean;
  readonly more?: object;
}

/** Puts an adapter into the navigator; the descriptors that devices were asked for with are noted. */
function offer({ info, features = [], limits = {}, device = {}, grudging, more }: FakeAdapter): GPUDeviceDescriptor[] {
  const asked: GPUDeviceDescriptor[] = [];
  const adapter = {
    info,
    features: new Set(features),
    limits,
    requestDevice: async (descriptor?: GPUDeviceDescriptor) => {
      asked.push(descriptor ?? {});
      if (grudging && descriptor) throw new DOMException("a limit is beyond what is supported", "OperationError");
      return { features: new Set(features), limits, lost: new Promise(() => {}), destroy: () => {}, ...device };
    },
    ...more,
  };
  delete process.env.COOP_ADAPTER;
  setNavigator({ userAgent: "a test", gpu: { requestAdapter: async () => adapter } });
  return asked;
}

describe("what an adapter says of itself", () => {
  test("Safari's devices have no adapterInfo: the adapter's counts", async () => {
    offer({ info: { vendor: "apple", architecture: "metal-3", device: "", description: "" } });
    const gpu = await requestGpu();
    assert.equal(gpu.description, "apple metal-3, hardware adapter");
    assert.equal(gpu.adapterInfo.subgroupMinSize, 0);
  });

  test("older adapters are asked by a method, and say themselves that they are fallbacks", async () => {
    const requestAdapterInfo = async () => ({ vendor: "google", architecture: "swiftshader" });
    offer({ more: { requestAdapterInfo, isFallbackAdapter: true } });
    const gpu = await requestGpu();
    assert.equal(gpu.kind, "software");
    assert.match(gpu.description, /^google swiftshader, software adapter/);
  });

  test("one that says nothing at all", async () => {
    offer({});
    assert.equal((await requestGpu()).description, "an unnamed GPU, hardware adapter");
  });

  test("a caller's device without adapterInfo", async () => {
    const device = { features: new Set(), limits: {}, lost: new Promise(() => {}) } as unknown as GPUDevice;
    assert.equal((await requestGpu({ device })).description, "an unnamed GPU, hardware adapter: brought by the caller");
  });
});

describe("what is asked of an adapter", () => {
  test("its own limits and the features that it has, no others", async () => {
    const limits = { maxBufferSize: 268435456, maxStorageBuffersPerShaderStage: 8 };
    const [descriptor] = [offer({ features: ["timestamp-query", "float32-filterable"], limits })];
    await requestGpu();
    assert.deepEqual(descriptor, [{ requiredFeatures: ["timestamp-query"], requiredLimits: limits }]);
  });

  test("nothing, where it refuses its own offer", async () => {
    const asked = offer({ grudging: true, features: ["shader-f16"], limits: { maxBufferSize: 2 ** 40 } });
    await requestGpu();
    assert.equal(asked.length, 2);
    assert.deepEqual(asked[1], {});
  });

  test("without subgroups and with eight bindings, the device says so", async () => {
    const fake = { addEventListener: () => {} };
    offer({ limits: { maxStorageBuffersPerShaderStage: 8 }, device: fake, info: { subgroupMinSize: 32 } });
    const device = new Device(await requestGpu());
    assert.equal(device.subgroupLanes, 0);
    assert.equal(device.maxBindings, 8);
  });

  for (const reason of ["unknown", "destroyed"]) {
    test(`a device that is lost (${reason}) is an error with the browser's words from then on`, async () => {
      const lost = Promise.resolve({ reason, message: "the driver was reset" });
      offer({ limits: { maxStorageBuffersPerShaderStage: 8 }, device: { lost, addEventListener: () => {} } });
      const device = new Device(await requestGpu());
      await lost;
      const told = /^the GPU device was lost: the driver was reset\. What lay on it is gone/;
      assert.throws(
        () => device.check(),
        (error) => error instanceof DeviceLostError && told.test(error.message),
      );
    });
  }

  test("a device that was let go is none", async () => {
    let lose = (_: object): void => {};
    const lost = new Promise<object>((resolve) => (lose = resolve));
    const fake = { lost, addEventListener: () => {}, destroy: () => lose({ reason: "destroyed", message: "" }) };
    offer({ limits: { maxStorageBuffersPerShaderStage: 8 }, device: fake });
    const device = new Device(await requestGpu());
    device.release();
    await lost;
    device.check();
  });
});

describe("waiting for results", () => {
  const later = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds, "done"));

  test("Firefox gets empty submissions until the result is there, and none after", async () => {
    setNavigator({ userAgent: FIREFOX });
    let submissions = 0;
    const queue = { submit: (commands: unknown[]) => void (submissions += commands.length === 0 ? 1 : Number.NaN) };
    const resolved = new Promise((resolve) => {
      const whenPolled = setInterval(() => {
        if (submissions < 2) return;
        clearInterval(whenPolled);
        resolve("done");
      }, 1);
    });
    assert.equal(await promptly(queue as unknown as GPUQueue, resolved), "done");
    const then = submissions;
    await later(50);
    assert.equal(submissions, then);
  });

  test("a failure passes through", async () => {
    setNavigator({ userAgent: FIREFOX });
    const queue = { submit: () => {} } as unknown as GPUQueue;
    await assert.rejects(promptly(queue, Promise.reject(new Error("unmapped"))), /unmapped/);
  });

  test("others get none", async () => {
    for (const agent of [CHROME, SAFARI]) {
      setNavigator({ userAgent: agent });
      const queue = { submit: () => assert.fail("submitted") } as unknown as GPUQueue;
      assert.equal(await promptly(queue, later(20)), "done");
    }
  });
});

describe("where there is no adapter, the message fits the place", () => {
  const page = { agent: CHROME, secure: true, hasGpu: false, serviceWorker: false };
  const cases: [name: string, said: string, expected: RegExp][] = [
    ["an insecure page", browserRemedy({ ...page, secure: false }), /over https, or from localhost/],
    ["Chrome on Linux without WebGPU", browserRemedy(page), /On Linux, switch on chrome:\/\/flags/],
    ["Chrome on Linux without a driver", browserRemedy({ ...page, hasGpu: true }), /chrome:\/\/gpu .* on Linux, also/],
    [
      "Chrome on Windows",
      browserRemedy({ ...page, agent: CHROME.replace("X11; Linux x86_64", "Windows NT 10.0"), hasGpu: true }),
      /chrome:\/\/gpu says why[^;]*$/,
    ],
    [
      "an old Firefox",
      browserRemedy({ ...page, agent: FIREFOX.replaceAll("141", "128") }),
      /This is Firefox 128\. .*141/,
    ],
    ["Firefox without a driver", browserRemedy({ ...page, agent: FIREFOX, hasGpu: true }), /about:support/],
    [
      "Firefox's service worker",
      browserRemedy({ ...page, agent: FIREFOX, serviceWorker: true }),
      /service workers no WebGPU: compute in a dedicated worker/,
    ],
    ["an old Safari", browserRemedy({ ...page, agent: SAFARI }), /This is Safari 18\. .* from version 26 on/],
    ["Safari without a card", browserRemedy({ ...page, agent: SAFARI, hasGpu: true }), /^Safari has WebGPU/],
  ];
  const place: PlaceOutside = {
    runtime: "node",
    hasGpu: false,
    platform: "linux",
    arch: "x64",
    demand: "auto",
    hasDawn: true,
  };
  cases.push(
    ["Node on Linux", outsideRemedy(place), /^To fix it: sudo apt-get install .*; or npm install, .* SwiftShader\.$/],
    ["Node without Dawn", outsideRemedy({ ...place, hasDawn: false }), /^To fix it: npm install webgpu brings Dawn/],
    [
      "Bun without Dawn",
      outsideRemedy({ ...place, runtime: "bun", hasDawn: false }),
      /bun add webgpu .*; or run this in Node/,
    ],
    ["an old Deno", outsideRemedy({ ...place, runtime: "deno" }), /Deno 2\.7 or later, .*--unstable-webgpu/],
    ["a Mac", outsideRemedy({ ...place, platform: "darwin", arch: "arm64" }), /^To fix it: update macOS[^;]*;[^;]*\.$/],
    ["a demand", outsideRemedy({ ...place, demand: "hardware" }), /graphics card's Vulkan driver.*COOP_ADAPTER=auto/],
  );
  for (const [name, said, expected] of cases) test(name, () => assert.match(said, expected));
});
