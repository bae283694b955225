import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { blobBytes, fileBytes, memoryBytes } from "../src/clip/bytes.ts";
import { bfloatToFloat, toFloat32 } from "../src/clip/half.ts";
import { openSafetensors, writeSafetensors } from "../src/clip/safetensors.ts";
import { FormatError, InputError } from "../src/tensor/errors.ts";
import { floatToHalf, halfToFloat } from "../src/tensor/half.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const u64 = (value: bigint) => new Uint8Array(new BigUint64Array([value]).buffer);
const join8 = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

/** A file of this header text, `dataBytes` zeros after it, and another header length if one is given. */
function file(header: string | Uint8Array, dataBytes = 0, length?: bigint): Uint8Array {
  const text = typeof header === "string" ? utf8(header) : header;
  return join8(u64(length ?? BigInt(text.length)), text, new Uint8Array(dataBytes));
}
const info = (dtype: string, shape: string, offsets: string) =>
  `{"dtype":${JSON.stringify(dtype)},"shape":${shape},"data_offsets":${offsets}}`;
const one = (dtype: string, shape: string, offsets: string) => `{"w":${info(dtype, shape, offsets)}}`;
const two = (a: string, b: string) => `{"a":${info("U8", "[4]", a)},"b":${info("U8", "[4]", b)}}`;

