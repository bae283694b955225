// Places that nothing can be written to, or that must not be replaced: each is refused in one line, and nothing changes.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { writeFileAtomic } from "../src/coop/atomic.ts";
import { makeFolder } from "../src/tensor/folder-node.ts";
import { coopHere } from "./coop-here.ts";
import { drawFolder } from "./drawn-folder.ts";
import { SMALL_CONFIG } from "./small-config.ts";

const TIMEOUT = { timeout: 120_000 };
let root: string;
const at = (...parts: string[]) => join(root, ...parts);

/** Commands that write a folder, and those that write a file, at a place. */
const FOLDERS: Record<string, (place: string) => string[]> = {
  train: (place) => ["train", at("pictures"), "--shots", "1", "--epochs", "1", "--context-tokens", "1", "--out", place],
  probe: (place) => ["probe", at("pictures"), "--shots", "1", "--seed", "1", "--out", place],
  bench: (place) => ["bench", at("spec.json"), "--out", place],
  pretrain: (place) => ["pretrain", at("pairs.csv"), "--config", at("small.json"), "--epochs", "1", "--out", place],
  import: (place) => ["import", at("prompt.pth"), "--classes", "pond,wood", "--out", place],
};
const FILES: Record<string, (place: string) => string[]> = {
  index: (place) => ["index", at("pictures"), "--out", place],
  export: (place) => ["export", at("run"), "--out", place],
  report: (place) => ["report", at("results.jsonl"), "--out", place],
  explain: (place) => ["explain", at("run"), "--report", place],
  "zero-shot": (place) => ["zero-shot", at("pictures"), "--report", place],
  profile: (place) => ["profile", "texts", "--steps", "1", "--trace", place],
};

before(async () => {
  root = mkdtempSync(join(tmpdir(), "coop-odd-"));
  await drawFolder(at("pictures"), { perClass: 2, classes: 2 });
  const source = at("pictures");
  const methods = [{ kind: "zero-shot" }];
  writeFileSync(at("spec.json"), JSON.stringify({ datasets: [{ name: "above", source }], shots: [1], methods }));
  writeFileSync(at("pairs.csv"), "file_name,caption\npictures/test/wood/0.png,wood\npictures/test/wood/1.png,a wood\n");
  writeFileSync(at("small.json"), SMALL_CONFIG);
  for (const words of [FOLDERS.train(at("run")), ["export", at("run"), "--out", at("prompt.pth")]]) {
    const { code, stderr } = await coopHere(...words);
    assert.equal(code, 0, stderr);
  }
  await coopHere(...FOLDERS.bench(at("results")));
  copyFileSync(at("results/results.jsonl"), at("results.jsonl"));
  writeFileSync(at("file"), "kept");
  mkdirSync(at("folder"));
  writeFileSync(at("folder/kept"), "");
  symlinkSync("loop", at("loop"));
}, TIMEOUT);
after(() => rmSync(root, { recursive: true, force: true }));

describe("refused before the work", TIMEOUT, () => {
  const LONG = "n".repeat(300);
  const both = [
    ["file/x", /file\/x: a part of the path is a file, not a folder\. Check the path\.$/],
    [LONG, /: the name is too long\.$/],
    ["loop/x", /loop\/x: it is a loop of symbolic links\. Choose another place\.$/],
  ] as const;
  const folders = [...both, ["file", /file(: a part of the path)? is a file/]] as const;
  const files = [...both, ["folder", /folder: it is a folder\. Choose another name\.$/]] as const;
  for (const [commands, places] of [
    [FOLDERS, folders],
    [FILES, files],
  ] as const)
    for (const [name, words] of Object.entries(commands))
      test(`coop ${name}`, async () => {
        const before = readdirSync(root, { recursive: true });
        const refused = async (place: string, pattern: RegExp) => {
          const { code, stdout, stderr } = await coopHere(...words(place));
          assert.deepEqual([code, stdout], [1, ""], stderr);
          assert.match(stderr.trim(), /^coop: [^\n]*$/);
          assert.match(stderr.trim(), pattern);
        };
        for (const [place, pattern] of places) await refused(at(place), pattern);
        if (existsSync("/proc/self") && commands === FOLDERS) await refused("/proc/coop/x", /there is no such folder/);
        const { code, stderr } = await coopHere(...words(""));
        assert.deepEqual([code, /needs a value/.test(stderr)], [2, true], stderr);
        assert.deepEqual(readdirSync(root, { recursive: true }), before);
      });
});

// never tried on /dev/null: where this fails, it would be gone
test("a pipe or a device is not replaced by a file, a link is", { skip: process.platform === "win32" }, async () => {
  execFileSync("mkfifo", [at("pipe")]);
  symlinkSync("pipe", at("to-pipe"));
  for (const place of ["pipe", "to-pipe"]) {
    await assert.rejects(writeFileAtomic(at(place), "x"), /is not a plain file\. Choose another name\.$/);
    for (const words of Object.values(FILES)) {
      const { code, stderr } = await coopHere(...words(at(place)));
      assert.equal(code, 1);
      assert.match(stderr, /is not a plain file/);
    }
  }
  assert.ok(lstatSync(at("pipe")).isFIFO() && lstatSync(at("to-pipe")).isSymbolicLink());
  symlinkSync("file", at("to-file"));
  await writeFileAtomic(at("to-file"), "new");
  assert.ok(lstatSync(at("to-file")).isFile());
});

test("folders are made with those above them, by several at once", async () => {
  const deep = at("a/b/c");
  const made = await Promise.all([makeFolder(deep), makeFolder(deep), makeFolder(at("a/b"))]);
  assert.ok(made.includes(at("a")) && lstatSync(deep).isDirectory());
  assert.equal(await makeFolder(deep), undefined);
  await assert.rejects(makeFolder(at("file/x")), { code: "ENOTDIR" });
  if (existsSync("/proc/self")) await assert.rejects(makeFolder("/proc/coop/x"), { code: "ENOENT" });
});
