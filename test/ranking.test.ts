// What is counted of the answers: ranks, changes from one prompt to another, shifts between labels.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { distinct, joined, parseLabelSet, without } from "../src/coop/label-set.ts";
import { readLabelled } from "../src/coop/labelled.ts";
import { compareRankings, rankLabels, within } from "../src/coop/ranking.ts";
import { worstPairs } from "../src/coop/score.ts";
import { groupShifts } from "../src/coop/taxonomy.ts";
import { InputError } from "../src/tensor/index.ts";
import { SEED } from "./gpu-settings.ts";

describe("ranks", () => {
  test("against sorting, ties and all", () => {
    const rows = fc.integer({ min: 2, max: 6 }).chain((classes) =>
      fc.array(
        fc.record({
          row: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: classes, maxLength: classes }),
          label: fc.integer({ min: 0, max: classes - 1 }),
        }),
        { minLength: 1, maxLength: 8 },
      ),
    );
    fc.assert(
      fc.property(rows, (pictures) => {
        const classes = pictures[0].row.length;
        const labels = pictures.map(({ label }) => label);
        const found = rankLabels(Float32Array.from(pictures.flatMap(({ row }) => row)), labels, classes);
        const places = pictures.map(({ row, label }) => {
          const order = row.map((_, k) => k).sort((a, b) => row[b] - row[a] || a - b);
          return { first: order[0], rank: order.indexOf(label) };
        });
        assert.deepEqual(
          [...found.predicted],
          places.map(({ first }) => first),
        );
        assert.deepEqual(
          [...found.rank],
          places.map(({ rank }) => rank),
        );
        for (const k of [1, 2, 9]) assert.equal(within(found, k).correct, places.filter(({ rank }) => rank < k).length);
      }),
      { seed: SEED },
    );
    assert.throws(() => rankLabels(new Float32Array(5), [0, 1], 3), InputError);
  });

  test("McNemar's exact test", () => {
    const ranking = (rank: number[]) => ({ rank: Int32Array.from(rank), predicted: new Int32Array(rank.length) });
    const change = (rightToWrong: number, wrongToRight: number, same = 3) => {
      const before = [...Array(rightToWrong).fill(0), ...Array(wrongToRight).fill(2), ...Array(same).fill(0), 1];
      const after = [...Array(rightToWrong).fill(1), ...Array(wrongToRight).fill(0), ...Array(same).fill(0), 3];
      return compareRankings(ranking(before), ranking(after));
    };
    // 2 · Σ C(n, i) / 2ⁿ up to the smaller one
    for (const [a, b, p] of [
      [0, 0, 1],
      [1, 0, 1],
      [0, 5, 2 / 32],
      [1, 5, 14 / 64],
      [2, 8, 112 / 1024],
      [3, 3, 1],
      [10, 0, 2 / 1024],
    ]) {
      const found = change(a, b);
      assert.deepEqual([found.rightToWrong, found.wrongToRight], [a, b]);
      assert.ok(Math.abs(found.p - p) < 1e-12, `${a} ${b}: ${found.p}, not ${p}`);
    }
    assert.ok(change(2000, 2000).p === 1 && change(4000, 100).p < 1e-300);
  });

  test("the worst pairs", () => {
    const confusion = [
      [5, 1, 3],
      [3, 2, 0],
      [0, 0, 9],
    ];
    assert.deepEqual(worstPairs(confusion, 2), [
      { row: 0, column: 2, count: 3, total: 9 },
      { row: 1, column: 0, count: 3, total: 5 },
    ]);
    assert.equal(worstPairs(confusion, 9).length, 3);
  });
});