const MALFORMED: [what: string, bytes: Uint8Array, says: RegExp][] = [
  ["nothing", new Uint8Array(0), /0 bytes: the download did not finish; fetch it again/],
  ["seven bytes", new Uint8Array(7), /7 bytes are too few/],
  ["eight bytes", u64(0n), /too few/],
  ["an empty header", file("", 10), /claims 0 bytes/],
  ["a header of one byte", file("{", 10), /claims 1 bytes/],
  ["a header length past 2^63", file("{}", 8, 2n ** 64n - 1n), /claims 18446744073709551615 bytes/],
  ["a header over 100 MB", file("{}", 8, 100_000_001n), /claims 100000001 bytes, not 2 to 100000000/],
  ["a header past the end", file("{}", 0, 3n), /claims 3 bytes, but only 2 follow/],
  ["a header cut short", file('{"w":{"dtype":"F32"', 0, 90n), /claims 90 bytes, but only 19 follow/],
  ["a web page", utf8("<!DOCTYPE html><html><body>404</body></html>"), /a web page: the download failed/],
  ["a Git LFS pointer", utf8("version https://git-lfs.github.com/spec/v1\n"), /git lfs pull/],
  ["a ZIP", join8(utf8("PK\x03\x04\x14\0\0\0\x08\0"), new Uint8Array(40)), /ZIP archive/],
  ["a pickle", join8(new Uint8Array([0x80, 2]), utf8("}q\0(X\x05\0\0\0model")), /Python pickle/],
  ["a JSON configuration", utf8('{\n  "model_type": "clip"\n}\n'), /configuration/],
  ["a header that begins with a space", file(' {"__metadata__":{}}'), /must begin with "\{"/],
  ["a list for a header", file("[1,2,3]"), /must begin with "\{"/],
  ["a byte that is not UTF-8", file(join8(utf8('{"'), new Uint8Array([0xff]), utf8('":1}'))), /not UTF-8/],
  ["half a surrogate pair", file(`{"\\ud800":${info("U8", "[0]", "[0,0]")}}`), /surrogate/],
  ["a header without an end", file('{"w":'), /breaks off/],
  ["text after the header", file("{}x"), /something follows/],
  ["a second value after the header", file("{}{}"), /something follows/],
  ["a trailing comma", file(`{"w":${info("U8", "[0]", "[0,0]")},}`), /key in double quotes/],
  ["a key without quotes", file("{w:1}"), /key in double quotes/],
  ["a raw newline in a name", file('{"a\nb":1}'), /control character/],
  ["a bad escape", file('{"\\q":1}'), /bad escape/],
  ["a string without an end", file('{"w'), /no end/],
  ["NaN", file('{"w":NaN}'), /not JSON/],
  ["deep nesting", file(`{"w":${"[".repeat(100_000)}`), /nested too deeply/],
  [
    "a name that comes twice",
    file(`{"w":${info("U8", "[0]", "[0,0]")},"w":${info("U8", "[0]", "[0,0]")}}`),
    /"w" comes twice/,
  ],
  ["the same name, escaped", file(`{"w":${info("U8", "[0]", "[0,0]")},"\\u0077":1}`), /"w" comes twice/],
  ["__proto__ twice", file('{"__proto__":{},"__proto__":{}}'), /"__proto__" comes twice/],
  [
    "a dtype that comes twice",
    file('{"w":{"dtype":"U8","dtype":"F32","shape":[1],"data_offsets":[0,1]}}', 1),
    /"dtype" comes twice/,
  ],
  ["__metadata__ twice", file('{"__metadata__":{},"__metadata__":{}}'), /comes twice/],
  ["__metadata__ that is a list", file('{"__metadata__":[]}'), /must be an object of strings/],
  ["a number in __metadata__", file('{"__metadata__":{"format":1}}'), /"format" must be a string/],
  ["an entry that is a number", file('{"w":1}'), /"w": its entry must be an object/],
  ["an unknown key", file('{"w":{"dtype":"U8","shape":[],"data_offsets":[0,1],"more":1}}', 1), /unknown key "more"/],
  ["no dtype", file('{"w":{"shape":[1],"data_offsets":[0,1]}}', 1), /"w": its dtype must be a string/],
  ["no shape", file('{"w":{"dtype":"U8","data_offsets":[0,1]}}', 1), /"w": its shape/],
  ["no data_offsets", file('{"w":{"dtype":"U8","shape":[1]}}', 1), /"w": its data_offsets/],
  ["an unknown dtype", file(one("F31", "[1]", "[0,4]"), 4), /dtype "F31" is not known/],
  ["a dtype in lower case", file(one("f32", "[1]", "[0,4]"), 4), /dtype "f32" is not known/],
  ["a dtype of less than a byte", file(one("F4", "[2]", "[0,1]"), 1), /dtype "F4" is not known/],
  ["a shape that is a number", file(one("U8", "4", "[0,4]"), 4), /its shape must be a list/],
  ["a string in the shape", file(one("U8", '["4"]', "[0,4]"), 4), /its shape must be a list/],
  ["a negative dimension", file(one("U8", "[-4]", "[0,4]"), 4), /-4 is not a plain whole number/],
  ["a dimension of 4.0", file(one("U8", "[4.0]", "[0,4]"), 4), /4\.0 is not a plain whole number/],
  ["a dimension of 4e0", file(one("U8", "[4e0]", "[0,4]"), 4), /4e0 is not a plain whole number/],
  ["a dimension of 04", file(one("U8", "[04]", "[0,4]"), 4), /04 is not a plain whole number/],
  ["a dimension of -0", file(one("U8", "[-0]", "[0,0]")), /-0 is not a plain whole number/],
  ["a dimension of 2^53", file(one("U8", "[9007199254740992]", "[0,4]"), 4), /too large/],
  ["a product over 2^53", file(one("F32", "[4294967296,4294967296]", "[0,4]"), 4), /too large/],
  ["a product that wraps to the right size", file(one("U8", "[4294967297,4294967295,4]", "[0,4]"), 4), /too large/],
  ["a rank of 33", file(one("U8", `[${Array(33).fill(1)}]`, "[0,1]"), 1), /33 dimensions/],
  ["one offset", file(one("U8", "[4]", "[4]"), 4), /must be two whole numbers/],
  ["three offsets", file(one("U8", "[4]", "[0,4,8]"), 4), /must be two whole numbers/],
  ["an offset as a string", file(one("U8", "[4]", '[0,"4"]'), 4), /must be two whole numbers/],
  ["offsets that run backwards", file(one("U8", "[4]", "[4,0]"), 4), /run backwards/],
  ["a shape larger than its bytes", file(one("F32", "[2]", "[0,4]"), 4), /takes 8 bytes, but its data_offsets hold 4/],
  ["a shape smaller than its bytes", file(one("F32", "[1]", "[0,8]"), 8), /takes 4 bytes, but its data_offsets hold 8/],
  ["bytes for an empty tensor", file(one("F32", "[0,3]", "[0,4]"), 4), /takes 0 bytes/],
  ["a gap at the start", file(one("U8", "[4]", "[4,8]"), 8), /leaves a gap of 4 bytes/],
  ["a gap between", file(two("[0,4]", "[5,9]"), 9), /"b" leaves a gap of 1 bytes/],
  ["an overlap", file(two("[0,4]", "[3,7]"), 7), /"b" overlaps/],
  ["the same bytes twice", file(two("[0,4]", "[0,4]"), 4), /overlaps/],
  ["a tensor past the end", file(one("U8", "[8]", "[0,8]"), 4), /"w" needs bytes up to \d+, but the file ends at \d+/],
  [
    "a range far past the end",
    file(one("U8", "[9007199254740991]", "[0,9007199254740991]"), 4),
    /the download did not finish/,
  ],
  ["bytes after the last tensor", file(one("U8", "[4]", "[0,4]"), 5), /1 bytes follow the last tensor/],
  ["bytes after an empty table", file("{}", 3), /3 bytes follow/],
  ["a name of 5000 characters", file(`{"${"n".repeat(5000)}":${info("U8", "[0]", "[0,0]")}}`), /5000 characters/],
  [
    "too many tensors",
    file(`{${Array.from({ length: 100_001 }, (_, i) => `"${i}":0`)}}`),
    /100001 tensors are over the limit/,
  ],
  ["too many values", file(`{"w":[${"0,".repeat(2_000_000)}0]}`), /too many values/],
];

