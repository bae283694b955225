// Loaded before a test (`node --import tsx --import ./test/least-device.ts --test test/functions.test.ts`): every device is as
// WebGPU guarantees it at least, with the default limits and no optional feature.
import "./gpu-settings.ts";
import { create, globals } from "webgpu";

Object.assign(globalThis, globals);
const gpu = create([]);
Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true, writable: true });
const { requestAdapter } = gpu;
gpu.requestAdapter = async (options) => {
  const adapter = await requestAdapter.call(gpu, options);
  const { requestDevice } = adapter ?? {};
  if (adapter) adapter.requestDevice = () => requestDevice!.call(adapter);
  return adapter;
};
