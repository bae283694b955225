import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { fewShot, fewShotSplits, shotsAndValidation } from "../src/coop/few-shot.ts";
import { MersenneTwister } from "../src/coop/mersenne.ts";
import { InputError } from "../src/tensor/errors.ts";

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** What CPython 3.11 prints after `random.seed(seed)`, drawn in this order. */
const PYTHON = [
  {
    seed: 1,
    words: [577090037, 2444712010, 3639700191],
    floats: [0.8022650611681835, 0.06310682188770933],
    below1000: 120,
    bits5: 15,
    bits53: 4048658484850500,
    of20: [15, 12, 6, 3, 19],
    of100: [3, 49, 55],
    of1000: [
      622, 780, 785, 2, 712, 456, 272, 738, 821, 234, 605, 967, 104, 923, 325, 31, 22, 26, 665, 554, 9, 961, 902, 390,
      702, 221, 992, 432, 743, 29,
    ],
    shuffled: [2, 0, 4, 1, 5, 7, 6, 3],
  },
  {
    seed: 2,
    words: [4106135923, 3707026329, 4070888059],
    floats: [0.8490552757423473, 0.09158478740507359],
    below1000: 369,
    bits5: 26,
    bits53: 6629025049546820,
    of20: [9, 8, 6, 1, 5],
    of100: [55, 81, 50],
    of1000: [
      822, 740, 880, 521, 972, 380, 557, 958, 455, 514, 274, 922, 36, 891, 28, 372, 476, 954, 326, 929, 389, 433, 913,
      905, 538, 168, 573, 181, 241, 236,
    ],
    shuffled: [7, 3, 5, 4, 6, 2, 1, 0],
  },
  {
    seed: 3,
    words: [1022050301, 2545373330, 2337446730],
    floats: [0.13042279608514273, 0.9159448117309811],
    below1000: 485,
    bits5: 20,
    bits53: 590229785458941,
    of20: [19, 0, 15, 8, 7],
    of100: [24, 91, 60],
    of1000: [
      553, 856, 562, 487, 406, 654, 881, 154, 237, 650, 155, 888, 948, 535, 399, 759, 15, 687, 795, 65, 163, 776, 980,
      605, 43, 308, 798, 31, 843, 886,
    ],
    shuffled: [0, 2, 1, 5, 6, 7, 3, 4],
  },
  {
    seed: 2 ** 40 + 5,
    words: [2166296868, 2220160828, 1153647273],
    floats: [0.6637982795073579, 0.027427945516699803],
    below1000: 776,
    bits5: 26,
    bits53: 7085359591751971,
    of20: [1, 5, 2, 4, 7],
    of100: [83, 87, 17],
    of1000: [
      253, 671, 829, 389, 751, 124, 802, 566, 235, 478, 931, 56, 114, 978, 436, 45, 337, 912, 799, 449, 292, 133, 724,
      97, 834, 180, 681, 346, 58, 228,
    ],
    shuffled: [3, 6, 2, 5, 4, 1, 0, 7],
  },
];

for (const known of PYTHON)
  test(`MT19937 gives CPython's numbers for random.seed(${known.seed})`, () => {
    const random = new MersenneTwister(known.seed);
    assert.deepEqual(
      known.words.map(() => random.getrandbits(32)),
      known.words,
    );
    assert.deepEqual([random.random(), random.random()], known.floats);
    assert.equal(random.randbelow(1000), known.below1000);
    assert.equal(random.getrandbits(5), known.bits5);
    assert.equal(random.getrandbits(53), known.bits53);
    assert.deepEqual(random.sample(range(20), 5), known.of20);
    assert.deepEqual(random.sample(range(100), 3), known.of100);
    assert.deepEqual(random.sample(range(1000), 30), known.of1000);
    assert.deepEqual(random.shuffle(range(8)), known.shuffled);
  });

test("the reference sequence of init_by_array with the key of mt19937ar", () => {
  const random = new MersenneTwister([0x123, 0x234, 0x345, 0x456]);
  assert.deepEqual(
    range(5).map(() => random.getrandbits(32)),
    [1067595299, 955945823, 477289528, 4107218783, 4228976476],
  );
});