for (const [what, bytes, says] of MALFORMED)
  test(`refuses ${what}`, async () => {
    await assert.rejects(openSafetensors(memoryBytes(bytes, "model.safetensors")), (error: Error) => {
      assert.ok(error instanceof FormatError, `${error.name}: ${error.message}`);
      assert.match(error.message, says);
      assert.match(error.message, /^model\.safetensors/);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  });

test("takes a header padded with spaces, an empty table, scalars and empty tensors", async () => {
  assert.equal((await openSafetensors(memoryBytes(file("{}      ")))).tensors.size, 0);
  const header = `{"s":${info("F32", "[]", "[0,4]")},"e":${info("F32", "[3,0]", "[4,4]")}}`;
  const opened = await openSafetensors(memoryBytes(file(header, 4)));
  assert.deepEqual([...opened.tensors.keys()], ["s", "e"]);
  assert.equal((await opened.read("e")).length, 0);
  assert.equal((await opened.read("s")).length, 4);
  await assert.rejects(opened.read("t"), /there is no tensor called "t"/);
});

test("says which byte of the header is wrong", async () => {
  const bytes = file('{"é":?}');
  await assert.rejects(
    openSafetensors(memoryBytes(bytes)),
    new RegExp(`byte ${bytes.indexOf("?".charCodeAt(0))} of its header`),
  );
});

test("odd names are ordinary keys", async () => {
  const names = ["__proto__", "constructor", "toString", "", "名前", "a\nb", '"', "\\", "🙂", "length"];
  const bytes = writeSafetensors(names.map((name, i) => [name, { dtype: "U8", shape: [], data: new Uint8Array([i]) }]));
  const opened = await openSafetensors(memoryBytes(bytes));
  assert.equal(opened.tensors.size, names.length);
  for (const [i, name] of names.entries()) assert.deepEqual(await opened.read(name), new Uint8Array([i]));
  assert.equal(({} as Record<string, unknown>).dtype, undefined);
});

const WIDTHS = { BOOL: 1, U8: 1, I16: 2, F16: 2, BF16: 2, I32: 4, F32: 4, I64: 8, F64: 8 };
const storedTensor = fc
  .tuple(fc.constantFrom(...(Object.keys(WIDTHS) as (keyof typeof WIDTHS)[])), fc.array(fc.nat(4), { maxLength: 4 }))
  .chain(([dtype, shape]) => {
    const bytes = shape.reduce((a, b) => a * b, WIDTHS[dtype]);
    return fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((data) => ({ dtype, shape, data }));
  });
const entries = fc.uniqueArray(fc.tuple(fc.string({ unit: "grapheme" }), storedTensor), {
  selector: ([name]) => name,
  maxLength: 8,
});
const notes = fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), { maxKeys: 4 });

