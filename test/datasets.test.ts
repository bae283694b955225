// Miniature copies of the datasets as CoOp's users have them on disk; no picture is opened.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { TEMPLATE_DATASETS } from "../src/clip/templates.ts";
import { baseAndNew } from "../src/coop/datasets/base-and-new.ts";
import { roundHalfEven } from "../src/coop/datasets/by-rule.ts";
import { DATASETS, datasetNamed } from "../src/coop/datasets/datasets.ts";
import { openData, templateFor } from "../src/coop/datasets/open.ts";
import { readDataset, readSplitFile } from "../src/coop/datasets/read-dataset.ts";
import { classNamesOf, parseSplitFile, pathInside } from "../src/coop/datasets/split-file.ts";
import { fewShotSplits } from "../src/coop/few-shot.ts";
import type { Folder, Item } from "../src/coop/folder.ts";
import { readLabelled } from "../src/coop/labelled.ts";
import { CoopError, FormatError, InputError } from "../src/tensor/errors.ts";
import { dataTree, pictures } from "./data-tree.ts";

type Entry = [path: string, label: number, name: string];

const pathsOf = (items: readonly Item[]) => items.map(({ path }) => path);
const namesOf = ({ train, val, test }: Folder) =>
  [train, val, test].map((items) => [...new Set(items.map(({ label, className }) => `${label} ${className}`))]);
const sizes = ({ train, val, test }: Folder) => [train.length, val.length, test.length];

/** One line that matches all patterns. */
async function refuses(run: Promise<unknown>, ...patterns: RegExp[]): Promise<void> {
  await assert.rejects(run, (error: unknown) => {
    assert.ok(error instanceof CoopError, String(error));
    assert.ok(!error.message.includes("\n"), "more than one line");
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });
}

/** A split file of three classes in no order, and its pictures. */
function eurosat(train = 6, val = 3, held = 2) {
  const names = ["Annual Crop Land", "Forest", "Sea or Lake"];
  const folders = ["AnnualCrop", "Forest", "SeaLake"];
  const part = (from: number, n: number): Entry[] =>
    Array.from({ length: 3 * n }, (_, i): Entry => {
      const label = (i * 2) % 3;
      return [`${folders[label]}/p_${from + Math.floor(i / 3) + 1}.jpg`, label, names[label]];
    });
  const split = { train: part(0, train), val: part(train, val), test: part(train + val, held) };
  const all = folders.map((folder) => pictures(`eurosat/2750/${folder}`, train + val + held));
  return { split, files: Object.assign({}, ...all, { "eurosat/split_zhou_EuroSAT.json": split }) };
}

test("every dataset that has a template can be read, and the other way round", () => {
  assert.deepEqual(
    DATASETS.map(({ name }) => name),
    TEMPLATE_DATASETS,
  );
  for (const { split, lists } of DATASETS) assert.ok(split ?? lists);
  assert.equal(datasetNamed("oxford_pets").folder, "oxford_pets");
  assert.throws(() => datasetNamed("eurosta"), /did you mean EuroSAT/);
});

test("a split file is taken in its order, relative to the picture folder", async (t) => {
  const { split, files } = eurosat();
  const root = await dataTree(t, files);
  const folder = await readDataset("EuroSat", root);
  for (const part of ["train", "val", "test"] as const)
    assert.deepEqual(
      folder[part].map(({ path, label, className }) => [path, label, className]),
      split[part],
    );
  assert.deepEqual(folder.classNames, ["Annual Crop Land", "Forest", "Sea or Lake"]);
  assert.deepEqual([folder.dataset, folder.template], ["EuroSAT", "a centered satellite photo of {}."]);
  assert.match(folder.notes.join("\n"), /not the whole of EuroSAT.*classes 3 instead of 10, train 18 instead of 13500/);
  assert.equal(basename(folder.root), "2750");
  assert.deepEqual((await readDataset("eurosat", join(root, "eurosat"))).train, folder.train, "its own folder");
  const byFile = await openData(join(root, "eurosat/split_zhou_EuroSAT.json"));
  assert.deepEqual([byFile.train, byFile.template], [folder.train, folder.template]);
});

