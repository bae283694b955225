import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { readFolder } from "../src/coop/folder.ts";
import { readLabelled } from "../src/coop/labelled.ts";
import { nearest } from "../src/coop/near.ts";
import { InputError } from "../src/tensor/errors.ts";

/** A new folder with these files (or folders, where a path ends in "/"), gone after the test. */
async function tree(t: TestContext, paths: readonly string[]): Promise<string> {
  const outer = await mkdtemp(join(tmpdir(), "coop-folder-"));
  t.after(() => rm(outer, { recursive: true, force: true }));
  const root = join(outer, "pets");
  await mkdir(root);
  for (const path of paths) {
    const full = join(root, path);
    await mkdir(path.endsWith("/") ? full : dirname(full), { recursive: true });
    if (!path.endsWith("/")) await writeFile(full, "");
  }
  return root;
}

const numbered = (folder: string, n: number, extension = "jpg") =>
  Array.from({ length: n }, (_, i) => `${folder}/${i}.${extension}`);

/** One line, an InputError, and every pattern in it. */
const refuses = (dir: string, ...patterns: RegExp[]) =>
  assert.rejects(readFolder(dir), (error: unknown) => {
    assert.ok(error instanceof InputError, String(error));
    assert.ok(!error.message.includes("\n"), "more than one line");
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });

test("flat: half of each class, rounded up, is held out; sorted; nothing lost, nothing twice", async (t) => {
  const dir = await tree(t, [...numbered("maine_coon", 7), ...numbered("Beagle", 2, "PNG"), ...numbered("cat", 16)]);
  const folder = await readFolder(dir);
  assert.equal(folder.layout, "flat");
  assert.deepEqual(folder.classNames, ["Beagle", "cat", "maine coon"]);
  const of = (items: typeof folder.train, label: number) => items.filter((item) => item.label === label).length;
  assert.deepEqual(
    [0, 1, 2].map((label) => [of(folder.train, label), of(folder.test, label)]),
    [
      [1, 1],
      [8, 8],
      [3, 4],
    ],
  );
  const all = [...folder.train, ...folder.test].map((item) => item.path);
  assert.equal(new Set(all).size, 25);
  assert.ok(folder.train.some(({ path, className }) => path.startsWith("maine_coon/") && className === "maine coon"));
  assert.deepEqual(folder.val, []);
  for (const items of [folder.train, folder.test]) {
    const sorted = [...items].sort((a, b) => a.label - b.label || (a.path < b.path ? -1 : 1));
    assert.deepEqual(items, sorted);
  }
});

test("flat: the held-out half depends on the seed and on the class alone", async (t) => {
  const dir = await tree(t, [...numbered("cat", 30), ...numbered("dog", 30)]);
  const first = await readFolder(dir, { seed: 1 });
  assert.deepEqual(await readFolder(dir, { seed: 1 }), first);
  const held = (folder: typeof first, name: string) =>
    folder.test.filter((item) => item.className === name).map((item) => item.path);
  assert.notDeepEqual(held(await readFolder(dir, { seed: 2 }), "cat"), held(first, "cat"));
  await mkdir(join(dir, "ant"));
  for (const name of ["1.png", "2.png"]) await writeFile(join(dir, "ant", name), "");
  assert.deepEqual(held(await readFolder(dir, { seed: 1 }), "cat"), held(first, "cat"));
});

test("split: train, val and test; labels by train; a class without test pictures is noted", async (t) => {
  const dir = await tree(t, [
    ...numbered("train/t_shirt", 3),
    ...numbered("train/hat", 2),
    ...numbered("Validation/hat", 1),
    ...numbered("test/t shirt", 2),
    "annotations/list.txt",
    "labels.csv",
  ]);
  const folder = await readFolder(dir);
  assert.equal(folder.layout, "split");
  assert.deepEqual(folder.classNames, ["hat", "t shirt"]);
  assert.equal(folder.train.length, 5);
  assert.deepEqual(folder.val, [{ path: "Validation/hat/0.jpg", label: 0, className: "hat" }]);
  assert.deepEqual(
    folder.test.map(({ path, label }) => [path, label]),
    [
      ["test/t shirt/0.jpg", 1],
      ["test/t shirt/1.jpg", 1],
    ],
  );
  assert.match(folder.notes.join(" "), /"test" has no pictures of "hat"/);
  assert.match(folder.notes.join(" "), /"annotations" beside the splits/);
});

