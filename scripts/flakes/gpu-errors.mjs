// Loaded before every process of a run (NODE_OPTIONS=--import): writes down each error that a device reported and no scope
// caught, to the file COOP_GPU_ERRORS.
import { appendFileSync } from "node:fs";

const { dlopen } = process;
process.dlopen = (module, filename, ...flags) => {
  dlopen.call(process, module, filename, ...flags);
  const adapter = filename.endsWith("dawn.node") ? module.exports.globals.GPUAdapter.prototype : undefined;
  if (adapter && !adapter.watched) watch(adapter);
};

function watch(adapter) {
  const { requestDevice } = adapter;
  adapter.watched = true;
  adapter.requestDevice = async function (...words) {
    const device = await requestDevice.apply(this, words);
    device.addEventListener("uncapturederror", ({ error }) =>
      appendFileSync(process.env.COOP_GPU_ERRORS, `${error.message.replaceAll("\n", " ")}\n`),
    );
    return device;
  };
}
