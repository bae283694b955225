import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { valueAndGrad } from "../src/autograd/index.ts";
import { packSequences } from "../src/clip/index.ts";
import { layoutPrompts, type Position, packPrompts, promptLearner } from "../src/coop/index.ts";
import { compile, key, normal, read, tensor } from "../src/tensor/index.ts";
import { MORE, SEED } from "./gpu-settings.ts";
import { classNames, randomClip } from "./random-clip.ts";

const TIMEOUT = { timeout: 120_000 };

/** Sequences of small numbers, many of which begin alike. */
const sequences = fc
  .tuple(
    fc.array(fc.nat(2), { maxLength: 4 }),
    fc.array(fc.array(fc.nat(2), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 }),
  )
  .map(([start, rest]) => rest.map((end) => [...start, ...end]));

/** The items that a row sees, in order, its own last. */
const seenBy = (items: readonly unknown[], [a, b, c, d]: readonly number[]): unknown[] => [
  ...items.slice(a, b),
  ...items.slice(c, d),
];

describe("packed sequences", TIMEOUT, () => {
  for (const [kind, isConstant] of [
    ["", undefined],
    [", constant beginnings set apart", (item: number) => item > 0],
  ] as const) {
    test(`every row sees its own beginning, and the end rows see whole sequences${kind}`, async () => {
      const all = fc.sample(fc.noBias(sequences), { numRuns: 60 * MORE, seed: SEED });
      const packed = all.map((texts) => packSequences(texts, (item) => item, { contextLength: 9, isConstant }));
      const arrays = await read(packed.map(({ rows, constants }) => ({ rows, constants: constants.all ?? null })));
      let apart = 0;
      for (const [n, texts] of all.entries()) {
        const { items, positions, shared, constants } = packed[n];
        const { rows, constants: among } = arrays[n];
        const keys = [...constants.items, ...items];
        const spans = (of: ArrayLike<number>, row: number) => Array.from(of).slice(4 * row, 4 * row + 4);
        constants.positions.forEach((t, row) => {
          const seen = seenBy(constants.items, spans(among!.spans, row));
          assert.equal(seen.length, t + 1);
          assert.ok(seen.every((item) => isConstant!(item as number)));
          assert.ok(texts.some((text) => seen.every((item, i) => item === text[i])));
        });
        let varying = shared;
        texts.forEach((text, k) => {
          const end = rows.ends.index[k];
          assert.deepEqual(seenBy(keys, spans(rows.all.spans, end)), text);
          assert.deepEqual(seenBy(keys, spans(rows.last!.spans, k)), text);
          const leading = text.findIndex((item) => !isConstant?.(item));
          const first = among ? Math.min(text.length - 1, leading < 0 ? text.length : leading) : shared;
          for (let t = first; t < text.length; t++) {
            const row = end - (text.length - 1 - t);
            assert.equal(positions[row], t);
            assert.deepEqual(seenBy(keys, spans(rows.all.spans, row)), text.slice(0, t + 1));
          }
          varying += text.length - first;
        });
        assert.equal(items.length, varying);
        if (among) apart++;
        const common = texts.every((text) => text.length > shared + 1 && text[shared] === texts[0][shared]);
        assert.ok(among || !common, "all begin with one item more than is shared");
      }
      assert.equal(apart > 10, isConstant !== undefined);
    });
  }

  test("copies are the same rows once more, and see nothing of one another", async () => {
    const all = fc.sample(fc.noBias(sequences), { numRuns: 20 * MORE, seed: SEED + 2 });
    const options = { contextLength: 9, isConstant: (item: number) => item > 0 };
    for (const texts of all) {
      const one = packSequences(texts, (item) => item, { contextLength: 9 });
      const three = packSequences(texts, (item) => item, { ...options, copies: 3 });
      assert.deepEqual([three.items, three.positions, three.shared], [one.items, one.positions, one.shared]);
      assert.equal(three.constants.items.length, 0);
      const [a, b] = await read([one.rows, three.rows]);
      const size = one.items.length;
      const shifted = (of: ArrayLike<number>, by: number) =>
        [0, 1, 2].flatMap((copy) => Array.from(of, (x) => x + copy * by));
      assert.deepEqual([...b.positions.index], shifted(a.positions.index, 0));
      assert.deepEqual([...b.ends.index], shifted(a.ends.index, size));
      assert.deepEqual([...b.all.spans], shifted(a.all.spans, size));
      assert.deepEqual([...b.last!.spans], shifted(a.last!.spans, size));
    }
  });

  test("readers are the transpose of spans", async () => {
    for (const texts of fc.sample(fc.noBias(sequences), { numRuns: 20 * MORE, seed: SEED + 1 })) {
      const copies = 1 + (texts.length % 3);
      const { items, rows } = packSequences(texts, (item) => item, { contextLength: 9, copies });
      for (const pattern of [rows.all, rows.last!]) {
        const { spans, readers } = await read(pattern);
        const sees = (table: ArrayLike<number>, row: number, other: number) =>
          [0, 2].some((s) => other >= table[4 * row + s] && other < table[4 * row + s + 1]);
        for (let query = 0; query < spans.length / 4; query++)
          for (let k = 0; k < copies * items.length; k++)
            assert.equal(sees(spans, query, k), sees(readers, k, query), `query ${query}, key ${k}`);
      }
    }
  });
});

