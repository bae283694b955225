// The examples as a reader runs them, from the repository's root, and what their prose promises.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
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

test("05: class-specific contexts", { timeout: TIMEOUT, ...needsModel }, async () => {
  const said = await output("05-class-specific");
  assert.match(said, /^unified +\[4,64\]: 256 numbers for 14 flowers$/m);
  assert.match(said, /^class-specific +\[14,4,64\]: 3584 numbers/m);
  const [above, flowers] = ["above, 1", "flowers, 16"].map((task) => {
    const rows = String.raw`of each class\n.*?(\S+) %\nunified +(\S+) %\nclass-specific +(\S+) %`;
    return numbers(said, new RegExp(`^${task} ${rows}`, "m"));
  });
  assert.ok(above[1] > above[2] && above[1] > above[0], said);
  assert.ok(flowers[2] > flowers[1] && flowers[1] > flowers[0], said);
  assert.match(said, /^prompts for orchard, airport, harbour: made\nrefused: .*each of 10 classes/m);
});

test("06: reading a prompt", { timeout: TIMEOUT, ...needsModel }, async () => {
  const said = await output("06-reading-a-prompt");
  const vectors = [...said.matchAll(/^‖v‖ (\S+): (.*); as near: (\d+) of 64 random$/gm)];
  assert.equal(vectors.length, 4, said);
  assert.ok(vectors.filter(([, , , near]) => Number(near) <= 1).length >= 3, said);
  assert.ok(
    vectors.some(([, , words]) => /aerial|above|map|satellite/.test(words)),
    said,
  );
  const words = said
    .match(/^begun as "a photo of a", read as: (.*)$/m)![1]
    .split(", ")
    .map((w) => w.split(" ")[0]);
  assert.ok(words.filter((word, i) => word === ["a", "photo", "of", "a"][i]).length >= 2, said);
  const [right, wrong, p] = numbers(said, /^(\d+) answers became right, (\d+) wrong \(p = (\S+)\)$/m);
  assert.ok(right > wrong && p < 0.01, said);
  assert.match(said, /^the clearest: a \w+, which "a photo of a \{\}\." took for a \w+$/m);
});

test("07: your own op", { timeout: TIMEOUT }, async () => {
  const said = await output("07-your-own-op");
  assert.match(said, /^Tensor\(runningSum, f32\[5\]\): 0 8 4 2 2$/m);
  const [kernel] = numbers(said, /^relative error of the kernel (\S+)$/m);
  const [exact, gpu] = numbers(said, /^of the gradient (\S+), on the GPU (\S+)$/m);
  assert.ok(kernel < 1e-5 && exact < 1e-8 && gpu < 1e-5, said);
  assert.match(said, /^refused: .*gradient of order 1 against differences/m);
  assert.match(said, /^launches: running-sum\+mul$/m);
  assert.match(said, /^found in \d+ iterations: 3\.00 at 20, -2\.00 at 40$/m);
});

test("08: CoCoOp", { timeout: TIMEOUT, ...needsModel }, async () => {
  const said = await output("08-cocoop");
  assert.match(said, /^CoOp learns 256 numbers; text features for 8 pictures: \[10,64\]$/m);
  assert.match(said, /^CoCoOp learns 836; text features for 8 pictures: \[8,10,64\]$/m);
  const [written, coop, cocoop] = ["by hand", "CoOp", "CoCoOp"].map((name) =>
    numbers(said, new RegExp(`^${name} +(\\S+) % +(\\S+) % +(\\S+) %$`, "m")),
  );
  assert.ok(coop[0] > written[0] && cocoop[0] > written[0], said);
  assert.ok(cocoop[2] > written[2], said);
  const [within, between] = numbers(said, /^cosine of two shifts: (\S+) within a new class, (\S+) between two$/m);
  assert.ok(within > between + 0.2, said);
});

test("09: pretraining", { timeout: TIMEOUT }, async () => {
  const said = await output("09-pretraining");
  assert.match(said, /^0 of them show one of the 20$/m);
  const losses = [...said.matchAll(/^step \d+: loss (\S+)$/gm)].map(([, loss]) => Number(loss));
  assert.equal(losses.length, 5, said);
  assert.ok(losses[0] > 4 && losses[4] < 3, said);
  const [before, after] = ["before", "after"].map((when) => numbers(said, new RegExp(`^${when}: (\\S+) %`, "m"))[0]);
  assert.ok(before < 15 && after > 25, said);
});

test("the index names every example", async () => {
  const index = readFileSync(join(ROOT, "examples/README.md"), "utf8");
  const files = readdirSync(join(ROOT, "examples")).filter((name) => name.endsWith(".ts"));
  for (const name of files) assert.ok(index.includes(`(${name})`), `examples/README.md does not name ${name}`);
  for (const [, name] of index.matchAll(/\]\(([\w.-]+\.ts)\)/g)) assert.ok(files.includes(name), `there is no ${name}`);
});
