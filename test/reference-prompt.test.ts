// Exchange with the reference implementation: its checkpoints, against what PyTorch itself reads and writes.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileBytes, memoryBytes } from "../src/clip/bytes.ts";
import { type Clip, loadClip } from "../src/clip/index.ts";
import { openTorchFile } from "../src/clip/torch.ts";
import { type TorchValue, writeTorchFile } from "../src/clip/torch-write.ts";
import { readZip } from "../src/clip/zip.ts";
import {
  type HostTensor,
  type ReferencePrompt,
  readReferencePrompt,
  referenceCheckpoint,
} from "../src/coop/reference-prompt.ts";
import { checkModel, classNamesOf, otherNames, promptWords } from "../src/coop/reference-words.ts";

// The system's own Python may have PyTorch where another one, first on the path, has not.
const PYTHON = ["python3", "/usr/bin/python3"].find(
  (python) => spawnSync(python, ["-c", "import torch"], { timeout: 60_000 }).status === 0,
);
const needsTorch = PYTHON ? {} : { skip: "there is no python3 with torch" };

const CLASSES = ["red square", "pond", "a tall tree"];
const M = 4;
let clip: Clip;
let folder: string;
let words: { prefix: HostTensor; suffix: HostTensor };

before(async () => {
  clip = await loadClip(join(import.meta.dirname, "../models/tiny-clip"));
  folder = mkdtempSync(join(tmpdir(), "coop-reference-"));
  words = await promptWords(clip, CLASSES, M);
});
after(() => {
  clip.free();
  rmSync(folder, { recursive: true });
});

const wave = (...shape: number[]): HostTensor => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i + 1) / 50),
});
const read = (bytes: Uint8Array) => readReferencePrompt(memoryBytes(bytes, "model.pth.tar-5"));
const f32 = ({ shape, data }: HostTensor): TorchValue => ({ dtype: "F32", shape, data: new Uint8Array(data.buffer) });

test("what is written is read back", async () => {
  const D = clip.config.text.width;
  for (const context of [wave(M, D), wave(CLASSES.length, M, D)]) {
    const back = await read(referenceCheckpoint({ context, ...words }, 5));
    assert.deepEqual(back, { context, ...words, metaNet: undefined, epoch: 5, skipped: [] });
  }
  const linear = (out: number, from: number) => ({ weight: wave(out, from), bias: wave(out) });
  const metaNet = { linear1: linear(4, 64), linear2: linear(D, 4) };
  const conditional = await read(referenceCheckpoint({ context: wave(M, D), metaNet }, 0));
  assert.deepEqual(conditional.metaNet, metaNet);
  assert.equal(conditional.prefix, undefined);
  assert.deepEqual(referenceCheckpoint({ context: wave(M, D) }, 5), referenceCheckpoint({ context: wave(M, D) }, 5));
});

test("archives are aligned and of plain values only", async () => {
  const bytes = writeTorchFile({
    tensor: { dtype: "F16", shape: [3], data: new Uint8Array(6) },
    scalar: { dtype: "I64", shape: [], data: new Uint8Array(8) },
    empty: { dtype: "F32", shape: [0, 2], data: new Uint8Array(0) },
    flags: { yes: true, no: false, nothing: null, text: "größe", far: 2 ** 40, minus: -7 },
  });
  const source = memoryBytes(bytes, "f");
  for (const { name, begin } of (await readZip(source)).values()) {
    const view = new DataView(bytes.buffer, begin);
    assert.equal((begin + 30 + view.getUint16(26, true) + view.getUint16(28, true)) % 64, 0, name);
  }
  const { tensors } = await openTorchFile(source);
  assert.deepEqual([...tensors.keys()], ["tensor", "scalar", "empty"]);
  assert.throws(() => writeTorchFile({ x: 0.5 }), { name: "InputError", message: /0\.5 .*not a whole number/ });
  assert.throws(() => writeTorchFile({ x: { dtype: "F32", shape: [2], data: new Uint8Array(4) } }), {
    name: "FormatError",
  });
  assert.throws(() => writeTorchFile({ x: { dtype: "U16", shape: [2], data: new Uint8Array(4) } }), {
    name: "FormatError",
  });
});

test("files that are no prompt are refused", async () => {
  const file = (entries: Record<string, TorchValue>) =>
    writeTorchFile({ state_dict: new Map(Object.entries(entries)) });
  const cases: [Record<string, TorchValue>, RegExp][] = [
    [{ weight: f32(wave(2)) }, /no "ctx" in it, but "weight"/],
    [{ ctx: f32(wave(2)) }, /"ctx" is \[2\]; a context is \[M, D\]/],
    [{ ctx: f32(wave(2, 2)), "compound.0": f32(wave(2)) }, /has "compound\.0": it is of another method/],
    [{ ctx: f32(wave(2, 2)), "meta_net.linear1.weight": f32(wave(2)) }, /"meta_net\.linear1\.bias" is missing/],
    [{ ctx: f32({ shape: [1, 1], data: Float32Array.of(Number.NaN) }) }, /holds NaN at 0: that training diverged/],
  ];
  for (const [entries, message] of cases) await assert.rejects(read(file(entries)), { name: "FormatError", message });
  const prefixed = await read(file({ "prompt_learner.ctx": f32(wave(2, 3)) }));
  assert.deepEqual(prefixed.context.shape, [2, 3]);
});