test("what is written is read back, aligned, and the order it came in does not matter", async () => {
  await fc.assert(
    fc.asyncProperty(entries, notes, async (list, metadata) => {
      const bytes = writeSafetensors(list, metadata);
      assert.deepEqual(writeSafetensors(new Map([...list].reverse()), new Map(Object.entries(metadata))), bytes);
      const opened = await openSafetensors(memoryBytes(bytes));
      assert.deepEqual(new Map(opened.metadata), new Map(Object.entries(metadata)));
      assert.equal(opened.tensors.size, list.length);
      for (const [name, { dtype, shape, data }] of list) {
        const stored = opened.tensors.get(name)!;
        assert.deepEqual([stored.dtype, stored.shape, stored.byteLength], [dtype, shape, data.length]);
        assert.equal(stored.offset % WIDTHS[dtype], 0);
        assert.deepEqual(await opened.read(name), data);
        const pieces: Uint8Array[] = [];
        for await (const piece of opened.stream(name, 7)) pieces.push(piece);
        assert.ok(pieces.every((piece, i) => piece.length === 7 || i === pieces.length - 1));
        assert.deepEqual(join8(...pieces), data);
      }
    }),
    { numRuns: 1000 },
  );
});

test("one changed byte is read or refused, never anything else", async () => {
  const data = new Uint8Array(24);
  const good = writeSafetensors(
    [
      ["a", { dtype: "F32", shape: [2, 2], data: data.subarray(8) }],
      ["b", { dtype: "F64", shape: [], data: data.subarray(16) }],
    ],
    { k: "v" },
  );
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), async (at, value) => {
      const bytes = good.slice();
      bytes[at] = value;
      await openSafetensors(memoryBytes(bytes)).catch((error) =>
        assert.ok(error instanceof FormatError, String(error)),
      );
    }),
    { numRuns: 500 },
  );
});

test("every cut of a good file is refused", async () => {
  const good = writeSafetensors([["a", { dtype: "U8", shape: [5], data: new Uint8Array(5) }]]);
  for (let length = 0; length < good.length; length++)
    await assert.rejects(openSafetensors(memoryBytes(good.subarray(0, length))), FormatError);
});

test("the writer refuses what the reader would", () => {
  const data = new Uint8Array(4);
  assert.throws(() => writeSafetensors([["w", { dtype: "F32", shape: [2], data }]]), /4 bytes are not a F32 \[2\]/);
  assert.throws(() => writeSafetensors([["w", { dtype: "float", shape: [1], data }]]), FormatError);
  assert.throws(() => writeSafetensors([["w", { dtype: "U8", shape: [-2, -2], data }]]), FormatError);
  assert.throws(() => writeSafetensors([["__metadata__", { dtype: "F32", shape: [1], data }]]), FormatError);
  assert.throws(() => writeSafetensors([["\ud800", { dtype: "F32", shape: [1], data }]]), FormatError);
  const twice = ["w", { dtype: "F32", shape: [1], data }] as const;
  assert.throws(
    () => writeSafetensors([twice, ["x", twice[1]], ["w", { dtype: "U8", shape: [4], data }]]),
    /Two tensors are called "w"/,
  );
});

