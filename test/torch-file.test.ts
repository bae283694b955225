import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { type ByteSource, fileBytes, memoryBytes } from "../src/clip/bytes.ts";
import type { Checkpoint } from "../src/clip/checkpoint.ts";
import { writeSafetensors } from "../src/clip/safetensors.ts";
import { isTorchFile, openTorchFile } from "../src/clip/torch.ts";
import { FormatError } from "../src/tensor/errors.ts";
import { SEED } from "./gpu-settings.ts";
import * as w from "./torch-writer.ts";

const open = (bytes: Uint8Array) => openTorchFile(memoryBytes(bytes, "f.pt"));
const refuses = (bytes: Uint8Array, says: RegExp) =>
  assert.rejects(open(bytes), { name: "FormatError", message: says });
const f32 = (...values: number[]) => new Uint8Array(new Float32Array(values).buffer);
const count = (n: number) => f32(...Array(n).keys());
const floats = async (file: Checkpoint, name: string) => [...new Float32Array((await file.read(name)).buffer)];
const { tensor, storage } = w;
const FLOATS = (key = "0", length = 6) => storage("FloatStorage", key, length);
const PLAIN = w.orderedDict({ w: tensor(FLOATS(), [2, 3], [3, 1]) });

async function streamed(file: Checkpoint, name: string, chunk: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of file.stream(name, chunk)) {
    assert.ok(piece.byteLength <= chunk);
    pieces.push(piece);
  }
  return w.bytesOf(...pieces);
}