test("the model and the class names are checked, and names are read back", { timeout: 60_000 }, async () => {
  const D = clip.config.text.width;
  const prompt: ReferencePrompt = { context: wave(M, D), ...words, skipped: [] };
  await checkModel(clip, prompt, "f");
  assert.deepEqual(await classNamesOf(clip, prompt), CLASSES);
  assert.deepEqual(await otherNames(clip, prompt, CLASSES), []);
  assert.deepEqual(await otherNames(clip, prompt, ["red_square", "pond", "a tall tree"]), []);
  assert.deepEqual(await otherNames(clip, prompt, ["pond", "red square", "a tall tree"]), ["pond", "red square"]);
  const refused = (change: Partial<ReferencePrompt>, message: RegExp) =>
    assert.rejects(checkModel(clip, { ...prompt, ...change }, "f"), { name: "InputError", message });
  await refused({ context: wave(M, D + 1) }, /its vectors have 65 numbers, but .* takes 64/);
  await refused({ context: wave(40, D) }, /its context has 40 tokens/);
  await refused({ context: wave(M + 1, D) }, /"token_suffix" is \[3, 27, 64\], not \[K, 26, 64\]/);
  await refused({ context: wave(2, M, D) }, /"token_prefix" is \[3, 1, 64\], not \[2, 1, 64\]/);
  const data = words.prefix.data.map((x) => -x);
  await refused({ prefix: { ...words.prefix, data } }, /start token that it keeps is not that of/);
  assert.equal(await otherNames(clip, { ...prompt, suffix: undefined }, CLASSES), undefined);
});

test("PyTorch reads what is written: the same bits", { timeout: 90_000, ...needsTorch }, () => {
  for (const shape of [
    [M, 64],
    [3, M, 64],
  ]) {
    // biome-ignore format: one row
    const context = wave(...shape);
    const path = join(folder, "model.pth.tar-50");
    writeFileSync(path, referenceCheckpoint({ context, ...words }, 50));
    const { stdout, stderr } = spawnSync(PYTHON!, [join(import.meta.dirname, "read-prompt.py"), path], {
      encoding: "utf8",
      timeout: 40_000,
    });
    assert.notEqual(stdout, "", stderr);
    const found = JSON.parse(stdout);
    assert.deepEqual(found.bits, [...new Int32Array(context.data.buffer)]);
    const names = ["ctx", "token_prefix", "token_suffix"];
    assert.deepEqual({ ...found, bits: 0 }, { epoch: 50, rest: [null, null, null], shape, bits: 0, names });
  }
});

test("prompts that PyTorch wrote, with an optimizer and a schedule", { timeout: 90_000, ...needsTorch }, async () => {
  const given = {
    contextTokens: M,
    prefixShape: words.prefix.shape,
    suffixShape: words.suffix.shape,
    prefix: [...words.prefix.data],
    suffix: [...words.suffix.data],
  };
  writeFileSync(join(folder, "given.json"), JSON.stringify(given));
  const { status, stderr } = spawnSync(
    PYTHON!,
    [join(import.meta.dirname, "write-prompts.py"), folder, join(folder, "given.json")],
    { encoding: "utf8", timeout: 60_000 },
  );
  assert.equal(status, 0, stderr);
  const expected = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8"));
  for (const name of ["unified", "half", "specific"]) {
    const path = join(folder, `${name}.pth.tar-50`);
    const source = await fileBytes(path);
    await assert.rejects(openTorchFile(source), { name: "FormatError", message: /asks to run .*NOT run/ });
    const prompt = await readReferencePrompt(source).finally(source.close);
    assert.equal(prompt.epoch, 50);
    assert.deepEqual(prompt.context.shape, expected[name].shape);
    assert.deepEqual([...prompt.context.data], expected[name].values, name);
    for (const skipped of ["torch.optim.lr_scheduler.CosineAnnealingLR", "torch.optim.sgd.SGD"])
      assert.ok(prompt.skipped.includes(skipped), `${name}: ${prompt.skipped}`);
    await checkModel(clip, prompt, path);
    assert.deepEqual(await otherNames(clip, prompt, CLASSES), [], name);
    assert.deepEqual(await classNamesOf(clip, prompt), CLASSES, name);
  }
});
