// Loaded before the suite (`NODE_OPTIONS="--import $PWD/test/least-device.mjs" npm run test:run`): every device is as WebGPU
// guarantees it at least, with the default limits and no optional feature.
import { wrapRequestDevice } from "./dawn-adapters.mjs";

wrapRequestDevice(
  (requestDevice) =>
    function () {
      return requestDevice.call(this);
    },
);
