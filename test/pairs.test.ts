import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openPairs, readPairs } from "../src/coop/pairs.ts";
import { expandBraces } from "../src/coop/pairs-tar.ts";
import { InputError } from "../src/tensor/errors.ts";
import { archive, member, pax } from "./tar-writer.ts";

/** A folder of some files; pictures are a few bytes, since none is decoded here. */
function folder(t: TestContext, files: Record<string, string | Uint8Array>): string {
  const dir = mkdtempSync(join(tmpdir(), "coop-pairs-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(dir, name, ".."), { recursive: true });
    writeFileSync(join(dir, name), content);
  }
  return dir;
}
const pictures = { "a.jpg": "A", "b c.png": "B", "sub/d.jpg": "D" };
const why = ({ skipped }: { skipped: { reasons: readonly { why: string; count: number; first: string }[] } }) =>
  skipped.reasons.map((reason) => `${reason.count} ${reason.why} (${reason.first})`);

test("CSV: quotes, delimiters, missing pictures, empty captions, broken rows", async (t) => {
  const dir = folder(t, {
    ...pictures,
    "list.csv": [
      "\ufeffid,FilePath,Title",
      '1,a.jpg,"a ""big"" dog, \n and a cat"',
      "2,b c.png,schöne Blume",
      "3,none.jpg,gone",
      "4,a.jpg,   ",
      "5,a.jpg,unquoted, comma",
      "",
      '6,sub/d.jpg,say "hi"',
      "7,,no picture",
    ].join("\r\n"),
    "list.tsv": 'filepath\ttitle\na.jpg\tone, two\nb c.png\t"three"\n',
    "tabs.csv": "filepath\ttitle\na.jpg\tone, two\n", // open_clip's default
    "semi.csv": "image;caption\na.jpg;eins\n",
  });
  const pairs = await openPairs(join(dir, "list.csv"));
  assert.deepEqual(pairs.captions, ['a "big" dog, and a cat', "schöne Blume", 'say "hi"']);
  assert.equal(pairs.count, 3);
  assert.deepEqual((await pairs.at(2)).name, "sub/d.jpg");
  assert.ok(((await pairs.at(2)).image as string).endsWith(join("sub", "d.jpg")));
  assert.equal(pairs.skipped.total, 4);
  assert.deepEqual(
    why(pairs)
      .map((line) => line.replace(/line \d+/, "line N"))
      .sort(),
    [
      "1 empty captions (line N)",
      "1 missing pictures (line N, none.jpg)",
      "1 rows that cannot be read (line N)",
      "1 rows without a picture (line N)",
    ],
  );
  await assert.rejects(pairs.at(3), /there is no pair 3/);
  assert.deepEqual((await openPairs(join(dir, "list.tsv"))).captions, ["one, two", "three"]);
  assert.deepEqual((await openPairs(join(dir, "tabs.csv"))).captions, ["one, two"]);
  assert.deepEqual(
    (await readPairs(join(dir, "semi.csv"))).pairs.map(({ caption }) => caption),
    ["eins"],
  );
});

test("JSONL: keys, several captions, broken lines", async (t) => {
  const dir = folder(t, {
    ...pictures,
    "list.jsonl": [
      '{"image": "a.jpg", "caption": "one"}',
      '{"file_name": "b c.png", "captions": ["two", "", "three"]}',
      "",
      "{broken",
      '["a.jpg", "x"]',
      '{"image": {"bytes": 1}, "caption": "x"}',
      '{"filepath": "sub/d.jpg", "text": 7}',
      '{"__proto__": 1, "filepath": "sub/d.jpg", "text": "four"}',
    ].join("\n"),
  });
  const pairs = await openPairs(join(dir, "list.jsonl"));
  assert.deepEqual(pairs.captions, ["one", "two", "three", "four"]);
  assert.deepEqual(why(pairs), [
    "2 rows that cannot be read (line 4)",
    "1 rows without a picture (line 6)",
    "1 empty captions (line 7)",
  ]);
  const same = await openPairs(join(dir, "list.jsonl"));
  assert.equal(await pairs.fingerprint(), await same.fingerprint());
});

test("a folder with metadata, and one without", async (t) => {
  const dir = folder(t, {
    ...pictures,
    "metadata.csv": "file_name,text\na.jpg,one\nsub/d.jpg,two\n",
    "bare/a.jpg": "",
  });
  assert.deepEqual((await openPairs(dir)).captions, ["one", "two"]);
  await assert.rejects(openPairs(join(dir, "bare")), /no metadata.jsonl, no metadata.csv and no .tar/);
});

test("names that lead out of the folder are left out, unless --images is above them", async (t) => {
  const outside = folder(t, { "secret.png": "S" });
  const dir = folder(t, { "in/a.jpg": "A", "b.jpg": "B" });
  symlinkSync(join(outside, "secret.png"), join(dir, "in", "link.png"));
  const names = [
    "a.jpg",
    "../b.jpg",
    join(outside, "secret.png"),
    "link.png",
    join(dir, "in", "a.jpg"),
    "in\u0000.jpg",
  ];
  const list = join(dir, "in", "list.jsonl");
  writeFileSync(list, names.map((image) => JSON.stringify({ image, caption: "x" })).join("\n"));
  const pairs = await openPairs(list);
  assert.deepEqual(await Promise.all(Array.from({ length: pairs.count }, async (_, i) => (await pairs.at(i)).name)), [
    "a.jpg",
    join(dir, "in", "a.jpg"),
  ]);
  assert.match(why(pairs)[0], /^3 pictures outside of .*--images \(line 2, \.\.\/b\.jpg\)/);
  assert.match(why(pairs)[1], /^1 missing pictures/);
  const above = join(dir, "above.jsonl");
  writeFileSync(above, '{"image":"b.jpg","caption":"x"}\n{"image":"https://x.org/a.jpg","caption":"x"}');
  assert.match(why(await openPairs(above))[0], /1 addresses, not files/);
  assert.equal((await openPairs(list, { images: dir })).count, 1); // in/a.jpg by its absolute path
});

test("errors that end", async (t) => {
  const dir = folder(t, {
    ...pictures,
    "columns.csv": "picture,words\na.jpg,x\n",
    "gone.csv": "image,caption\nx.jpg,one\ny.jpg,two\n",
    "quote.csv": 'image,caption\na.jpg,"never closed\nb c.png,two\na.jpg,three\n',
    "empty.csv": "",
    "notes.txt": "",
    "x.tar.gz": "",
    "text.tar": "this is no archive".repeat(100),
  });
  const refuse = (path: string, message: RegExp) =>
    assert.rejects(openPairs(join(dir, path)), (error) => error instanceof InputError && message.test(error.message));
  await refuse("columns.csv", /"picture,words".*must name the columns, one of image, filepath/);
  await refuse("gone.csv", /no pair in it that can be used: 2 left out, missing pictures \(first: line 2, x\.jpg\)/);
  await refuse("quote.csv", /a quote before line \d is never closed/);
  await refuse("empty.csv", /must name the columns/);
  await refuse("notes.txt", /is not a list of pairs/);
  await refuse("nothing.csv", /there is no such file/);
  await refuse("x.tar.gz", /is compressed; unpack it/);
  await refuse("text.tar", /no pair.*header at byte 0 is damaged/);
  await assert.rejects(readPairs(join(dir, "text.tar")), /holds its pictures/);
});

test("tar: long names, pax, json, hostile names, what is left out", async (t) => {
  const long = `${"deep/".repeat(30)}picture`;
  const dir = folder(t, {
    "s-0.tar": archive(
      member("000.jpg", "zero"),
      member("000.txt", " a\n zero "),
      member("000.cls", "5"),
      member("@LongLink", `${long}.png\0`, "L"),
      member("short.png", "long"),
      pax("path", `${long}.txt`),
      member("short.txt", "a long name"),
      member("café.webp", "c", "0", "one"),
      pax("path", "one/café.json"),
      member("x", JSON.stringify({ captions: ["un café", "a coffee"] })),
      member("dir/", "", "5"),
      member("../../etc/passwd.jpg", "hostile"),
      member("../../etc/passwd.txt", "only a key"),
      member("alone.jpg", "x"),
      member("blank.jpg", "x"),
      member("blank.txt", " \n"),
      member("words.txt", "no picture"),
      member("000.jpg", "again"),
      member("link.jpg", "", "2"),
    ),
    "s-1.tar": Buffer.concat([member("001.jpg", "one"), member("001.txt", "a one"), member("002.jpg", "x")]).subarray(
      0,
      2300,
    ),
  });
  const pairs = await openPairs(join(dir, "s-{0..1}.tar"));
  const all = await Promise.all(Array.from({ length: pairs.count }, (_, i) => pairs.at(i)));
  const text = (bytes: unknown) => new TextDecoder().decode(bytes as Uint8Array);
  assert.deepEqual(
    all.map(({ image, caption }) => [text(image), caption]),
    [
      ["zero", "a zero"],
      ["long", "a long name"],
      ["c", "un café"],
      ["c", "a coffee"],
      ["hostile", "only a key"],
      ["one", "a one"],
    ],
  );
  assert.deepEqual(
    why(pairs).map((line) => line.replaceAll(dir, "")),
    [
      "1 second members of one name (/s-0.tar: 000.jpg)",
      "1 pictures without a caption (/s-0.tar: alone)",
      "1 empty captions (/s-0.tar: blank)",
      "1 captions without a picture (/s-0.tar: words)",
      "1 the rest of damaged archives (/s-1.tar: it ends within the header at byte 2048; fetch it again)",
    ],
  );
  assert.equal((await openPairs(dir)).count, 6);
  assert.equal((await openPairs([join(dir, "s-1.tar"), join(dir, "s-0.tar")])).captions[0], "a one");
  assert.deepEqual(expandBraces("a-{08..10}-{x,y}.tar").slice(0, 3), ["a-08-x.tar", "a-08-y.tar", "a-09-x.tar"]);
});

test("tar: what GNU tar writes, in each format", {
  skip: !/GNU tar/.test(String(spawnSync("tar", ["--version"]).stdout)),
}, async (t) => {
  const deep = "d".repeat(60);
  const files: Record<string, string> = {};
  for (let i = 0; i < 5; i++) {
    files[`in/${deep}/${deep}/${i}.jpg`] = `picture ${i}`.repeat(100 * i + 1);
    files[`in/${deep}/${deep}/${i}.txt`] = `caption ${i}`;
  }
  const dir = folder(t, files);
  for (const format of ["gnu", "pax", "ustar"]) {
    const tar = join(dir, `${format}.tar`);
    execFileSync("tar", [`--format=${format}`, "--sort=name", "-cf", tar, "-C", join(dir, "in"), "."]);
    const pairs = await openPairs(tar);
    assert.deepEqual(
      pairs.captions,
      [0, 1, 2, 3, 4].map((i) => `caption ${i}`),
      format,
    );
    for (const i of [3, 0, 4])
      assert.equal(
        new TextDecoder().decode((await pairs.at(i)).image as Uint8Array),
        `picture ${i}`.repeat(100 * i + 1),
      );
  }
});
