import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const sharp = await import("sharp").catch(() => undefined);

test("over 80 odd picture files give pixels or say why not, in bounded memory", {
  timeout: 120_000,
  skip: sharp ? false : "sharp is not installed",
}, async () => {
  const script = fileURLToPath(new URL("odd-pictures.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", script]);
  const found = JSON.parse(stdout);
  assert.ok(found.files >= 80, stdout);
  assert.deepEqual(found.mistaken, []);
  assert.ok(found.peakMiB < 512, stdout);
  assert.ok(found.bombMilliseconds < 50, stdout);
});