test("split without test: the validation pictures are held out", async (t) => {
  const dir = await tree(t, ["train/a/1.png", "train/b/1.png", "val/a/1.png", "val/b/1.png"]);
  const folder = await readFolder(dir);
  assert.deepEqual([folder.layout, folder.test.length, folder.val.length], ["split", 2, 0]);
});

test('a class may be called "train"', async (t) => {
  const dir = await tree(t, [...numbered("train", 2), ...numbered("bus", 2)]);
  assert.deepEqual((await readFolder(dir)).classNames, ["bus", "train"]);
});

test("hidden files and other files are left out and counted; folders in a class count as the class", async (t) => {
  const dir = await tree(t, [
    ...["png", "JPG", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "avif"].map((extension) => `cat/x.${extension}`),
    "cat/.DS_Store",
    "cat/notes.txt",
    "cat/young/kitten.png",
    "dog/1.png",
    "dog/2.png",
    ".git/x.png",
    "__MACOSX/cat/x.png",
    "stray.png",
  ]);
  const folder = await readFolder(dir);
  assert.equal([...folder.train, ...folder.test].filter((item) => item.className === "cat").length, 10);
  assert.deepEqual(folder.skipped, { hidden: 3, others: 1, links: 0 });
  assert.match(folder.notes.join(" "), /1 picture directly in .* left out/);
});

test("links within the folder are followed; links out of it, into nothing and in circles are not", async (t) => {
  const dir = await tree(t, ["cat/1.png", "dog/1.png", "dog/2.png", "more/3.png", "more/4.png"]);
  await writeFile(join(dir, "..", "secret.png"), "");
  await symlink("../dog/1.png", join(dir, "cat", "2.png"));
  await symlink("../../secret.png", join(dir, "cat", "3.png"));
  await symlink("nowhere.png", join(dir, "cat", "4.png"));
  await symlink("..", join(dir, "cat", "up"));
  await symlink(join(dir, "..", ".."), join(dir, "out"));
  await symlink("../dog", join(dir, "more", "dog"));
  await symlink("../more", join(dir, "dog", "more"));
  const folder = await readFolder(dir);
  const paths = [...folder.train, ...folder.test].map((item) => item.path).sort();
  assert.deepEqual(
    paths.filter((path) => path.startsWith("cat/")),
    ["cat/1.png", "cat/2.png"],
  );
  assert.ok(!paths.some((path) => path.includes("secret") || path.startsWith("out")));
  assert.ok(folder.skipped.links >= 4);
});

test("names with emoji, right-to-left marks and line breaks are kept, and shown as one line", async (t) => {
  const dir = await tree(t, ["🐈 cat/1.png", "🐈 cat/2.png", "dog\nbig/notes.txt"]);
  await refuses(dir, /"dog\\u\{a\}big" without/);
});

test("a missing folder suggests the name that was meant", async (t) => {
  const dir = await tree(t, ["cat/1.png"]);
  await refuses(join(dirname(dir), "pest"), /no such folder/, /Did you mean .*pets\?/);
  await refuses(join(dirname(dir), "elephants"), /no such folder. Check the path/);
  await refuses(join(dir, "cat", "1.png"), /is a file, not a folder/);
  await refuses(join(dir, "cat", "1.png", "x"), /part of the path is a file/);
});

test("what leaves nothing to learn or to test is refused by name", async (t) => {
  await refuses(await tree(t, []), /no class folders, nothing in it/);
  await refuses(await tree(t, ["1.png", "2.png"]), /only 2 pictures without a class/, /named after the class/);
  await refuses(await tree(t, ["cat/1.png", "cat/2.png"]), /"cat" is the only class/);
  await refuses(await tree(t, ["pets/cat/1.png", "pets/dog/2.png"]), /give that folder itself/);
  await refuses(
    await tree(t, ["cat/1.png", "cat/2.png", "dog/"]),
    /"cat" is the only class with pictures, "dog" without/,
  );
  await refuses(await tree(t, ["cat/a.txt", "dog/"]), /no picture \(png, .*\) of "cat", "dog"/);
  await assert.rejects(readLabelled(await tree(t, ["cat/a.txt", "dog/"])), /no picture \(png, .*\) of "cat", "dog"/);
  await refuses(await tree(t, ["cat/1.png", "dog/1.png"]), /only one picture of "cat", "dog"/);
  await refuses(await tree(t, ["t_shirt/1.png", "t shirt/1.png"]), /"t shirt", "t_shirt" mean the same name/);
  await refuses(await tree(t, ["Cat/1.png", "cat/1.png"]), /mean the same name, "cat"/);
  await refuses(await tree(t, ["_/1.png", "cat/1.png"]), /"_" has no name in words/);
  const train = ["train/a/1.png", "train/b/1.png"];
  await refuses(await tree(t, train), /holds "train" but no "test" folder/);
  await refuses(await tree(t, [...train, "test/1.png"]), /no "test" folder with classes/);
  await refuses(
    await tree(t, [...train, "test/a/1.png", "test/c/1.png"]),
    /"c" is not a class of "train" \("a", "b"\)/,
  );
  await refuses(await tree(t, ["train/a/1.png", "test/a/1.png"]), /"a" is the only class/);
});

