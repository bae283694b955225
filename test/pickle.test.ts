import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import fc from "fast-check";
import { memoryBytes } from "../src/clip/bytes.ts";
import { parsePickle } from "../src/clip/pickle.ts";
import { PickleClass, type PickleRules } from "../src/clip/pickle-values.ts";
import { openTorchFile } from "../src/clip/torch.ts";
import { torchRules } from "../src/clip/torch-values.ts";
import { FormatError } from "../src/tensor/errors.ts";
import { SEED } from "./gpu-settings.ts";
import * as w from "./torch-writer.ts";

const RULES: PickleRules = {
  find: (module, name) =>
    `${module}.${name}` === "my.pair" ? new PickleClass((args) => [...args, "made"]) : undefined,
  persistent: (id) => ["persistent", id],
};
const parse = (bytes: Uint8Array, rules = RULES) => parsePickle(bytes, "f.pkl", rules).value;
const refuses = (bytes: Uint8Array, says: RegExp) =>
  assert.throws(
    () => parse(bytes),
    (error: Error) => error instanceof FormatError && says.test(error.message),
  );

const PYTHON = spawnSync("python3", ["-c", "import pickle"]).status === 0 ? "python3" : undefined;
const needsPython = PYTHON ? {} : { skip: "there is no python3" };

test("every instruction that PyTorch writes", () => {
  const { pickle, op, text, int, u32, u64 } = w;
  const values: [Uint8Array, unknown][] = [
    [w.NONE, null],
    [op(0x88), true],
    [op(0x89), false],
    [int(-5), -5],
    [op("K", [200]), 200],
    [op("M", w.u16(60000)), 60000],
    [op(0x8a, [0]), 0],
    [op(0x8a, [1], [0xff]), -1],
    [op(0x8a, [8], u64(2n ** 53n + 1n)), 2n ** 53n + 1n],
    [op(0x8a, [9], u64(0), [0x80]), -(2n ** 71n)],
    [op("G", [0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18]), Math.PI],
    [text("wörd"), "wörd"],
    [op(0x8c, [2], "ab"), "ab"],
    [op(0x8d, u64(2), "ab"), "ab"],
    [op("U", [2], [0xe9, 0x41]), "éA"],
    [op("T", u32(1), "x"), "x"],
    [op("C", [2], [1, 2]), new Uint8Array([1, 2])],
    [op("B", u32(2), [1, 2]), new Uint8Array([1, 2])],
    [op(0x8e, u64(2), [1, 2]), new Uint8Array([1, 2])],
    [op(")"), []],
    [w.bytesOf(int(1), int(2), int(3), [0x87]), [1, 2, 3]],
    [w.bytesOf(int(1), int(2), [0x86]), [1, 2]],
    [w.bytesOf(int(1), [0x85]), [1]],
    [w.tuple(int(1), w.tuple(), int(2)), [1, [], 2]],
    [w.bytesOf("(", int(1), "l"), [1]],
    [w.list(int(1), int(2)), [1, 2]],
    [w.bytesOf("]", int(1), "a"), [1]],
    [w.dict({ a: int(1), b: int(2) }), new Map(Object.entries({ a: 1, b: 2 }))],
    [w.bytesOf("(", text("__proto__"), int(2), "d"), new Map([["__proto__", 2]])],
    [w.bytesOf("}", text("k"), int(2), "s"), new Map([["k", 2]])],
    [w.bytesOf(text("k"), "q", [7], "0h", [7]), "k"],
    [w.bytesOf(text("k"), "r", u32(2 ** 32 - 1), "0j", u32(2 ** 32 - 1)), "k"],
    [w.bytesOf(text("k"), [0x94], "0h", [0]), "k"],
    [w.bytesOf(int(1), "2", [0x86]), [1, 1]],
    [w.bytesOf(int(1), "(", int(2), "1"), 1],
    [w.bytesOf(int(1), "(0"), 1],
    [w.bytesOf([0x95], u64(3), int(1)), 1],
    [w.bytesOf(int(7), "Q"), ["persistent", 7]],
    [w.call(w.global("my", "pair"), int(1)), [1, "made"]],
    [w.bytesOf(w.stackGlobal("my", "pair"), ")", [0x81]), ["made"]],
    [w.bytesOf("}", w.dict({ _metadata: int(1) }), "b"), new Map()],
  ];
  for (const [code, value] of values) {
    for (const protocol of [2, 3, 4, 5]) assert.deepEqual(parse(pickle(code, protocol)), value);
    for (let cut = 0; cut < code.length; cut++)
      refuses(pickle(code).subarray(0, 2 + cut), /f\.pkl breaks off at byte \d+: it is damaged|a value where there is/);
  }
  assert.equal(parsePickle(w.bytesOf(pickle(int(1)), "more"), "f.pkl", RULES).length, 8);
});