describe("label sets", () => {
  test("labels and categories", () => {
    assert.deepEqual(parseLabelSet("cat, dog,,cat"), { labels: ["cat", "dog"], categories: ["cat", "dog"] });
    const set = parseLabelSet("crime: thief, criminal; people: man,woman\ncar");
    assert.deepEqual(set.labels, ["thief", "criminal", "man", "woman", "car"]);
    assert.deepEqual(set.categories, ["crime", "crime", "people", "people", "car"]);
    const more = joined(set, parseLabelSet("People: child, Man"));
    assert.deepEqual(more.labels, [...set.labels, "child"]);
    assert.deepEqual(more.categories, [...set.categories, "people"]);
    assert.deepEqual(without(set, ["THIEF", "car"]), {
      labels: ["criminal", "man", "woman"],
      categories: ["crime", "people", "people"],
    });
  });
  test("labels that mean the same", () => {
    assert.deepEqual(distinct(["Cat", "dog", "cat", "big_dog", "Big  dog"]), {
      labels: ["Cat", "dog", "big_dog"],
      again: ["cat", "Big  dog"],
    });
  });
  test("what is refused", () => {
    for (const [text, pattern] of [
      ["", /no labels/],
      [" ; ,", /no labels/],
      ["crime:", /"crime" has no labels/],
      [": a", /before the colon/],
      ["x: a; y: a", /"a" is in two categories, x and y/],
      ["x: a; a", /two categories/],
    ] as const)
      assert.throws(() => parseLabelSet(text), { name: "InputError", message: pattern });
    assert.throws(() => without(parseLabelSet("thief, man"), ["theif"]), /did you mean "thief"/);
  });
  test("shifts", () => {
    const before = { set: parseLabelSet("x: a, b; y: c"), predicted: [0, 1, 2, 2, 0] };
    const after = { set: parseLabelSet("x: a; y: c; d"), predicted: [2, 0, 1, 0, 0] };
    const [first, second] = groupShifts(["g", "h"], [0, 0, 0, 1, 1], before, after);
    assert.equal(first.total, 3);
    assert.deepEqual(first.categories, [
      { name: "x", before: 2, after: 1, gained: 0, lost: 1 },
      { name: "y", before: 1, after: 1, gained: 0, lost: 0 },
      { name: "d", before: 0, after: 1, gained: 1, lost: 0 },
    ]);
    assert.deepEqual(
      first.labels.map(({ name, before, after }) => [name, before, after]),
      [
        ["a", 1, 1],
        ["b", 1, 0],
        ["c", 1, 1],
        ["d", 0, 1],
      ],
    );
    assert.deepEqual(second.categories[0], { name: "x", before: 1, after: 2, gained: 1, lost: 0 });
  });
});

describe("pictures to ask about", () => {
  let root: string;
  const make = (dir: string, classes: Record<string, number>) => {
    for (const [name, count] of Object.entries(classes)) {
      mkdirSync(join(root, dir, name), { recursive: true });
      for (let i = 0; i < count; i++) writeFileSync(join(root, dir, name, `${i}.png`), "");
    }
    return join(root, dir);
  };
  before(() => {
    root = mkdtempSync(join(tmpdir(), "coop-labelled-"));
    make("split/train", { a: 3, b_c: 2 });
    make("split/test", { a: 2, b_c: 1 });
  });
  after(() => rmSync(root, { recursive: true }));

  test("a folder of classes: all, or a half", async () => {
    const dir = make("flat", { a: 4, b_c: 1 });
    writeFileSync(join(dir, "loose.jpg"), "");
    const all = await readLabelled(dir);
    assert.deepEqual(all.classNames, ["a", "b c"]);
    assert.deepEqual([all.items.length, all.part], [5, "all pictures"]);
    assert.match(all.notes[0], /1 without a class/);
    assert.equal((await readLabelled(make("alone", { a: 1 }), "all")).items.length, 1);
    const [train, held] = [
      await readLabelled(make("halves", { a: 5, b: 2 }), "train", 7),
      await readLabelled(join(root, "halves"), "test", 7),
    ];
    assert.deepEqual([train.items.length, held.items.length], [3, 4]);
    assert.match(held.part, /half that seed 7 holds out/);
    await assert.rejects(readLabelled(join(root, "halves"), "val"), /has no val pictures/);
  });
  test("splits", async () => {
    const dir = join(root, "split");
    const count = async (part?: "train" | "test" | "all") => (await readLabelled(dir, part)).items.length;
    assert.deepEqual([await count(), await count("train"), await count("test"), await count("all")], [3, 5, 3, 8]);
    assert.equal((await readLabelled(dir)).part, "the pictures of test/");
    await assert.rejects(readLabelled(dir, "val"), /no val pictures; its splits are train, test/);
  });
});