test("a missing dataset: what to put where; a misspelled one: what was meant", async (t) => {
  const root = await dataTree(t, {
    "dtd/x.txt": "",
    "stanford_cars/split_zhou_StanfordCars.json": {},
    "food-101/images/x": "",
  });
  await refuses(readDataset("eurosat", root), /eurosat lacks 2750, split_zhou_EuroSAT\.json\. .*DATASETS\.md/);
  await refuses(readDataset("cars", root), /stanford_cars lacks cars_train, cars_test\./);
  await refuses(readDataset("pets", root), /lacks images, split_zhou_OxfordPets/);
  await refuses(readDataset("flowers", root), /lacks jpg, split_zhou_OxfordFlowers/);
  await refuses(readDataset("aircraft", root), /lacks images, variants\.txt, images_variant_train\.txt/);
  await refuses(readDataset("imagenet-r", root), /imagenet-rendition lacks imagenet-r, classnames\.txt/);
  await refuses(readDataset("food", root), /there are no pictures of test/);
  await refuses(openData(`eurosta:${root}`), /no dataset "eurosta"; did you mean EuroSAT\?/);
  await refuses(openData("eurosat:"), /eurosat: says no place: write eurosat:ROOT/);
  await refuses(readLabelled("petz:/nowhere"), /no dataset "petz"; there are ImageNet, /);
  assert.equal(templateFor("dtd:/nowhere"), "{} texture.");
  assert.equal(templateFor("C:\\pictures"), "a photo of a {}.");
});

test("missing pictures are counted and left out", async (t) => {
  const { split, files } = eurosat();
  const [lost] = split.train.map(([path]) => path).filter((path) => path.startsWith("Forest/"));
  delete files[`eurosat/2750/${lost}`];
  const folder = await readDataset("eurosat", await dataTree(t, files));
  assert.deepEqual(sizes(folder), [17, 9, 6]);
  assert.ok(!pathsOf(folder.train).includes(lost));
  assert.match(folder.notes.join("\n"), /1 of 18 pictures of train are not in .*first: Forest\/p_1\.jpg.*other shots/);
});

test("hostile and broken split files are refused, naming the entry", () => {
  const good: Entry[] = [
    ["a/1.jpg", 0, "a"],
    ["b/1.jpg", 1, "b"],
  ];
  const parse = (change: object) =>
    parseSplitFile(JSON.stringify({ train: good, val: [], test: good, ...change }), "split.json");
  for (const path of [
    "../x.jpg",
    "/etc/x.jpg",
    "a/../../x.jpg",
    "..\\x.jpg",
    "C:\\x.jpg",
    "\\\\host\\x.jpg",
    "",
    "a\0.jpg",
  ])
    assert.throws(
      () => parse({ val: [[path, 0, "a"]] }),
      (error: Error) => {
        assert.ok(error instanceof FormatError);
        assert.match(error.message, /split\.json: "val\[0\]" is .* leads out of the folder/);
        return true;
      },
    );
  const wrong: [object, RegExp][] = [
    [{ test: undefined }, /"test" must be a list, not missing/],
    [{ train: [["a.jpg", "0", "a"]] }, /"train\[0\]" must be \[path, label, class name\]/],
    [{ train: [...good, ["a.jpg", -1, "a"]] }, /"train\[2\]" must be/],
    [{ train: [["a.jpg", 0, " "]] }, /must be/],
    [{ train: [["a.jpg", 0]] }, /must be/],
    [{ train: { 0: 1 } }, /must be a list/],
  ];
  for (const [change, pattern] of wrong) assert.throws(() => parse(change), pattern);
  assert.throws(() => parseSplitFile("[1", "split.json"), /split\.json is not whole JSON/);
  const names = (change: object) => classNamesOf(parse(change), "split.json");
  assert.deepEqual(names({}), ["a", "b"]);
  assert.throws(() => names({ test: [["x.jpg", 1, "c"]] }), /label 1 is "b", but of x\.jpg "c"/);
  assert.throws(() => names({ test: [["x.jpg", 3, "c"]] }), /labels up to 3, but no picture with label 2/);
  assert.throws(() => names({ test: [["x.jpg", 2, "c"]] }), /"c" \(label 2\) has no picture in train/);
  assert.deepEqual(names({ train: [...good, ["c.jpg", 2, "a"]] }), ["a", "b", "a"], "two classes of one name");
});