test("malformed pickles are refused with the byte", () => {
  const { pickle, op, int, u32, u64 } = w;
  const repeat = (code: Uint8Array, n: number) => new Uint8Array(Buffer.alloc(n * code.length, code));
  const cases: [Uint8Array, RegExp][] = [
    [w.bytesOf("(dp0\n."), /does not begin as a pickle/],
    [pickle(int(1), 1), /protocol 1 is not read/],
    [pickle(int(1), 6), /protocol 6 is not read/],
    [pickle(op("")), /byte 2: it takes a value where there is none/],
    [pickle(op("0")), /byte 2: it takes a value/],
    [pickle(op("t")), /closes what it never opened/],
    [pickle(w.bytesOf(int(1), "(", [0x85])), /byte 8: it takes a value/],
    [pickle(w.bytesOf(int(1), "(2")), /byte 8: it takes a value/],
    [pickle(op("h", [3])), /refers to value 3, which it never kept/],
    [pickle(w.bytesOf(int(1), int(1), "a")), /appends to something that is no list/],
    [pickle(w.bytesOf("]", int(1), int(1), "s")), /no dict/],
    [pickle(w.bytesOf("}(", int(1), "u")), /a key has no value/],
    [pickle(w.bytesOf(int(1), ")R")), /calls something that is no function/],
    [pickle(w.bytesOf(w.global("my", "pair"), int(1), "R")), /calls something that is no function/],
    [pickle(w.bytesOf(int(1), "}b")), /gives a state to something/],
    [pickle(op("X", u32(2), [0xff, 0xfe])), /not UTF-8/],
    [pickle(op("X", u32(2 ** 31))), /over the limit of 1048576/],
    [pickle(op(0x8d, u64(2n ** 64n - 1n))), /over the limit/],
    [pickle(op(0x8a, [33], "x".repeat(33))), /a whole number of 33 bytes is over the limit of 32/],
    [pickle(op("B", u32(2 ** 32 - 1))), /breaks off/],
    [pickle(op(0x8e, u64(2n ** 64n - 1n))), /breaks off/],
    [pickle(op("c", "x".repeat(2000))), /the name of a class has no end/],
    [pickle(w.stackGlobal("x".repeat(2000), "y")), /over 1024 characters/],
    [pickle(w.bytesOf(int(1), int(1), [0x93])), /the name of a class is no text/],
    [pickle(op(0x82, [1])), /0x82 is no instruction that PyTorch writes/],
    [pickle(op("P", "1\n")), /0x50 is no instruction/],
    [pickle(op(0)), /0x00 is no instruction/],
    [pickle(repeat(op("]"), 200_000)), /more than 131072 values/],
    [pickle(repeat(op("N0"), 600_000)), /more than 1048576 instructions/],
    [pickle(w.bytesOf("]q", [0], repeat(op("h", [0, 0x61, 0x68, 0]), 300_000))), /more than/],
  ];
  for (const [bytes, says] of cases) refuses(bytes, says);
  const cycle = parse(pickle(w.bytesOf("]q", [0], "h", [0], "a"))) as unknown[];
  assert.equal(cycle[0], cycle);
});

