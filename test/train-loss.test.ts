// `coop train` whose device goes while it learns.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { main } from "../src/cli/cli.ts";
import { device } from "../src/tensor/index.ts";
import { drawFolder } from "./drawn-folder.ts";

test("it goes on by itself on a fresh device, and ends to the bit where it would have", {
  timeout: 180_000,
}, async (t) => {
  const root = mkdtempSync(join(tmpdir(), "coop-loss-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  t.mock.method(console, "log", () => {});
  const said = t.mock.method(console, "error", () => {});
  await drawFolder(join(root, "pictures"));
  const train = (out: string) => {
    const flags = ["--shots", "2", "--context-tokens", "2", "--epochs", "60", "--save-every", "1"];
    return main(["train", join(root, "pictures"), ...flags, "--out", join(root, out)]);
  };
  assert.equal(await train("whole"), 0);

  const training = train("lost");
  while (!existsSync(join(root, "lost.partial/checkpoint.safetensors")))
    await new Promise((done) => setTimeout(done, 1));
  const on = await device();
  on.gpu.destroy();
  assert.equal(await training, 0);
  assert.notEqual(await device(), on);
  const errors = said.mock.calls.map(({ arguments: [line] }) => String(line)).join("\n");
  assert.match(errors, /the GPU device was lost: .*\nThe training goes on on a fresh device/);
  const bits = (out: string) => readFileSync(join(root, out, "adapter_model.safetensors"));
  assert.ok(bits("lost").equals(bits("whole")));
  assert.ok(!existsSync(join(root, "lost.partial")));
});