test("a path is inside, and spelled with single slashes, or refused", () => {
  assert.equal(pathInside("./a//b\\c.jpg"), "a/b/c.jpg");
  fc.assert(
    fc.property(fc.array(fc.constantFrom("a", "..", ".", "", "C:", "b.jpg"), { maxLength: 6 }), (names) => {
      const path = pathInside(names.join("/"));
      if (path === undefined) return;
      assert.ok(!names.includes("..") && names[0] !== "" && names[0] !== "C:");
      assert.ok(join("/root", path).startsWith("/root/"));
    }),
  );
});

test("links out of the picture folder are not followed, but for CoOp's own cars_train", async (t) => {
  const entries = (split: string): Entry[] =>
    [0, 1].map((label) => [`cars_${split}/p_${label + 1}.jpg`, label, `car ${label}`]);
  const split = { train: entries("train"), val: [], test: entries("test") };
  const root = await dataTree(t, {
    ...pictures("elsewhere/cars", 2),
    ...pictures("stanford_cars/cars_test", 2),
    "stanford_cars/split_zhou_StanfordCars.json": split,
  });
  await symlink(join(root, "elsewhere/cars"), join(root, "stanford_cars/cars_train"));
  assert.deepEqual(sizes(await readDataset("cars", root)), [2, 0, 2]);
  await rename(join(root, "stanford_cars/split_zhou_StanfordCars.json"), join(root, "stanford_cars/other.json"));
  await refuses(
    readSplitFile(join(root, "stanford_cars/other.json")),
    /no pictures of train.*2 of 2 pictures of train/,
  );
});

/** CoOp's draw from a split file in plain Python; prints [[train paths, val paths], …] for each (shots, seed). */
const SCRIPT = `
import json, random, sys
split = json.load(open(sys.argv[1]))
def few(items, n):
    groups = {}
    for item in items: groups.setdefault(item[1], []).append(item)
    return [path for g in groups.values() for path, _, _ in (random.sample(g, n) if len(g) >= n else g)]
out = []
for shots, seed in json.loads(sys.argv[2]):
    random.seed(seed)
    train = few(split["train"], shots)
    out.append([train, few(split["val"], min(shots, 4))])
print(json.dumps(out))
`;

test("whole splits: the shots of train and val are the pictures that Python draws, in its order", async (t) => {
  const { files } = eurosat(40, 11);
  const root = await dataTree(t, files);
  const asked = [1, 2, 4, 8, 16, 50].flatMap((shots) => [1, 2, 3, 77].map((seed) => [shots, seed] as const));
  const python = spawnSync(
    "python3",
    ["-c", SCRIPT, join(root, "eurosat/split_zhou_EuroSAT.json"), JSON.stringify(asked)],
    { encoding: "utf8", timeout: 20_000, maxBuffer: 2 ** 24 },
  );
  if (python.error) return t.skip(`python3 cannot be run here (${python.error.message})`);
  assert.equal(python.status, 0, python.stderr);
  const expected = JSON.parse(python.stdout) as [string[], string[]][];
  const folder = await readDataset("eurosat", root);
  asked.forEach(([shots, seed], i) => {
    const { train, val } = fewShotSplits(folder, shots, seed);
    assert.deepEqual([pathsOf(train), pathsOf(val)], expected[i], `${shots} shots, seed ${seed}`);
  });
});