test("what Python pickles comes back", needsPython, () => {
  const code = `
import pickle, sys, base64, collections
value = {"a": [1, -2, 3.5, None, True, "é"], "b": (b"xy", 2**70, -2**31), "c": {"d": ["x"] * 1200}, 5: "x" * 300}
for protocol in range(2, 6): print(base64.b64encode(pickle.dumps(value, protocol)).decode())`;
  const { stdout, stderr } = spawnSync(PYTHON!, ["-c", code], { encoding: "utf8", timeout: 20_000 });
  const lines = stdout.trim().split("\n");
  assert.equal(lines.length, 4, stderr);
  const latin = (args: readonly unknown[]) => new TextEncoder().encode(args[0] as string);
  const rules: PickleRules = {
    ...RULES,
    find: (m, n) => (`${m}.${n}` === "_codecs.encode" ? new PickleClass(latin) : undefined),
  };
  for (const line of lines)
    assert.deepEqual(
      parse(new Uint8Array(Buffer.from(line, "base64")), rules),
      new Map<unknown, unknown>([
        ["a", [1, -2, 3.5, null, true, "é"]],
        ["b", [new TextEncoder().encode("xy"), 2n ** 70n, -(2 ** 31)]],
        ["c", new Map([["d", Array(1200).fill("x")]])],
        [5, "x".repeat(300)],
      ]),
    );
});

/** Pickles that make the file `canary` when Python loads them, and what the refusal names. */
function malicious(canary: string): [what: string, code: w.Code, names: string][] {
  const { call, global, stackGlobal, text, bytesOf, dict, list } = w;
  const shell = text(`echo > ${canary}`);
  const python = text(`open(${JSON.stringify(canary)}, "w").close()`);
  const os = process.platform === "win32" ? "nt" : "posix";
  return [
    ["GLOBAL and REDUCE of os.system", call(global("os", "system"), shell), "os.system"],
    ["its other name", call(global(os, "system"), shell), `${os}.system`],
    ["builtins.eval", call(global("builtins", "eval"), python), "builtins.eval"],
    ["Python 2's name of it", call(global("__builtin__", "eval"), python), "__builtin__.eval"],
    ["STACK_GLOBAL", call(stackGlobal("builtins", "exec"), python), "builtins.exec"],
    ["INST", bytesOf("(", shell, "i", "os\nsystem\n"), "os.system"],
    ["OBJ", bytesOf("(", global("os", "system"), shell, "o"), "os.system"],
    [
      "BUILD with a __setstate__",
      bytesOf(
        global("argparse", "Namespace"),
        ")",
        [0x81],
        dict({ __setstate__: global("os", "system") }),
        "b",
        shell,
        "b",
      ),
      "argparse.Namespace",
    ],
    [
      "BUILD with a __setstate__ of an OrderedDict",
      bytesOf(w.orderedDict({}), dict({ __setstate__: global("os", "system") }), "b", shell, "b"),
      "os.system",
    ],
    [
      "copyreg._reconstructor",
      call(
        global("copyreg", "_reconstructor"),
        global("subprocess", "Popen"),
        global("subprocess", "Popen"),
        list(text("touch"), text(canary)),
      ),
      "copyreg._reconstructor",
    ],
    ["a name found through another module", call(stackGlobal("shutil", "os.system"), shell), "shutil.os.system"],
    ["after the weights", w.orderedDict({ w: w.int(1), x: call(global("os", "system"), shell) }), "os.system"],
    ["a value nobody uses", bytesOf(call(global("os", "system"), shell), "0", dict({})), "os.system"],
    [
      "runpy",
      call(global("runpy", "_run_code"), text(`open(${JSON.stringify(canary)}, "w").close()`), dict({})),
      "runpy._run_code",
    ],
  ];
}

test("pickles that run code when Python loads them are refused and not run", { timeout: 60_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "coop-pickle-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const cases = malicious(join(folder, "canary"));
  for (const [what, code, name] of cases) {
    const says = new RegExp(`byte \\d+: it asks to run "${name.replaceAll(".", "\\.")}".*NOT run.*\\.safetensors`);
    const { rules } = torchRules();
    const files = [w.torchZip(code, {}), w.torchLegacy(code, {}), w.torchZip(w.module("x", { a: code }), {})];
    for (const protocol of [2, 4])
      assert.throws(
        () => parsePickle(w.pickle(code, protocol), "f", rules),
        { name: "FormatError", message: says },
        what,
      );
    for (const bytes of files)
      await assert.rejects(openTorchFile(memoryBytes(bytes, "f.pt")), { name: "FormatError", message: says }, what);
  }
  await setTimeout(300);
  assert.equal(existsSync(join(folder, "canary")), false);
});

