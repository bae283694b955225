// The examples as a reader runs them, from the repository's root, and what their prose promises.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "..");
const TIMEOUT = 600_000; // minutes only on SwiftShader

const needsModel = existsSync(join(ROOT, "models/tiny-clip/model.safetensors"))
  ? {}
  : { skip: "models/tiny-clip is not there" };

/** Standard output of an example; fails with its standard error. */
function output(name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, COOP_QUIET: "1", GALLIVM_PERF: undefined };
    const words = ["--import", "tsx", join("examples", `${name}.ts`)];
    execFile(process.execPath, words, { cwd: ROOT, env, timeout: TIMEOUT }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${name}: ${error.message}\n${stdout}\n${stderr}`));
      else resolve(stdout);
    });
  });
}

/** The numbers that a pattern's groups capture; fails where it does not match. */
function numbers(text: string, pattern: RegExp): number[] {
  const found = text.match(pattern);
  assert.ok(found, `${pattern} does not match:\n${text}`);
  return found.slice(1).map(Number);
}

test("01: tensors and gradients", { timeout: TIMEOUT }, async () => {
  const said = await output("01-tensors-and-gradients");
  assert.match(said, /^a node: Tensor\(add, f32\[2, 2\]\)$/m);
  assert.match(said, /x·x \+ 1 = \[ 8, 11, 16, 23 \]/);
  assert.match(said, /^refused: matmul: .*\[2, 2\]/m);
  assert.match(said, /3x² = \[ 3, 12, 27, 48 \]/);
  assert.match(said, /6x = \[ 6, 12, 18, 24 \]/);
  const [left, right] = numbers(said, /wᵀ\(J t\) = (\S+) = (\S+)/);
  assert.ok(Math.abs(left - right) <= 2e-5, said);
  const [slope, offset] = numbers(said, /fitted: (\S+) t \+ (\S+)/);
  assert.ok(Math.abs(slope - 3) < 0.1 && Math.abs(offset + 2) < 0.1, said);
});

test("02: a compiled step", { timeout: TIMEOUT }, async () => {
  const said = await output("02-compiled-step");
  const losses = [...said.matchAll(/^step \d+: loss (\S+)$/gm)].map(([, loss]) => Number(loss));
  assert.equal(losses.length, 6, said);
  assert.ok(losses[5] < 0.02 && losses[5] < losses[0], said);
  const [accuracy] = numbers(said, /^accuracy (\S+) %$/m);
  assert.ok(accuracy > 97, said);
  assert.match(said, /^device memory grew by 0 bytes/m);
  assert.match(said, /^DonatedError: .*the training step/m);
});

test("03: zero-shot", { timeout: TIMEOUT, ...needsModel }, async () => {
  const said = await output("03-zero-shot");
  assert.match(said, /^this is a forest; the model says:$/m);
  const [first, second, third] = [...said.matchAll(/^ +(\S+) % {2}a photo of a \w+\.$/gm)].map(([, p]) => Number(p));
  assert.ok(first >= second && second >= third && third >= 0 && first + second + third <= 100.1, said);
  const rows = [...said.matchAll(/^ {2}\w+ +(\S+) % → +(\S+) %/gm)].map(([, plain, chosen]) => [
    Number(plain),
    Number(chosen),
  ]);
  assert.equal(rows.length, 4, said);
  const mean = (column: number) => rows.reduce((total, row) => total + row[column], 0) / rows.length;
  assert.ok(mean(1) > mean(0) + 5, said);
});

test("04: CoOp from scratch", { timeout: TIMEOUT, ...needsModel }, async () => {
  const said = await output("04-coop-from-scratch");
  const [written] = numbers(said, /^"a photo of a \{\}\." +(\S+) %$/m);
  const [learned] = numbers(said, /^a learned prompt +(\S+) %$/m);
  assert.ok(learned > written + 3 && learned > 70, said);
});
