// Lists of pictures with labels, and the commands that take them or a dataset.
import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import sharp from "sharp";
import { readList } from "../src/coop/datasets/list.ts";
import { openData } from "../src/coop/datasets/open.ts";
import { readLabelled } from "../src/coop/labelled.ts";
import { InputError } from "../src/tensor/errors.ts";
import { PICTURE_SIZE, taskPictures } from "../src/world/index.ts";
import { dataTree, pictures } from "./data-tree.ts";
import { coop } from "./run-coop.ts";

const TIMEOUT = 60_000;

const refuses = (file: string, pattern: RegExp) =>
  assert.rejects(readList(file), (error: unknown) => {
    assert.ok(error instanceof InputError, String(error));
    assert.match(error.message, pattern);
    return true;
  });

const counts = ({ train, val, test }: { train: unknown[]; val: unknown[]; test: unknown[] }) => [
  train.length,
  val.length,
  test.length,
];

test("a CSV with splits: classes by name, rows that cannot be used counted", async (t) => {
  const rows = [
    "label;split;filename",
    "t_shirt;train;in/p_1.jpg",
    "hat;Training;in/p_2.jpg",
    '"hat";valid;./in//p_3.jpg',
    "Hat;test;in/p_4.jpg",
    "t_shirt;test;in/p_5.jpg",
    "hat;train;gone.jpg",
    "hat;train;../outside.jpg",
    "hat;train;/etc/passwd.jpg",
    "hat;later;in/p_6.jpg",
    ";train;in/p_6.jpg",
    "hat;train;",
    "hat;train",
    "hat;train;linked/p_1.jpg",
  ];
  const root = await dataTree(t, {
    ...pictures("set/in", 6),
    ...pictures("outside", 1),
    "set/list.csv": rows.join("\n"),
  });
  await symlink(join(root, "outside"), join(root, "set/linked"));
  const folder = await readList(join(root, "set/list.csv"));
  assert.deepEqual(folder.classNames, ["hat", "t shirt"]);
  assert.deepEqual(counts(folder), [2, 1, 2]);
  assert.deepEqual(
    folder.test.map(({ path, label, className }) => [path, label, className]),
    [
      ["in/p_4.jpg", 0, "hat"],
      ["in/p_5.jpg", 1, "t shirt"],
    ],
  );
  const notes = folder.notes.join("\n");
  assert.match(notes, /2 left out, pictures outside of the list's folder \(first: line 8\)/);
  assert.match(notes, /1 left out, rows whose split is not train, val or test \(first: line 10\)/);
  assert.match(notes, /1 left out, rows without a label/);
  assert.match(notes, /1 left out, rows without a picture/);
  assert.match(notes, /1 left out, rows that cannot be read/);
  assert.match(notes, /2 of 4 pictures of train are not in .*first: gone\.jpg/);
});

test("JSONL without splits: half of each class is held out, by the seed; all are asked about", async (t) => {
  const lines = Array.from({ length: 12 }, (_, i) => ({ file_name: `p_${i + 1}.jpg`, class: i % 2 ? "dog" : 7 }));
  const root = await dataTree(t, {
    ...pictures(".", 12),
    "list.jsonl": `\ufeff${lines.map((line) => JSON.stringify(line)).join("\n")}\n[1]\n\n`,
  });
  const file = join(root, "list.jsonl");
  const folder = await openData(file);
  assert.deepEqual([folder.layout, folder.classNames, counts(folder)], ["flat", ["7", "dog"], [6, 0, 6]]);
  assert.deepEqual((await openData(file)).test, folder.test);
  assert.notDeepEqual((await openData(file, { seed: 2 })).test, folder.test);
  assert.equal((await readLabelled(file)).items.length, 12);
  assert.deepEqual((await readLabelled(file, "test")).items, folder.test);
});

test("lists that leave nothing to do are refused", async (t) => {
  const root = await dataTree(t, {
    ...pictures(".", 3),
    "columns.csv": "picture,name\np_1.jpg,cat\n",
    "empty.csv": "image,label\n",
    "train.csv": "image,label,split\np_1.jpg,cat,train\np_2.jpg,dog,train\n",
    "one.csv": "image,label,split\np_1.jpg,cat,train\np_2.jpg,cat,test\n",
    "single.csv": "image,label\np_1.jpg,cat\np_2.jpg,dog\n",
  });
  await refuses(join(root, "columns.csv"), /must name the columns, one of image, .* and one of label, class/);
  await refuses(join(root, "empty.csv"), /no row in it that can be used/);
  await refuses(join(root, "train.csv"), /no picture has the split test/);
  await refuses(join(root, "one.csv"), /"cat" is the only class/);
  await refuses(join(root, "single.csv"), /only one picture of "cat", "dog"/);
  await refuses(join(root, "none.csv"), /there is no such file/);
});

test("coop datasets: the table, what is there and what to put where", { timeout: TIMEOUT }, async (t) => {
  const split = (n: number) => [0, 1].map((label) => [`c${label}/p_${n}.jpg`, label, `c${label}`]);
  const root = await dataTree(t, {
    ...pictures("dtd/images/c0", 3),
    ...pictures("dtd/images/c1", 3),
    "dtd/split_zhou_DescribableTextures.json": { train: split(1), val: split(2), test: split(3) },
    ...pictures("eurosat/2750/River", 10),
    "caltech-101/x": "",
  });
  const [plain, found] = await Promise.all([coop("datasets"), coop("datasets", root, "--count", "--json")]);
  assert.equal(plain.code, 0, plain.stderr);
  assert.match(plain.stdout, /EuroSAT\s+eurosat\/\s+10\s+13500\s+5400\s+8100\s+a centered satellite photo of \{\}\./);
  assert.equal(plain.stdout.match(/^ImageNet/gm)?.length, 5);
  assert.match(plain.stdout, /DATASETS\.md/);
  assert.equal(found.code, 0, found.stderr);
  const rows: { name: string; state: string; counts: object; notes: string[] }[] = JSON.parse(found.stdout).datasets;
  const of = (name: string) => rows.find((row) => row.name === name)!;
  assert.deepEqual([of("DTD").state, of("DTD").counts], ["found", { classes: 2, train: 2, val: 2, test: 2 }]);
  assert.match(of("Caltech101").notes[0], /caltech-101 lacks 101_ObjectCategories, split_zhou_Caltech101\.json/);
  assert.deepEqual([of("EuroSAT").state, of("ImageNet").state], ["unreadable", "missing"]);
  assert.match(of("EuroSAT").notes[0], /two classes or more/);
});

test("commands take a dataset or a list for a folder; its template is the default", {
  timeout: 2 * TIMEOUT,
}, async (t) => {
  const root = await dataTree(t, {});
  const folders = ["AnnualCrop", "Forest"];
  const split: Record<string, [string, number, string][]> = { train: [], val: [], test: [] };
  const list = ["image,label,split"];
  for (const [k, part] of (["train", "test"] as const).entries()) {
    const { pixels, labels } = taskPictures("above", { perClass: 2, seed: k + 1, split: part });
    for (const [i, raw] of pixels.entries()) {
      if (labels[i] > 1) continue;
      const name = `${folders[labels[i]]}/${part}_${i}.png`;
      await mkdir(join(root, "eurosat/2750", folders[labels[i]]), { recursive: true });
      await sharp(raw, { raw: { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } }).toFile(
        join(root, "eurosat/2750", name),
      );
      split[part].push([name, labels[i], labels[i] === 0 ? "Annual Crop Land" : "Forest"]);
      list.push(`2750/${name},${folders[labels[i]]},${part}`);
    }
  }
  await writeFile(join(root, "eurosat/split_zhou_EuroSAT.json"), JSON.stringify(split));
  await writeFile(join(root, "eurosat/list.csv"), list.join("\n"));

  const out = join(root, "run");
  const few = ["--shots", "2", "--epochs", "1", "--context-tokens", "2", "--json", "--out", out];
  const [asked, trained] = await Promise.all([
    coop("zero-shot", `eurosat:${root}`, "--json"),
    coop("train", join(root, "eurosat/list.csv"), ...few),
  ]);
  assert.equal(asked.code, 0, asked.stderr);
  const zeroShot = JSON.parse(asked.stdout);
  assert.deepEqual(zeroShot.templates, ["a centered satellite photo of {}."]);
  assert.deepEqual(zeroShot.labels, ["Annual Crop Land", "Forest"]);
  assert.deepEqual([zeroShot.top1.total, zeroShot.part], [4, "its test pictures"]);
  assert.match(asked.stderr, /not the whole of EuroSAT/);
  assert.equal(trained.code, 0, trained.stderr);
  assert.deepEqual(JSON.parse(trained.stdout).classes, folders);

  const evaluated = await coop("eval", `eurosat:${root}`, "--prompt", out, "--json");
  assert.equal(evaluated.code, 0, evaluated.stderr);
  assert.deepEqual(JSON.parse(evaluated.stdout).classes, ["Annual Crop Land", "Forest"]);
});