test("beside a prompt they are skipped and not run, and only where that is asked for", {
  timeout: 60_000,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "coop-pickle-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const vector = w.tensor(w.storage("FloatStorage", "0", 3), [3], [1]);
  const data = { "0": new Uint8Array(new Float32Array([1, 2, 3]).buffer) };
  for (const [what, code, name] of malicious(join(folder, "canary"))) {
    const beside = w.dict({ state_dict: w.orderedDict({ ctx: vector }), epoch: w.int(5), optimizer: code });
    const among = w.dict({ state_dict: w.orderedDict({ ctx: vector, w: code }) });
    const open = (root: w.Code, skipUnknown: boolean) =>
      openTorchFile(memoryBytes(w.torchZip(root, data), "f.pt"), { skipUnknown });
    await assert.rejects(open(beside, false), { name: "FormatError", message: /NOT run/ }, what);
    if (what === "INST" || what === "OBJ") {
      await assert.rejects(open(beside, true), { name: "FormatError", message: /never does|no instruction/ }, what);
      continue;
    }
    const file = await open(beside, true);
    assert.deepEqual([...file.tensors.keys()], ["ctx"], what);
    assert.deepEqual([...new Float32Array((await file.read("ctx")).buffer)], [1, 2, 3], what);
    assert.ok(file.skipped.includes(name), `${what}: ${file.skipped}`);
    assert.deepEqual([...file.values], [["epoch", 5]]);
    const inside = open(among, true).then(({ tensors }) => [...tensors.keys()]);
    // some of them make a dict with something in it, which is no tensor either
    await inside.then(
      (names) => assert.deepEqual(names, ["ctx"], what),
      (error) =>
        assert.match(error.message, /"w" among its tensors is made by ".*", which is code and is not run/, what),
    );
  }
  await setTimeout(300);
  assert.equal(existsSync(join(folder, "canary")), false);
});

test("those pickles do run code in Python", { ...needsPython, timeout: 60_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "coop-pickle-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const count = malicious("").length;
  const jobs = Array.from({ length: count }, (_, i) => {
    const canary = join(folder, `canary${i}`);
    const [what, code] = malicious(canary)[i];
    // from protocol 3 on Python 2's names are not looked for, and up to it no dots in names
    const protocol = what.startsWith("Python 2") ? 2 : 4;
    return { what, canary, pickle: Buffer.from(w.pickle(code, protocol)).toString("base64") };
  });
  const code = `
import pickle, sys, json, base64
for job in json.load(sys.stdin):
    try: pickle.loads(base64.b64decode(job["pickle"]))
    except Exception as error: print(job["what"], repr(error))`;
  const { stdout } = spawnSync(PYTHON!, ["-c", code], {
    input: JSON.stringify(jobs),
    encoding: "utf8",
    timeout: 40_000,
  });
  for (const { what, canary } of jobs) {
    for (let wait = 0; wait < 50 && !existsSync(canary); wait++) await setTimeout(100); // Popen does not wait
    assert.ok(existsSync(canary), `${what} does nothing in Python: ${stdout}`);
  }
});

test("random instructions end in a value or a FormatError", { timeout: 60_000 }, () => {
  const fragment = fc.oneof(
    fc.uint8Array({ maxLength: 6 }),
    fc.constantFrom(
      ...["(", ")", "]", "}", "N", "2", "0", "1", "t", "l", "d", "a", "e", "s", "u", "R", "b", "Q", "i", "o", "."].map(
        (c) => w.op(c),
      ),
      ...[0x81, 0x85, 0x86, 0x87, 0x88, 0x93, 0x94].map((c) => w.op(c)),
      ...[w.int(0), w.int(3), w.text("storage"), w.text("0"), w.op("q", [0]), w.op("h", [0]), w.op("h", [1])],
      w.global("collections", "OrderedDict"),
      w.global("torch._utils", "_rebuild_tensor_v2"),
      w.global("torch", "FloatStorage"),
      w.global("__torch__", "M"),
      w.global("torch.optim.sgd", "SGD"),
      w.storage("FloatStorage", "0", 4),
      w.tensor(w.storage("FloatStorage", "0", 4), [2, 2], [2, 1]),
    ),
  );
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 40 }), fc.boolean(), (fragments, skipping) => {
      try {
        parse(w.pickle(w.bytesOf(...fragments)), torchRules(skipping ? new Set() : undefined).rules);
      } catch (error) {
        assert.ok(error instanceof FormatError, String(error));
      }
    }),
    { numRuns: 3000, seed: SEED },
  );
});