test("flat: class folders without pictures are left out, one picture is learned from; both are said", async (t) => {
  const dir = await tree(t, ["ant/", "bee/a.txt", "cat/1.png", ...numbered("dog", 3), ...numbered("eel", 2), "_/"]);
  const { classNames, train, test, notes } = await readFolder(dir);
  assert.deepEqual(classNames, ["cat", "dog", "eel"]);
  const of = (items: typeof train) => classNames.map((name) => items.filter((item) => item.className === name).length);
  assert.deepEqual(
    [of(train), of(test)],
    [
      [1, 1, 1],
      [0, 2, 1],
    ],
  );
  assert.deepEqual(notes, [
    'No picture of " ", "ant", "bee": left out of the classes.',
    'Only one picture of "cat": it is learned from, none is held out.',
  ]);
  const all = await readLabelled(dir);
  assert.deepEqual([all.items.length, all.classNames, all.notes], [6, classNames, notes.slice(0, 1)]);
});

test("split: a class without pictures to learn from is left out of the test too; an empty one there is said", async (t) => {
  const dir = await tree(t, [
    ...["ant", "bee", "cat"].flatMap((name) => numbered(`train/${name}`, 2)),
    ...["train/dog/", "train/eel/", "test/ant/", "test/fox/", "val/ant/"],
    ...["bee", "cat", "dog"].flatMap((name) => numbered(`test/${name}`, 1)),
  ]);
  const { classNames, val, test, notes } = await readFolder(dir);
  assert.deepEqual([classNames, val], [["ant", "bee", "cat"], []]);
  assert.deepEqual(
    test.map(({ className }) => className),
    ["bee", "cat"],
  );
  assert.deepEqual(notes, [
    'No picture of "dog", "eel": left out of the classes.',
    '"val" has no pictures of "ant", "bee", "cat".',
    '"test" has pictures of "dog", but "train" has none: left out.',
    '"test" has no pictures of "ant".',
  ]);
  const only = ["train/ant/1.png", "train/bee/1.png", "train/cat/", "test/cat/1.png"];
  await refuses(await tree(t, only), /test: no picture of a class of "train"/);
});

test("130,000 names in a folder within a class", { timeout: 120_000 }, async (t) => {
  const dir = await tree(t, ["cat/1.jpg", "cat/2.jpg", "dog/puppies/"]);
  for (let i = 0; i < 130_000; i++) writeFileSync(join(dir, "dog", "puppies", `${i}.jpg`), "");
  const { train, test, notes } = await readFolder(dir);
  assert.deepEqual([train.length, test.length, notes], [65_001, 65_001, []]);
});

test("an unreadable folder is named", async (t) => {
  if (process.getuid?.() === 0) return t.skip("root may read everything");
  const dir = await tree(t, ["cat/1.png", "dog/1.png"]);
  await chmod(join(dir, "cat"), 0);
  t.after(() => chmod(join(dir, "cat"), 0o700));
  await refuses(dir, /cat: reading it is not permitted/);
});

test("the nearest name", () => {
  assert.equal(nearest("clothing-smal", ["clothing-small", "emoji"]), "clothing-small");
  assert.equal(nearest("Pets", ["pets"]), "pets");
  assert.equal(nearest("dgo", ["cat", "dog"]), "dog");
  assert.equal(nearest("xyz", ["cat", "dog"]), undefined);
});

test("real photographs: ten classes of garments", async (t) => {
  const dir = join(import.meta.dirname, "..", "..", "shared", "data", "clothing-small");
  if (!existsSync(dir)) return t.skip("../shared/data/clothing-small is not there");
  const folder = await readFolder(dir);
  assert.equal(folder.layout, "split");
  assert.equal(folder.classNames.length, 10);
  assert.equal(folder.train.length, 320);
  assert.ok(folder.test.length > 150 && folder.test.every((item) => item.path.startsWith("test/")));
});