test("a state dict: dtypes, offsets, strides and storages that tensors share", async () => {
  const types = { HalfStorage: "F16", BFloat16Storage: "BF16", FloatStorage: "F32", DoubleStorage: "F64", LongStorage: "I64", IntStorage: "I32", ShortStorage: "I16", CharStorage: "I8", ByteStorage: "U8", BoolStorage: "BOOL" }; // biome-ignore format: one row
  const widths = [2, 2, 4, 8, 8, 4, 2, 1, 1, 1];
  const root = w.orderedDict({
    ...Object.fromEntries(Object.keys(types).map((type) => [type, tensor(storage(type, type, 3), [3], [1])])),
    second: tensor(FLOATS("shared", 12), [3], [1], 2),
    transposed: tensor(FLOATS("shared", 12), [4, 3], [1, 4]),
    slice: tensor(FLOATS("shared", 12), [2, 2], [4, 2], 1),
    middle: tensor(FLOATS("shared", 12), [2, 1, 3], [4, 99, 1], 4),
    scalar: tensor(FLOATS("shared", 12), [], [], 11),
    empty: tensor(FLOATS("none", 0), [0, 3], [3, 1]),
    parameter: w.call(w.global("torch._utils", "_rebuild_parameter"), tensor(FLOATS("shared", 12), [2], [1]), w.TRUE, w.orderedDict({})), // biome-ignore format: one row
    ["__proto__"]: w.NONE,
    steps: w.int(3),
    name: w.text("text"),
  });
  const bytes = w.torchZip(root, {
    ...Object.fromEntries(Object.keys(types).map((type, i) => [type, new Uint8Array(3 * widths[i]).fill(i + 1)])),
    shared: count(12),
    none: new Uint8Array(0),
  });
  const file = await open(bytes);
  for (const [i, [type, dtype]] of Object.entries(types).entries()) {
    assert.deepEqual(file.tensors.get(type)?.shape, [3]);
    assert.equal(file.tensors.get(type)?.dtype, dtype);
    assert.deepEqual(await file.read(type), new Uint8Array(3 * widths[i]).fill(i + 1));
  }
  assert.deepEqual(await floats(file, "second"), [2, 3, 4]);
  assert.deepEqual(await floats(file, "transposed"), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
  assert.deepEqual(await floats(file, "slice"), [1, 3, 5, 7]);
  assert.deepEqual(await floats(file, "middle"), [4, 5, 6, 8, 9, 10]);
  assert.deepEqual(await floats(file, "scalar"), [11]);
  assert.deepEqual(await floats(file, "empty"), []);
  assert.deepEqual(await floats(file, "parameter"), [0, 1]);
  assert.deepEqual(file.tensors.get("scalar")?.shape, []);
  assert.equal(file.tensors.size, 17);
  for (const name of file.tensors.keys())
    for (const chunk of [1, 4, 5, 1000]) assert.deepEqual(await streamed(file, name, chunk), await file.read(name));
  await assert.rejects(file.read("missing"), {
    name: "FormatError",
    message: /f\.pt: there is no tensor called "missing"/,
  });
});

/** Like a model that torch.jit.save wrote: nested objects with numbers, flags and lists among the tensors. */
const SCRIPT = w.module("multimodal.model.___torch_mangle_9591", {
  training: w.TRUE,
  logit_scale: tensor(FLOATS("1", 1), [], []),
  sizes: w.call(w.global("torch.jit._pickle", "build_intlist"), w.list(w.int(1), w.int(2))),
  tags: w.call(w.global("torch.jit._pickle", "restore_type_tag"), w.dict({ a: w.int(1) }), w.text("Dict[str, int]")),
  visual: w.module("visual", {
    input_resolution: tensor(storage("LongStorage", "2", 1), [], []),
    _is_full_backward_hook: w.NONE,
    "0": w.module("linear", { weight: tensor(storage("HalfStorage", "0", 4, "cuda:0"), [2, 2], [2, 1]) }),
    ["__proto__"]: w.int(1),
    constructor: w.module("x", { ["__proto__"]: w.int(1), toString: tensor(FLOATS("1", 1), [1], [1]) }),
  }),
});
const SCRIPT_DATA = { "0": new Uint8Array([0, 60, 0, 64, 0, 66, 0, 68]), "1": f32(2.5), "2": w.u64(224) };

test("a TorchScript archive: attributes become dotted names", async () => {
  const file = await open(w.torchZip(SCRIPT, SCRIPT_DATA));
  assert.deepEqual(
    [...file.tensors].map(([name, { dtype, shape }]) => `${name} ${dtype} [${shape}]`),
    [
      "logit_scale F32 []",
      "visual.0.weight F16 [2,2]",
      "visual.input_resolution I64 []",
      "visual.constructor.toString F32 [1]",
    ],
  );
  assert.deepEqual(await floats(file, "logit_scale"), [2.5]);
  assert.deepEqual(await file.read("visual.0.weight"), SCRIPT_DATA["0"]);
});

test("wrappers of training checkpoints", async () => {
  const wrapped = w.dict({ "module.a": tensor(FLOATS(), [6], [1]), "module.b.c": tensor(FLOATS(), [1], [1]) });
  const optimizer = w.dict({ state: w.dict([[w.int(0), tensor(FLOATS("gone", 9), [9], [1])]]) });
  for (const key of ["state_dict", "model"]) {
    const file = await open(w.torchZip(w.dict({ epoch: w.int(1), optimizer, [key]: wrapped }), { "0": count(6) }));
    assert.deepEqual([...file.tensors.keys()], ["a", "b.c"]);
  }
  const mixed = w.dict({ "module.a": tensor(FLOATS(), [6], [1]), b: tensor(FLOATS(), [6], [1]) });
  assert.deepEqual([...(await open(w.torchZip(mixed, { "0": count(6) }))).tensors.keys()], ["module.a", "b"]);
});

test("the format before PyTorch 1.6", async () => {
  const root = w.orderedDict({ w: tensor(FLOATS("77", 6), [3, 2], [1, 3]), v: tensor(FLOATS("5", 2), [2], [1]) });
  const bytes = w.torchLegacy(root, { "5": [2, f32(8, 9)], "77": [6, count(6)] });
  const file = await open(bytes);
  assert.deepEqual(await floats(file, "w"), [0, 3, 1, 4, 2, 5]);
  assert.deepEqual(await floats(file, "v"), [8, 9]);
  // the pickle is longer than the first piece that is read of it
  const long = w.orderedDict({ note: w.text("x".repeat(300_000)), v: tensor(FLOATS("5", 2), [2], [1]) });
  assert.deepEqual(await floats(await open(w.torchLegacy(long, { "5": [2, f32(8, 9)] })), "v"), [8, 9]);
  for (let cut = 0; cut < bytes.length; cut++) await refuses(bytes.subarray(0, cut), /f\.pt/);
  await refuses(w.torchLegacy(root, { "5": [3, f32(8, 9)] }), /byte \d+: a storage is not what was announced/);
  await refuses(w.torchLegacy(root, { "6": [2, f32(8, 9)] }), /a storage is not what was announced/);
  await refuses(w.torchLegacy(root, { "5": [2, f32(8, 9)] }), /storage "77", but the file has none/);
  await refuses(w.pickle(w.dict({ a: w.int(1) })), /a Python pickle, but not one of PyTorch/);
  const big = Buffer.from(bytes);
  big[big.indexOf("little_endian") + 13] = 0x89;
  await refuses(big, /big-endian/);
});

test("ZIP64 archives, and a comment at the end", async () => {
  const file = await open(w.torchZip(SCRIPT, SCRIPT_DATA, { zip64: true, comment: "PK\x05\x06 is not the end" }));
  assert.equal(file.tensors.size, 4);
  assert.deepEqual(await file.read("visual.0.weight"), SCRIPT_DATA["0"]);
  const bytes = w.torchZip(PLAIN, { "0": count(6) }, { zip64: true });
  for (let cut = 0; cut < bytes.length; cut++) await refuses(bytes.subarray(0, cut), /f\.pt/);
  const patched = (find: string, at: number, value: number[]) => {
    const copy = Buffer.from(bytes);
    copy.set(value, copy.lastIndexOf(find, undefined, "latin1") + at);
    return copy;
  };
  await refuses(patched("PK\x06\x07", 8, [1]), /its ZIP64 record is not there/);
  await refuses(patched("PK\x06\x07", 8, Array(8).fill(255)), /cannot read/);
  await refuses(patched("PK\x06\x06", 48, Array(8).fill(255)), /its directory should end there/);
  await refuses(patched("PK\x06\x06", 32, Array(8).fill(255)), /too large/);
  await refuses(patched("PK\x01\x02", 46 + "model/version".length + 9, [2]), /lacks its ZIP64 numbers/);
});

test("an archive past 4 GB is read where its entries are", async () => {
  // the same archive behind a hole of 5 GB: offsets beyond 32 bits, and only a few bytes of it are ever read
  const hole = 5 * 2 ** 30;
  const bytes = w.torchZip(PLAIN, { "0": count(6) }, { zip64: true });
  const view = new DataView(bytes.buffer);
  const at = (signature: string) => {
    const found: number[] = [];
    const all = Buffer.from(bytes);
    for (let i = all.indexOf(signature, 0, "latin1"); i >= 0; i = all.indexOf(signature, i + 1, "latin1"))
      found.push(i);
    return found;
  };
  const move = (where: number) => view.setBigUint64(where, view.getBigUint64(where, true) + BigInt(hole), true);
  for (const entry of at("PK\x01\x02")) move(entry + 46 + view.getUint16(entry + 28, true) + 9 + 4 + 16);
  move(at("PK\x06\x06")[0] + 48);
  move(at("PK\x06\x07")[0] + 8);
  let most = 0;
  const source: ByteSource = {
    name: "big.pt",
    size: hole + bytes.length,
    async read(offset, length) {
      most = Math.max(most, length);
      return new Uint8Array(length).map((_, i) => bytes[offset + i < hole ? offset + i : offset + i - hole] ?? 0);
    },
  };
  assert.deepEqual(await floats(await openTorchFile(source), "w"), [0, 1, 2, 3, 4, 5]);
  assert.ok(most <= 65557);
});

test("archives that are no checkpoint, or not unmistakably one", async () => {
  const pickle = w.pickle(PLAIN);
  const entries = (...more: [string, Uint8Array][]): [string, Uint8Array][] => [["m/data.pkl", pickle], ["m/data/0", count(6)], ...more]; // biome-ignore format: one row
  const one = w.bytesOf("x");
  await refuses(new Uint8Array(0), /no PyTorch file/);
  await refuses(w.bytesOf("hello, world, hello"), /no PyTorch file/);
  await refuses(w.bytesOf("PK\x03\x04"), /f\.pt breaks off/);
  await refuses(w.zip([["a.txt", one]]), /a ZIP archive with no data\.pkl/);
  await refuses(w.zip([["a/b/data.pkl", one]]), /with no data\.pkl/);
  await refuses(w.zip(entries(["n/data.pkl", one])), /with several data\.pkl/);
  await refuses(w.zip(entries(["m/byteorder", w.bytesOf("big")])), /big-endian/);
  assert.equal((await open(w.zip(entries(["m/byteorder", w.bytesOf("little")])))).tensors.size, 1);
  await refuses(w.zip(entries(["m/data/0", one])), /two entries have the same name/);
  await refuses(w.zip(entries(["m/data.pkl", one])), /two entries have the same name/);
  for (const name of ["../m", "m/../../n", "/etc/passwd", "C:/x", "a\\b", "a\0b", ""])
    await refuses(w.zip(entries([name, one])), /has a name that is no text or leads out of the archive/);
  await refuses(w.zip(entries(), { flags: 1 }), /is encrypted/);
  await refuses(w.zip(entries(), { method: 8 }), /"m\/data\.pkl" is compressed/);
  await refuses(w.bytesOf(w.zip(entries()), "more"), /breaks off/);
  await refuses(w.bytesOf(w.zip(entries()).subarray(0, 64), w.zip(entries())), /its directory should end there/);
  const overlap = Buffer.from(w.zip(entries()));
  overlap.writeUInt32LE(1000, overlap.lastIndexOf("PK\x01\x02", undefined, "latin1") + 20);
  await refuses(overlap, /overlaps what follows/);
  const moved = Buffer.from(w.zip(entries()));
  moved.writeUInt32LE(65, moved.lastIndexOf("PK\x01\x02", undefined, "latin1") + 42);
  await refuses(moved, /is not there|overlaps/);
  await refuses(w.torchZip(PLAIN, {}), /tensor "w" needs 24 bytes of storage "0", but the file has none/);
  await refuses(
    w.torchZip(PLAIN, { "0": count(5) }),
    /tensor "w" needs 24 bytes of storage "0", but the file has fewer/,
  );
  assert.equal((await open(w.torchZip(PLAIN, { "0": count(6) }))).tensors.size, 1);
});

test("tensors that are not what they say", async () => {
  const v2 = w.global("torch._utils", "_rebuild_tensor_v2");
  const ints = (...values: number[]) => w.tuple(...values.map(w.int));
  const half = w.dict({ a: tensor(FLOATS(), [6], [1]), b: tensor(storage("HalfStorage", "0", 12), [6], [1]) });
  const rank33 = tensor(FLOATS(), Array(33).fill(1), Array(33).fill(1));
  const cases: [w.Code, RegExp][] = [
    [tensor(FLOATS(), [7], [1]), /shape \[7\], strides \[1\] and offset 0 does not fit into its storage of 6/],
    [tensor(FLOATS(), [6], [1], 1), /does not fit/],
    [tensor(FLOATS(), [2, 3], [4, 1]), /does not fit/],
    [tensor(FLOATS(), [2, 2], [2 ** 52, 2 ** 52]), /does not fit/],
    [tensor(FLOATS(), [2 ** 40], [0]), /repeats its numbers/],
    [tensor(FLOATS(), [2 ** 52, 2 ** 52], [0, 0]), /is too large/],
    [tensor(FLOATS(), [-1], [1]), /must be whole numbers/],
    [tensor(FLOATS(), [6], [-1]), /must be whole numbers/],
    [tensor(FLOATS(), [6], []), /must be whole numbers/],
    [rank33, /at most 32 dimensions/],
    [w.call(v2, FLOATS()), /must be whole numbers/],
    [w.call(v2, w.int(1), w.int(0), ints(1), ints(1)), /a tensor has no storage/],
    [w.call(v2, FLOATS(), w.op("G", [0x3f, 0xe0, 0, 0, 0, 0, 0, 0]), ints(1), ints(1)), /must be whole numbers/],
    [
      w.call(v2, FLOATS(), w.int(0), ints(1), ints(1), w.TRUE, w.NONE, w.dict({ neg: w.TRUE })),
      /negated or conjugated/,
    ],
    [storage("ComplexFloatStorage", "0", 1), /numbers of torch\.ComplexFloatStorage are not read/],
    [storage("FloatStorage", "0", -1), /refers to data in a way/],
    [storage("FloatStorage", "0", 2 ** 53 - 2), /a storage is too large/],
    [w.bytesOf(w.tuple(w.text("module"), w.NONE), "Q"), /refers to data in a way/],
    [w.bytesOf(w.text("0"), "Q"), /refers to data in a way/],
    [half, /storage "0" has 12 F16, but had 6 F32 before/],
    [w.call(w.global("torch", "FloatStorage")), /calls something that is no function/],
    [w.call(w.global("collections", "OrderedDict"), w.list(ints(1, 2))), /an OrderedDict is made of something/],
    [w.call(w.global("torch", "Size")), /lacks its arguments/],
    [w.bytesOf(tensor(FLOATS(), [6], [1]), "}b"), /gives a state to something that has none/],
    [w.call(w.global("clip.model", "CLIP")), /asks to run "clip\.model\.CLIP".*save only model\.state_dict\(\)/],
  ];
  for (const [code, says] of cases) await refuses(w.torchZip(w.dict({ w: code }), { "0": count(6) }), says);
  // a shape that is changed after it was checked
  const later = w.bytesOf(
    "(",
    w.text("w"),
    v2,
    "(",
    FLOATS(),
    w.int(0),
    w.list(w.int(6)),
    "q\x09",
    w.list(w.int(1)),
    "q\x0a",
    "tR",
    w.text("shape"),
    "h\x09",
    w.int(1000),
    "a",
    w.text("strides"),
    "h\x0a",
    w.int(1000),
    "ad",
  );
  const file = await open(w.torchZip(later, { "0": count(6) }));
  assert.deepEqual(file.tensors.get("w")?.shape, [6]);
  assert.deepEqual(await floats(file, "w"), [0, 1, 2, 3, 4, 5]);
});

test("objects that are no state dict", { timeout: 20_000 }, async () => {
  const data = { "0": count(6) };
  const t = tensor(FLOATS(), [6], [1]);
  await refuses(w.torchZip(w.int(1), data), /neither a state dict nor a TorchScript module/);
  await refuses(w.torchZip(t, data), /neither a state dict nor a TorchScript module/);
  await refuses(w.torchZip(w.dict({ a: w.int(1), b: w.dict({ w: t }) }), data), /it has no tensors/);
  await refuses(w.torchZip(w.dict([[w.int(1), t]]), data), /something other than a text for a name/);
  await refuses(w.torchZip(w.module("m", { "a.b": t, a: w.module("m", { b: t }) }), data), /tensor "a\.b" comes twice/);
  await refuses(w.torchZip(w.dict({ ["x".repeat(5000)]: t }), data), /a name of over 4096 characters/);
  const object = w.bytesOf(w.global("__torch__", "M"), ")", [0x81]);
  const cycle = w.bytesOf(object, "q\x01", "}", w.text("self"), "h\x01", "sb");
  await refuses(w.torchZip(cycle, data), /nested deeper than 64/);
  // each module holds the next one twice: 2^40 paths
  let bomb = w.module("m", { w: t });
  for (let i = 0; i < 40; i++)
    bomb = w.bytesOf(bomb, "q", [i], "0", object, "}(", w.text("a"), "h", [i], w.text("b"), "h", [i], "ub");
  await refuses(w.torchZip(bomb, data), /over \d+ (attributes|tensors)/);
});

test("isTorchFile tells PyTorch files from safetensors files", () => {
  assert.ok(isTorchFile(w.torchZip(PLAIN, {})));
  assert.ok(isTorchFile(w.torchLegacy(PLAIN, {})));
  for (const start of [[], [0x80], [0x80, 1], [0x50, 0x4b, 5, 6]])
    assert.equal(isTorchFile(new Uint8Array(start)), false);
  // a header of 640 bytes: its length begins as a pickle does
  const tensors = (pad: number) => new Map([["x".repeat(pad), { dtype: "U8", shape: [1], data: new Uint8Array(1) }]]);
  const header = writeSafetensors(tensors(582), new Map());
  assert.equal(new DataView(header.buffer).getUint32(0, true), 640);
  assert.equal(isTorchFile(header), false);
});

test("random damage ends in a FormatError or a checkpoint", { timeout: 120_000 }, async () => {
  const root = w.orderedDict({ w: tensor(FLOATS(), [3, 2], [1, 3]), m: SCRIPT, h: tensor(storage("HalfStorage", "1", 2), [2], [1]) }); // biome-ignore format: one row
  const data = { "0": count(6), "1": f32(1), "2": w.u64(1) };
  const script = w.torchZip(SCRIPT, SCRIPT_DATA, { zip64: true });
  const legacy = w.torchLegacy(w.orderedDict({ w: tensor(FLOATS(), [3, 2], [1, 3]) }), { "0": [6, data[0]] });
  const files = [w.torchZip(root, { ...data, "2": w.u64(1) }), script, legacy];
  const change = fc.record({
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    to: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    kind: fc.constantFrom("set", "set", "set", "cut", "copy", "remove", "insert"),
    value: fc.nat(255),
  });
  const cases = fc.tuple(fc.nat(2), fc.array(change, { minLength: 1, maxLength: 4 }));
  await fc.assert(
    fc.asyncProperty(cases, async ([which, changes]) => {
      let bytes = files[which];
      for (const { at, to, kind, value } of changes) {
        const [a, b] = [at, to].map((x) => Math.floor(x * bytes.length));
        if (kind === "set") (bytes = bytes.slice())[a] = value;
        if (kind === "cut") bytes = bytes.slice(0, a);
        if (kind === "copy") (bytes = bytes.slice()).copyWithin(a, b, b + value);
        if (kind === "remove") bytes = w.bytesOf(bytes.slice(0, a), bytes.slice(a + (value % 9)));
        if (kind === "insert") bytes = w.bytesOf(bytes.slice(0, a), [value], bytes.slice(a));
      }
      try {
        const file = await open(bytes);
        for (const [name, { byteLength }] of file.tensors) assert.equal((await file.read(name)).byteLength, byteLength);
      } catch (error) {
        assert.ok(error instanceof FormatError, String(error));
      }
    }),
    { numRuns: 4000, seed: SEED },
  );
});

// The system's own Python may have PyTorch where another one, first on the path, has not.
const PYTHON = ["python3", "/usr/bin/python3"].find(
  (python) => spawnSync(python, ["-c", "import torch"], { timeout: 60_000 }).status === 0,
);

const NAMES: Record<string, string> = { "torch.float16": "F16", "torch.bfloat16": "BF16", "torch.float32": "F32", "torch.float64": "F64", "torch.int64": "I64", "torch.int32": "I32", "torch.int16": "I16", "torch.int8": "I8", "torch.uint8": "U8", "torch.bool": "BOOL" }; // biome-ignore format: one row

test("files that PyTorch itself wrote", {
  timeout: 120_000,
  ...(PYTHON ? {} : { skip: "there is no python3 with torch" }),
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "coop-torch-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const python = spawn(PYTHON!, [join(import.meta.dirname, "write-checkpoints.py"), folder], {
    stdio: ["ignore", "ignore", "pipe"],
    timeout: 100_000,
  });
  let said = "";
  python.stderr.on("data", (text) => (said += text));
  assert.equal(await new Promise((done) => python.on("close", done)), 0, said);
  const expected: Record<string, Record<string, [string, number[], string]>> = JSON.parse(
    await readFile(join(folder, "expected.json"), "utf8"),
  );
  assert.deepEqual(Object.keys(expected).length, 7);
  for (const [path, tensors] of Object.entries(expected)) {
    const source = await fileBytes(join(folder, path));
    t.after(() => source.close());
    const file = await openTorchFile(source);
    assert.deepEqual([...file.tensors.keys()].sort(), Object.keys(tensors).sort(), path);
    for (const [name, [dtype, shape, hex]] of Object.entries(tensors)) {
      const stored = file.tensors.get(name)!;
      assert.deepEqual([stored.dtype, stored.shape], [NAMES[dtype], shape], `${path}: ${name}`);
      assert.equal(stored.byteLength, hex.length / 2, `${path}: ${name}`);
      assert.equal(Buffer.from(await file.read(name)).toString("hex"), hex, `${path}: ${name}`);
      assert.equal(Buffer.from(await streamed(file, name, 7)).toString("hex"), hex, `${path}: ${name}`);
    }
  }
});