describe("packed prompts", { timeout: 240_000 }, () => {
  for (const layers of [1, 2]) {
    for (const position of ["end", "middle", "front"] as Position[]) {
      for (const classSpecific of [false, true]) {
        test(`${position}, ${classSpecific ? "class-specific" : "unified"}, ${layers} layers: values and gradients of the plain computation`, async () => {
          const clip = await randomClip(layers);
          for (const names of fc.sample(fc.noBias(classNames), { numRuns: 2 * MORE, seed: SEED + layers })) {
            const options = { position, classSpecific, contextTokens: 5 };
            const shape = classSpecific ? [names.length, 5, 16] : [5, 16];
            const params = { context: normal(key(9), shape) };
            const batch = {
              features: normal(key(10), [3, 12]),
              labels: tensor(Int32Array.from([0, 1, names.length - 1])),
            };
            const results = [true, false].map((plain) => {
              const learner = promptLearner(clip, names, { ...options, plain });
              return compile((p: typeof params) => [
                learner.textFeatures(p),
                ...valueAndGrad(learner.loss)(p, batch).map((x) => ("context" in x ? x.context : x)),
              ])(params);
            });
            const [plain, packed] = (await read(results)) as Float32Array[][];
            plain.forEach((expected, i) => {
              const largest = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
              const error = expected.reduce((most, v, j) => Math.max(most, Math.abs(v - packed[i][j])), 0);
              assert.ok(error <= 2e-5 * largest, `result ${i} of ${names}: off by ${error} of ${largest}`);
            });
          }
        });
      }
    }
  }

  test("rows are what the layout promises: one prefix, no padding", async () => {
    const clip = await randomClip(1);
    const names = ["2", "3 4 5 2 3", "4 5"];
    const rowsOf = (position: Position, classSpecific: boolean, plain = false) => {
      const prompts = layoutPrompts(clip, names, { contextTokens: 4, position, classSpecific });
      const { tokens, constants } = packPrompts(clip, prompts, { vectors: classSpecific ? 12 : 4, plain });
      return [tokens.shape[0], constants?.tokens.shape[0] ?? 0];
    };
    assert.deepEqual(rowsOf("end", false), [1 + 4 + (1 + 5 + 2) + 3 * 2, 0]);
    assert.deepEqual(rowsOf("middle", false), [1 + 2 + (1 + 5 + 2) + 3 * (2 + 2), 0]);
    assert.deepEqual(rowsOf("front", false), [3 * (4 + 2), 3 * 1 + (1 + 5 + 2)]);
    assert.deepEqual(rowsOf("end", true), [1 + (1 + 5 + 2) + 3 * (4 + 2), 0]);
    assert.deepEqual(rowsOf("end", false, true), [3 * 15, 0]);
  });
});