/** The same draws by Python: samples of every small (n, k), some large ones, and few-shot sets of uneven classes. */
const SCRIPT = `
import json, random, sys
from collections import OrderedDict
out = []
for seed in json.loads(sys.argv[1]):
    random.seed(seed)
    samples = [random.sample(range(n), k) for n in range(0, 45) for k in range(0, n + 1, 3)]
    samples += [random.sample(range(n), k) for n in (84, 85, 86, 277, 278, 1045, 5000) for k in (1, 5, 6, 16, 21, 22, 80)]
    wide = [random.getrandbits(b) for b in range(1, 54)] + [random._inst._randbelow(2**b + 1) for b in range(53)]
    order = list(range(100)); random.shuffle(order)
    random.seed(seed)
    def few(items, shots):
        groups = OrderedDict()
        for i, label in items: groups.setdefault(label, []).append(i)
        return [i for g in groups.values() for i in (random.sample(g, shots) if len(g) >= shots else g)]
    items = [(i, (i * i + i // 7) % 9) for i in range(300)]
    sets = []
    for shots in (1, 2, 4, 8, 16, 40):
        random.seed(seed); sets.append([few(items[:200], shots), few(items[200:], min(shots, 4))])
    out.append([samples, wide, order, sets])
print(json.dumps(out))
`;

test("samples, shuffles and few-shot sets equal CPython's over many sizes", (t) => {
  const seeds = [0, 1, 2, 3, 42, -7, 2 ** 32, 2 ** 53 - 1];
  const python = spawnSync("python3", ["-c", SCRIPT, JSON.stringify(seeds)], {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
    timeout: 60_000,
  });
  if (python.error) return t.skip(`python3 cannot be run here (${python.error.message})`);
  assert.equal(python.status, 0, python.stderr);
  const expected = JSON.parse(python.stdout) as unknown[];
  const items = range(300).map((i) => ({ i, label: (i * i + Math.floor(i / 7)) % 9 }));
  seeds.forEach((seed, s) => {
    const random = new MersenneTwister(seed);
    const samples: number[][] = [];
    for (let n = 0; n < 45; n++) for (let k = 0; k <= n; k += 3) samples.push(random.sample(range(n), k));
    for (const n of [84, 85, 86, 277, 278, 1045, 5000])
      for (const k of [1, 5, 6, 16, 21, 22, 80]) samples.push(random.sample(range(n), k));
    const wide = range(53).map((b) => random.getrandbits(b + 1));
    wide.push(...range(53).map((b) => random.randbelow(2 ** b + 1)));
    const order = random.shuffle(range(100));
    const sets = [1, 2, 4, 8, 16, 40].map((shots) => {
      const { train, val } = fewShotSplits({ train: items.slice(0, 200), val: items.slice(200) }, shots, seed);
      return [train.map((item) => item.i), val.map((item) => item.i)];
    });
    assert.deepEqual([samples, wide, order, sets], expected[s], `seed ${seed}`);
  });
});

test("a few-shot set: groups in order of first appearance, small groups whole, no picture twice", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(5), { maxLength: 80 }),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(1000),
      (labels, n, seed) => {
        const items = labels.map((label, i) => ({ label, i }));
        const drawn = fewShot(items, n, new MersenneTwister(seed));
        assert.equal(new Set(drawn).size, drawn.length);
        assert.deepEqual([...new Set(drawn.map((d) => d.label))], [...new Set(labels)]);
        for (const label of new Set(labels)) {
          const all = items.filter((item) => item.label === label);
          const some = drawn.filter((item) => item.label === label);
          if (all.length < n) assert.deepEqual(some, all);
          else assert.equal(some.length, n);
        }
      },
    ),
  );
});

test("bad numbers are named, not used", () => {
  assert.throws(() => new MersenneTwister(1.5), InputError);
  assert.throws(() => new MersenneTwister(Number.NaN), /seed must be a whole number/);
  assert.throws(() => new MersenneTwister([]), InputError);
  const random = new MersenneTwister(1);
  assert.throws(() => random.randbelow(0), InputError);
  assert.throws(() => random.getrandbits(54), InputError);
  assert.throws(() => random.sample([1, 2], 3), /Cannot draw 3 of 2/);
  assert.throws(() => fewShot([{ label: 0 }], 0, random), /shots must be a whole number from 1/);
});

test("shots and validation: the same shots; without val, train pictures that are no shots", () => {
  const items = (split: string, n: number) => range(n).map((i) => ({ label: i % 3, id: `${split}${i}` }));
  const [train, val] = [items("t", 24), items("v", 12)];
  for (const seed of [1, 2, 3]) {
    assert.deepEqual(shotsAndValidation({ train, val }, 4, 4, seed), fewShotSplits({ train, val }, 4, seed));
    const without = shotsAndValidation({ train, val: [] }, 5, 2, seed);
    assert.deepEqual(without.train, fewShotSplits({ train, val: [] }, 5, seed).train);
    assert.equal(without.val.length, 6);
    assert.ok(without.val.every((item) => train.includes(item) && !without.train.includes(item)));
    assert.deepEqual(shotsAndValidation({ train, val: [] }, 8, 2, seed).val, []);
  }
});
