// In a file of its own, so that nothing has started the device before.
import assert from "node:assert/strict";
import { test } from "node:test";
import { arange, read, zeros } from "../src/index.ts";
import "./gpu-settings.ts";

test("leaves can be the first thing that is read", { timeout: 60_000 }, async () => {
  const [index, nothing] = await read([arange(3), zeros([2])]);
  assert.deepEqual(
    [[...index], [...nothing]],
    [
      [0, 1, 2],
      [0, 0],
    ],
  );
});
