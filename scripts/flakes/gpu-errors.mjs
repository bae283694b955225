// Loaded before every process of a run: writes down each error that a device reported and no scope caught, to the file
// COOP_GPU_ERRORS.
import { appendFileSync } from "node:fs";
import { wrapRequestDevice } from "../../test/dawn-adapters.mjs";

wrapRequestDevice(
  (requestDevice) =>
    async function (...words) {
      const device = await requestDevice.apply(this, words);
      device.addEventListener("uncapturederror", ({ error }) =>
        appendFileSync(process.env.COOP_GPU_ERRORS, `${error.message.replaceAll("\n", " ")}\n`),
      );
      return device;
    },
);