test("files, blobs and memory read alike, and nothing past the end", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bytes-"));
  try {
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
    const path = join(folder, "a.bin");
    await writeFile(path, bytes);
    const onDisk = await fileBytes(path);
    for (const source of [onDisk, blobBytes(new File([bytes], "a.bin")), memoryBytes(bytes, "a.bin")]) {
      assert.equal(source.size, 100);
      assert.match(source.name, /a\.bin$/);
      assert.deepEqual(await source.read(10, 3), new Uint8Array([10, 11, 12]));
      assert.deepEqual(await source.read(100, 0), new Uint8Array(0));
      await assert.rejects(source.read(99, 2), /a\.bin ends at byte 100/);
      await assert.rejects(source.read(-1, 2), FormatError);
      await assert.rejects(source.read(0.5, 2), FormatError);
    }
    await onDisk.close();
    await assert.rejects(fileBytes(join(folder, "none.bin")), /there is no such file/);
    await assert.rejects(
      fileBytes(folder),
      (error) => error instanceof InputError && /is a folder/.test(error.message),
    );
    await assert.rejects(fileBytes(join(folder, "two\nlines")), /two\\u\{a\}lines/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a file that shrinks while it is open is refused", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bytes-"));
  try {
    const path = join(folder, "a.safetensors");
    await writeFile(path, writeSafetensors([["w", { dtype: "U8", shape: [100], data: new Uint8Array(100) }]]));
    const source = await fileBytes(path);
    const opened = await openSafetensors(source);
    await writeFile(path, "short");
    await assert.rejects(opened.read("w"), /became shorter/);
    await source.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("half precision is converted exactly, both ways, for all 65536 patterns", () => {
  const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const values = halfToFloat(bits);
  assert.equal(values[0x3c00], 1);
  assert.equal(values[0xc000], -2);
  assert.equal(values[0x0001], 2 ** -24);
  assert.equal(values[0x03ff], 1023 * 2 ** -24);
  assert.equal(values[0x0400], 2 ** -14);
  assert.equal(values[0x7bff], 65504);
  assert.equal(values[0xfc00], Number.NEGATIVE_INFINITY);
  assert.ok(Object.is(values[0x8000], -0) && Number.isNaN(values[0x7c01]));
  const back = floatToHalf(values);
  for (let i = 0; i < 65536; i++) if (!Number.isNaN(values[i])) assert.equal(back[i], i);
});

test("float32 rounds to the nearest half, ties to even", () => {
  const values = halfToFloat(Uint16Array.from({ length: 0x7c00 }, (_, i) => i));
  fc.assert(
    fc.property(fc.nat(0x7bfe), fc.double({ min: 0, max: 1, noNaN: true }), (i, t) => {
      const x = Math.fround(values[i] + t * (values[i + 1] - values[i]));
      const [below, above] = [x - values[i], values[i + 1] - x];
      const expected = below < above || (below === above && i % 2 === 0) ? i : i + 1;
      assert.equal(floatToHalf(new Float32Array([x]))[0], expected);
      assert.equal(floatToHalf(new Float32Array([-x]))[0], expected | 0x8000);
    }),
    { numRuns: 2000 },
  );
  assert.deepEqual(
    [...floatToHalf(new Float32Array([65519.996, 65520, 1e30, 2 ** -25, 2 ** -26]))],
    [0x7bff, 0x7c00, 0x7c00, 0, 0],
  );
});

test("stored dtypes become float32, also from unaligned bytes", () => {
  const shifted = (array: Uint16Array | Float32Array | Float64Array) => {
    const bytes = new Uint8Array(array.byteLength + 1);
    bytes.set(new Uint8Array(array.buffer), 1);
    return bytes.subarray(1);
  };
  const expected = new Float32Array([1, -2.5, 0.15625]);
  assert.deepEqual(toFloat32("F32", shifted(expected)), expected);
  assert.deepEqual(toFloat32("F64", shifted(Float64Array.from(expected))), expected);
  assert.deepEqual(toFloat32("F16", shifted(floatToHalf(expected))), expected);
  assert.deepEqual(toFloat32("BF16", shifted(new Uint16Array([0x3f80, 0xc020, 0x3e20]))), expected);
  assert.deepEqual(bfloatToFloat(new Uint16Array([0x7f80])), new Float32Array([Number.POSITIVE_INFINITY]));
  assert.throws(() => toFloat32("I64", new Uint8Array(8), "w"), /w is stored as I64/);
  assert.throws(() => toFloat32("F32", new Uint8Array(7)), FormatError);
});