test("without a split file: class folders by CoOp's rule, dropped and renamed classes", async (t) => {
  const root = await dataTree(t, {
    ...pictures("caltech-101/101_ObjectCategories/Faces", 10),
    ...pictures("caltech-101/101_ObjectCategories/Faces_easy", 10),
    ...pictures("caltech-101/101_ObjectCategories/BACKGROUND_Google", 10),
    ...pictures("caltech-101/101_ObjectCategories/airplanes", 33),
    ...pictures("caltech-101/101_ObjectCategories/water_lilly", 15),
    ...pictures("eurosat/2750/SeaLake", 10),
    ...pictures("eurosat/2750/River", 10),
  });
  const folder = await readDataset("caltech101", root);
  assert.deepEqual(folder.classNames, ["face", "airplane", "water lilly"]);
  const per = (items: readonly Item[]) => [0, 1, 2].map((label) => items.filter((item) => item.label === label).length);
  assert.deepEqual([folder.train, folder.val, folder.test].map(per), [
    [5, 16, 8],
    [2, 7, 3],
    [3, 10, 4],
  ]);
  assert.equal(new Set(pathsOf([...folder.train, ...folder.val, ...folder.test])).size, 58);
  assert.match(folder.notes[0], /split_zhou_Caltech101\.json is not in .*CoOp's rule/);
  assert.deepEqual((await readDataset("caltech101", root)).test, folder.test);
  assert.deepEqual((await readDataset("eurosat", root)).classNames, ["River", "Sea or Lake"]);
  assert.deepEqual([0.5, 1.5, 2.5, 2.4, 2.6, 7].map(roundHalfEven), [0, 2, 2, 2, 3, 7]);
});

test("pets: official lists, the breed out of the name, a fifth of trainval for validation", async (t) => {
  const lines = (name: string, label: number, from: number, n: number) =>
    Array.from({ length: n }, (_, i) => `${name}_${from + i} ${label} 1 1`);
  const trainval = [...lines("Egyptian_Mau", 1, 1, 10), ...lines("beagle", 2, 1, 10)];
  const root = await dataTree(t, {
    ...pictures("oxford_pets/images", 12, "Egyptian_Mau"),
    ...pictures("oxford_pets/images", 12, "beagle"),
    "oxford_pets/annotations/trainval.txt": `${trainval.join("\n")}\n`,
    "oxford_pets/annotations/test.txt": [...lines("Egyptian_Mau", 1, 11, 2), ...lines("beagle", 2, 11, 2)].join("\r\n"),
  });
  const folder = await readDataset("oxford_pets", root);
  assert.deepEqual(folder.classNames, ["egyptian mau", "beagle"]);
  assert.deepEqual(sizes(folder), [16, 4, 4]);
  assert.deepEqual(pathsOf(folder.test)[0], "Egyptian_Mau_11.jpg");
  await writeFile(join(root, "oxford_pets/annotations/test.txt"), "../secret 1 1 1\n");
  await refuses(readDataset("pets", root), /annotations\/test\.txt, line 1: "\.\.\/secret 1 1 1" is no picture/);
});

test("aircraft: labels by the line of variants.txt, three official lists", async (t) => {
  const root = await dataTree(t, {
    ...pictures("fgvc_aircraft/images", 6, "1"),
    "fgvc_aircraft/variants.txt": "DC-10\n707-320\n",
    "fgvc_aircraft/images_variant_train.txt": "1_1 707-320\n1_2 DC-10\n",
    "fgvc_aircraft/images_variant_val.txt": "1_3 DC-10\n1_4 707-320\n",
    "fgvc_aircraft/images_variant_test.txt": "1_5 707-320\n1_6 DC-10\n",
  });
  const folder = await readDataset("FGVC_Aircraft", root);
  assert.deepEqual(folder.classNames, ["DC-10", "707-320"]);
  assert.deepEqual(namesOf(folder)[0], ["1 707-320", "0 DC-10"]);
  assert.ok(!folder.notes.some((note) => note.includes("rule")));
  await writeFile(join(root, "fgvc_aircraft/images_variant_val.txt"), "1_3 DC-11\n");
  await refuses(
    readDataset("aircraft", root),
    /images_variant_val\.txt, line 1.*"1_3 DC-11" is no picture with a class/,
  );
});

test("SUN and UCF: class names out of the paths, as CoOp makes them", async (t) => {
  const sun = (folder: string, from: number, n: number) =>
    Array.from({ length: n }, (_, i) => `/${folder}/s_${from + i}.jpg`).join("\n");
  const ucf = (action: string, from: number, n: number) =>
    Array.from({ length: n }, (_, i) => `${action}/v_${from + i}.avi`);
  const root = await dataTree(t, {
    ...pictures("sun397/SUN397/a/airplane_cabin", 6, "s"),
    ...pictures("sun397/SUN397/c/church/indoor", 6, "s"),
    "sun397/ClassName.txt": "/a/airplane_cabin\n/c/church/indoor\n",
    "sun397/Training_01.txt": `${sun("a/airplane_cabin", 1, 5)}\n${sun("c/church/indoor", 1, 5)}\n`,
    "sun397/Testing_01.txt": `${sun("a/airplane_cabin", 6, 1)}\n${sun("c/church/indoor", 6, 1)}\n`,
    ...pictures("ucf101/UCF-101-midframes/Apply_Eye_Makeup", 6, "v"),
    ...pictures("ucf101/UCF-101-midframes/Yo_Yo", 6, "v"),
    "ucf101/ucfTrainTestlist/classInd.txt": "1 ApplyEyeMakeup\n2 YoYo\n",
    "ucf101/ucfTrainTestlist/trainlist01.txt": [...ucf("ApplyEyeMakeup", 1, 5), ...ucf("YoYo", 1, 5)]
      .map((line, i) => `${line} ${i < 5 ? 1 : 2}`)
      .join("\n"),
    "ucf101/ucfTrainTestlist/testlist01.txt": [...ucf("ApplyEyeMakeup", 6, 1), ...ucf("YoYo", 6, 1)].join("\n"),
  });
  const [places, actions] = [await readDataset("sun397", root), await readDataset("ucf101", root)];
  assert.deepEqual(places.classNames, ["airplane cabin", "indoor church"]);
  assert.deepEqual(actions.classNames, ["Apply Eye Makeup", "Yo Yo"]);
  for (const folder of [places, actions]) assert.deepEqual(sizes(folder), [8, 2, 2]);
});

const IDS = ["n01440764", "n01443537", "n02834778", "n04355933"];
const CLASSNAMES = ["tench", "goldfish", "tandem bicycle", "sunglasses"]
  .map((name, i) => `${IDS[i]} ${name}`)
  .join("\n");

test("ImageNet: WordNet folders, names of classnames.txt, val is the test; shots of train alone", async (t) => {
  const files = Object.assign(
    { "imagenet/classnames.txt": CLASSNAMES },
    ...IDS.flatMap((id) => [
      pictures(`elsewhere/train/${id}`, 5, id, "JPEG"),
      pictures(`imagenet/images/val/${id}`, 2, "ILSVRC2012_val", "JPEG"),
    ]),
  );
  const root = await dataTree(t, files);
  const measured = await readDataset("imagenet", root);
  assert.deepEqual(sizes(measured), [0, 0, 8]);
  await refuses(openData(`imagenet:${root}`, { toLearn: true }), /test pictures only/);
  await symlink(join(root, "elsewhere/train"), join(root, "imagenet/images/train"));
  const folder = await readDataset("imagenet", root);
  assert.deepEqual(sizes(folder), [20, 0, 8]);
  assert.deepEqual(folder.classNames, ["tench", "goldfish", "tandem bicycle", "sunglasses"]);
  const { train, val } = fewShotSplits(folder, 2, 1);
  assert.deepEqual([train.length, val.length], [8, 0]);
  assert.equal(train[0].path.slice(0, 16), `train/${IDS[0]}/`);
  await mkdir(join(root, "elsewhere/train/n09999999"));
  await refuses(readDataset("imagenet", root), /classnames\.txt has no name for the folders n09999999/);
});

test("the variants: folders 0 to 999 by line, ids by name, re-indexed; classnames.txt of imagenet/ serves", async (t) => {
  const root = await dataTree(t, {
    "imagenet/classnames.txt": CLASSNAMES,
    ...Object.assign(
      {},
      ...["0", "1", "2", "3"].map((n) => pictures(`imagenetv2/imagenetv2-matched-frequency-format-val/${n}`, 1)),
    ),
    ...Object.assign({}, ...[IDS[1], IDS[3]].map((id) => pictures(`imagenet-adversarial/imagenet-a/${id}`, 2))),
    "imagenet-adversarial/imagenet-a/README.txt": "",
    ...Object.assign({}, ...IDS.map((id) => pictures(`imagenet-sketch/images/${id}`, 1))),
  });
  const v2 = await openData(`ImageNetV2:${root}`);
  assert.deepEqual(namesOf(v2)[2], ["0 tench", "1 goldfish", "2 tandem bicycle", "3 sunglasses"]);
  const a = await openData(`imagenet-a:${root}`);
  assert.deepEqual(
    [a.classNames, sizes(a)],
    [
      ["goldfish", "sunglasses"],
      [0, 0, 4],
    ],
  );
  assert.deepEqual(namesOf(a)[2], ["0 goldfish", "1 sunglasses"]);
  assert.equal((await openData(`imagenet_sketch:${root}`)).classNames.length, 4);
  assert.equal((await readLabelled(`imagenet-a:${root}`)).items.length, 4);
  await refuses(readLabelled(`imagenet-a:${root}`, "train"), /has no train pictures/);
  await refuses(openData(`imagenet-a:${root}`, { toLearn: true }), /test pictures only.*ImageNet/);
  await mkdir(join(root, "imagenetv2/imagenetv2-matched-frequency-format-val/4"));
  await refuses(readDataset("imagenetv2", root), /"4" is none of "0" to "3"/);
});

test("base to new: the first half, rounded up, and the rest; labels from 0; nothing in both", async (t) => {
  const folder = await readDataset("eurosat", await dataTree(t, eurosat().files));
  const { base, new: unseen } = baseAndNew(folder);
  assert.deepEqual([base.classNames, unseen.classNames], [["Annual Crop Land", "Forest"], ["Sea or Lake"]]);
  assert.equal(base.template, folder.template);
  assert.deepEqual(namesOf(base)[2], ["0 Annual Crop Land", "1 Forest"]);
  assert.deepEqual(namesOf(unseen), Array(3).fill(["0 Sea or Lake"]));
  const shots = fewShotSplits(folder, 2, 1);
  const drawn = baseAndNew({ ...folder, ...shots });
  const both = [...drawn.base.train, ...drawn.new.train].map(({ path }) => path).sort();
  assert.deepEqual(both, pathsOf(shots.train).sort());
  assert.throws(() => baseAndNew({ classNames: ["a"], train: [], val: [], test: [] }), InputError);
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 30 }), fc.array(fc.nat(29), { maxLength: 60 }), (count, labels) => {
      const classNames = Array.from({ length: count }, (_, i) => `c${i}`);
      const items = labels.map((label, i) => ({ path: `${i}`, label: label % count, className: `c${label % count}` }));
      const halves = baseAndNew({ classNames, train: items, val: [], test: [] });
      assert.equal(halves.base.classNames.length, Math.ceil(count / 2));
      assert.deepEqual([...halves.base.classNames, ...halves.new.classNames], classNames);
      assert.equal(halves.base.train.length + halves.new.train.length, items.length);
      for (const half of [halves.base, halves.new])
        for (const { label, className } of half.train) assert.equal(half.classNames[label], className);
    }),
  );
});
