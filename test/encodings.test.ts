// Texts in other encodings than UTF-8 are read where they say so, and else refused: é must not silently become another name.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { memoryBytes, textOf } from "../src/clip/bytes.ts";
import { readJson } from "../src/clip/read-file.ts";
import { readList } from "../src/coop/datasets/list.ts";
import { openPairs } from "../src/coop/pairs.ts";
import { printable } from "../src/coop/progress.ts";
import { CONFIG_FILE } from "../src/coop/run-config.ts";
import { readPrompt } from "../src/coop/run-folder.ts";
import { readTextFile } from "../src/coop/text-file.ts";
import { FormatError, InputError } from "../src/tensor/errors.ts";
import { openRun } from "../web/engine/run-zip.ts";
import { coopHere } from "./coop-here.ts";
import { drawFolder } from "./drawn-folder.ts";
import { archive, member } from "./tar-writer.ts";

const TIMEOUT = { timeout: 60_000 };
const latin1 = (text: string) => Buffer.from(text, "latin1");
const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, "utf16le");
const notUtf8 = (name: string) => (error: unknown) =>
  error instanceof FormatError && error.message.endsWith(`${name} is not a text in UTF-8; save it as UTF-8.`);

let root: string;
const at = (name: string) => join(root, name);
const write = (name: string, content: string | Uint8Array) => {
  writeFileSync(at(name), content);
  return at(name);
};
before(() => {
  root = mkdtempSync(join(tmpdir(), "coop-encodings-"));
});
after(() => rmSync(root, { recursive: true, force: true }));

test("UTF-8 with and without its mark, and UTF-16 with one; nothing else", () => {
  const text = "café 🐈\n";
  const turned = utf16(text).swap16();
  for (const bytes of [Buffer.from(text), Buffer.from(`\ufeff${text}`), utf16(text), turned])
    assert.equal(textOf(bytes, "x"), text);
  assert.equal(textOf(new Uint8Array(0), "x"), "");
  const cut = Buffer.from(text).subarray(0, 7); // within the cat
  for (const bytes of [latin1("café"), cut, utf16(text).subarray(0, -1), Buffer.from([0xc0, 0xaf])])
    assert.throws(() => textOf(bytes, "x"), notUtf8("x"));
});

test("a text that was named: from a file or a pipe, within a limit", TIMEOUT, async () => {
  assert.equal(await readTextFile(write("labels.txt", "\ufeffcat\n")), "cat\n");
  await assert.rejects(readTextFile(write("latin.txt", latin1("café"))), notUtf8("latin.txt"));
  await assert.rejects(readTextFile(at("none")), (error) => error instanceof InputError && /no such/.test(`${error}`));
  await assert.rejects(readTextFile(root), (error) => error instanceof InputError && /it is a folder/.test(`${error}`));
  if (process.platform === "win32") return;
  execFileSync("mkfifo", [at("pipe")]);
  const [read] = [readTextFile(at("pipe")), createWriteStream(at("pipe")).end("dog")];
  assert.equal(await read, "dog");
  if (existsSync("/dev/zero"))
    await assert.rejects(readTextFile("/dev/zero"), /\/dev\/zero: more than 268435456 bytes/);
});

test("tables: rows in another encoding are left out and counted, UTF-16 is read", async () => {
  for (const name of ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]) write(name, name);
  const rows = ["image,label,caption", "a.jpg,thé,ü", "b.jpg,tea,b", "c.jpg,milk,c", "d.jpg,milk,d", "a.jpg,tea,a", ""];
  const lines = [
    { image: "a.jpg", label: "thé", caption: "ü" },
    { image: "b.jpg", label: "tea", caption: "b" },
    { image: "c.jpg", label: "milk", caption: "c" },
    { image: "d.jpg", label: "milk", caption: "d" },
    { image: "a.jpg", label: "tea", caption: "a" },
  ].map((line) => `${JSON.stringify(line)}\n`);
  for (const [kind, text, first] of [
    ["csv", rows.join("\n"), 2],
    ["jsonl", lines.join(""), 1],
  ] as const) {
    const bad = write(`latin.${kind}`, latin1(text));
    const [list, pairs] = [await readList(bad), await openPairs(bad)];
    assert.deepEqual(list.classNames, ["milk", "tea"]);
    assert.deepEqual(list.notes, [`1 left out, rows that are not UTF-8 (first: line ${first})`]);
    assert.deepEqual(pairs.captions, ["b", "c", "d", "a"]);
    assert.deepEqual(pairs.skipped.reasons, [{ why: "rows that are not UTF-8", count: 1, first: `line ${first}` }]);
    const wide = write(`wide.${kind}`, utf16(text));
    assert.deepEqual((await readList(wide)).classNames, ["milk", "tea", "thé"]);
    assert.deepEqual((await openPairs(wide)).captions, ["ü", "b", "c", "d", "a"]);
  }
  const tar = archive(
    ...[member("a.jpg", "A"), member("a.txt", latin1("thé")), member("b.jpg", "B"), member("b.txt", "thé")],
  );
  const shard = await openPairs(write("pairs.tar", tar));
  assert.deepEqual(shard.captions, ["thé"]);
  assert.match(shard.skipped.reasons[0].why, /captions that are not UTF-8/);
});

test("configurations of models and runs", async () => {
  const config = latin1('{"café": 1}');
  const files = { name: "m", open: async () => memoryBytes(config, "m/config.json") };
  await assert.rejects(readJson(files, "config.json"), notUtf8("m/config.json"));
  mkdirSync(at("run"));
  write(`run/${CONFIG_FILE}`, config);
  await assert.rejects(readPrompt(at("run")), notUtf8(CONFIG_FILE));
  const chosen = [new File([config], CONFIG_FILE), new File(["x"], "adapter_model.safetensors")];
  await assert.rejects(openRun(chosen), notUtf8(CONFIG_FILE));
});

test(
  "the command line: labels in another encoding are refused, and names do nothing to a terminal",
  TIMEOUT,
  async () => {
    await drawFolder(at("pictures"), { perClass: 2, classes: 2 });
    const picture = join(at("pictures/test"), "wood", "0.png");
    const bad = write("bad.txt", latin1("café\nthé"));
    const refused = await coopHere("zero-shot", picture, "--labels-file", bad);
    assert.equal(refused.code, 1);
    assert.equal(refused.stderr, `coop: ${bad} is not a text in UTF-8; save it as UTF-8.\n`);

    const labels = ["\x1b[2J\x07red", "\u202edlog", "👨‍👩‍👧"];
    const shown = await coopHere("zero-shot", picture, "--labels", labels.join());
    assert.equal(shown.code, 0, shown.stderr);
    for (const label of ["\\u{1b}[2J\\u{7}red", "\\u{202e}dlog", "👨‍👩‍👧"])
      assert.ok(shown.stdout.includes(label), label);
    assert.equal(shown.stdout + shown.stderr, printable(shown.stdout + shown.stderr));
    const json = await coopHere("zero-shot", picture, "--labels", labels.join(), "--json");
    const [{ labels: scored }] = JSON.parse(json.stdout).results;
    assert.deepEqual(scored.map(({ label }: { label: string }) => label).sort(), labels.sort());
  },
);
