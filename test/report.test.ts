import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { displayWidth, duration, formatTable, type ProgressOptions, progress } from "../src/coop/progress.ts";
import { type Report, reportHtml } from "../src/coop/report.ts";
import { confusionChart, html, lineChart, niceTicks } from "../src/coop/report-charts.ts";
import { confusionMatrix } from "../src/coop/score.ts";

const CLASSES = ["cat", '<script>alert("x")</script>', "größe & 猫 | שלום"];
const REPORT: Report = {
  title: 'pets </title><img src=x onerror="y">',
  command: ["npx", "coop", "train", "my <pets>"],
  config: {
    model: { name: "models/tiny", revision: null, sha256: "0f".repeat(32) },
    classes: CLASSES,
    options: { contextTokens: 16, tokenDim: 512, position: "end", classSpecific: false, initText: null },
    recipe: {
      shots: 2,
      epochs: 3,
      batchSize: 6,
      learningRate: 0.002,
      warmupLearningRate: 1e-5,
      momentum: 0.9,
      weightDecay: 5e-4,
      seed: 1,
      augmentation: "none",
    },
    metrics: {
      zeroShot: { correct: 2, total: 5, templates: ["a photo of a {}."] },
      coop: { correct: 4, total: 5 },
    },
    versions: { coop: "0.1.0" },
  },
  epochs: [
    { epoch: 1, loss: 2.25, learningRate: 1e-5, heldOutAccuracy: 0.4 },
    { epoch: 2, loss: 1.5, learningRate: 0.002, heldOutAccuracy: 0.6 },
    { epoch: 3, loss: 0.75, learningRate: 0.0015, heldOutAccuracy: 0.8 },
  ],
  splits: {
    seed: 1,
    shots: 2,
    layout: "flat",
    train: [{ path: 'cat/"><b>.jpg', label: 0, className: "cat" }],
    val: [],
    test: [0, 0, 1, 1, 2].map((label, i) => ({ path: `${i}.png`, label, className: CLASSES[label] })),
  },
  zeroShot: confusionMatrix([0, 0, 1, 1, 2], [0, 1, 1, 0, 0], 3),
  coop: confusionMatrix([0, 0, 1, 1, 2], [0, 0, 1, 0, 2], 3),
  notes: ["1 <hidden> file left out."],
};

const VOID = new Set(["meta", "br", "img", "input", "link", "hr"]);

/** Every tag is closed, in order; returns the names of the elements. */
function wellFormed(text: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  const body = text.replace(/^<!doctype html>/, "").replace(/<style>[\s\S]*?<\/style>/, "");
  for (const [tag, slash, name, rest] of body.matchAll(/<(\/?)([a-zA-Z][\w-]*)((?:[^<>"']|"[^"<]*"|'[^'<]*')*)>/g)) {
    names.push(name);
    if (slash) assert.equal(open.pop(), name, `${tag} closes nothing`);
    else if (!rest.endsWith("/") && !VOID.has(name)) open.push(name);
    assert.ok(!/\s(on\w+|src|href|srcset|data)\s*=/.test(rest), `${tag} does or loads something`);
  }
  assert.deepEqual(open, []);
  const outside = body.replace(/<\/?[a-zA-Z][\w-]*(?:[^<>"']|"[^"<]*"|'[^'<]*')*>/g, "");
  assert.ok(!outside.includes("<"), "a stray <");
  assert.ok(!/&(?!(amp|lt|gt|quot|#39);)/.test(outside), "a stray &");
  return names;
}

test("the page is well-formed, needs nothing else, and shows the numbers", () => {
  const page = reportHtml(REPORT);
  const names = wellFormed(page);
  for (const forbidden of ["script", "img", "link", "iframe", "b><"]) assert.ok(!names.includes(forbidden), forbidden);
  assert.ok(!/url\(|@import|https?:(?!\/\/www\.w3\.org\/2000\/svg)/.test(page), "an outside resource");
  assert.match(page, /40\.0 %/);
  assert.match(page, /80\.0 %/);
  assert.match(page, /4 of 5/);
  assert.match(page, /CoOp is 40\.0 points above zero-shot/);
  assert.match(page, /zero-shot 40\.0 %/); // the level in the curve
  assert.equal(names.filter((name) => name === "svg").length, 2 * 4);
  assert.ok(page.includes("npx coop train &#39;my &lt;pets&gt;&#39;"));
  assert.ok(page.includes("prefers-color-scheme: dark"));
  assert.equal(reportHtml(REPORT), page);
});

test("any names, counts and losses give a well-formed page", () => {
  const size = fc.integer({ min: 1, max: 5 });
  const arbitrary = size.chain((k) =>
    fc.record({
      classes: fc.array(fc.string({ unit: "binary" }), { minLength: k, maxLength: k }),
      counts: fc.array(fc.array(fc.nat(50), { minLength: k, maxLength: k }), { minLength: k, maxLength: k }),
      losses: fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { maxLength: 30 }),
      title: fc.string({ unit: "binary" }),
    }),
  );
  fc.assert(
    fc.property(arbitrary, ({ classes, counts, losses, title }) => {
      const epochs = losses.map((loss, i) => ({ epoch: i + 1, loss, learningRate: 0.002 }));
      const config = { ...REPORT.config, classes };
      const page = reportHtml({ ...REPORT, title, config, epochs, zeroShot: counts, coop: counts, notes: classes });
      wellFormed(page);
      assert.ok(
        !/NaN|Infinity|undefined/.test(
          page.replace(/<bdi>[\s\S]*?<\/bdi>|<title>[\s\S]*?<\/title>|<text class="name"[\s\S]*?<\/text>/g, ""),
        ),
      );
    }),
    { numRuns: 60 },
  );
});

test("without held-out pictures, or with a thousand classes, the page still says what it knows", () => {
  const none = confusionMatrix([], [], 3);
  const page = reportHtml({ ...REPORT, zeroShot: none, coop: none, epochs: [], notes: [] });
  wellFormed(page);
  assert.match(page, /no held-out pictures to test on/);
  const many = Array.from({ length: 1000 }, (_, i) => `class ${i}`);
  const labels = many.map((_, i) => i);
  const coop = confusionMatrix(
    labels,
    labels.map((i) => (i % 10 ? i : (i + 1) % 1000)),
    1000,
  );
  const big = reportHtml({ ...REPORT, config: { ...REPORT.config, classes: many }, zeroShot: coop, coop });
  wellFormed(big);
  assert.ok(big.length < 1_500_000, `${big.length} characters`);
  assert.match(big, /taken for/);
});

test("charts are pictures that a renderer takes", async (t) => {
  const sharp = await import("sharp").then((module) => module.default).catch(() => undefined);
  if (!sharp) return t.skip("sharp is not installed");
  const points = Array.from({ length: 200 }, (_, i) => ({ x: i + 1, y: Math.exp(-i / 40) }));
  const level = { y: 0.5, name: "zero-shot & <more>" };
  const charts = [
    lineChart({ title: "loss", points, level, format: String, from: 0 }),
    lineChart({ title: "one epoch", points: points.slice(0, 1), format: String }),
    confusionChart(REPORT.coop, CLASSES, "confusion"),
  ];
  for (const chart of charts) {
    const { width, height } = await sharp(Buffer.from(chart)).png().metadata();
    assert.ok(width && height && width > 100 && height > 100);
  }
});

test("ticks are round numbers that enclose the values", () => {
  assert.deepEqual(niceTicks(0, 2.25, 4), [0, 1, 2, 3]);
  assert.deepEqual(niceTicks(0.62, 0.88, 4), [0.6, 0.7, 0.8, 0.9]);
  assert.deepEqual(niceTicks(1, 1, 4).at(-1), 1);
  assert.deepEqual(niceTicks(0, 0, 4)[0], 0);
  const value = fc.double({ min: 0, max: 1e5, noNaN: true }).map((x) => Number(x.toPrecision(6)));
  fc.assert(
    fc.property(value, value, fc.integer({ min: 2, max: 6 }), (a, b, count) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      const ticks = niceTicks(low, high, count);
      const slack = 1e-6 * (high || 1);
      assert.ok(ticks.length >= 2 && ticks.length <= count + 3, `${ticks}`);
      assert.ok(ticks[0] <= low + slack && ticks[ticks.length - 1] >= high - slack, `${low} ${high}: ${ticks}`);
    }),
  );
});

test("text from outside is escaped", () => {
  assert.equal(html(`<a href="x" title='y'>&`), "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;");
  assert.equal(html("a\u0000b\u0007c\nd"), "a\ufffdb\ufffdc\nd");
});

/** A stream that remembers, and a clock that is set by hand. */
function recorder(options: ProgressOptions & { isTTY?: boolean; columns?: number } = {}) {
  const written: string[] = [];
  const clock = { time: 0 };
  const stream = { write: (text: string) => written.push(text), isTTY: options.isTTY, columns: options.columns };
  return { written, clock, options: { env: {}, ...options, stream, now: () => clock.time } };
}

test("in a pipe: a line about every tenth, with the time left", () => {
  const { written, clock, options } = recorder();
  const bar = progress("training", 200, options);
  for (let step = 1; step <= 200; step++) {
    clock.time += 100;
    bar.update(step, `loss ${(2 / step).toFixed(2)}`);
  }
  bar.finish("loss 0.01");
  bar.update(200);
  bar.finish();
  assert.equal(written.length, 10);
  assert.equal(written[0], "training 20/200, loss 0.10, 18 s left\n");
  assert.equal(written[9], "training 20 s, loss 0.01\n");
  assert.ok(written.every((line) => !line.includes("\x1b")));
});

test("on a terminal: one line, redrawn, not wider than the terminal, no colour under NO_COLOR", () => {
  for (const [env, columns] of [
    [{}, 80],
    [{ NO_COLOR: "1" }, 40],
    [{}, 12],
  ] as const) {
    const { written, clock, options } = recorder({ isTTY: true, columns, env });
    const bar = progress("train", 100, options);
    for (let step = 1; step <= 100; step++) {
      clock.time += 50;
      bar.update(step, "loss 1");
    }
    bar.log("note");
    bar.finish();
    assert.ok(written.length > 10 && written.length < 100);
    for (const text of written.slice(0, -2)) {
      assert.ok(text.startsWith("\r\x1b[K") && !text.includes("\n"));
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      const shown = text.replace(/\r|\x1b\[[\d;]*[mK]/g, "");
      if (columns > 30) assert.ok(displayWidth(shown) <= columns, shown);
      assert.equal(text.includes("\x1b[36m"), columns === 80);
    }
    assert.equal(written.at(-2), "\r\x1b[Knote\n");
    assert.equal(written.at(-1), "\r\x1b[Ktrain 5.0 s\n");
  }
});

test("in a CI there are lines even on a terminal; silent writes nothing", () => {
  const ci = recorder({ isTTY: true, env: { CI: "true" } });
  progress("x", 2, ci.options).update(1);
  assert.deepEqual(ci.written, ["x 1/2, 0.0 s left\n"]);
  const silent = recorder({ mode: "silent" });
  const bar = progress("x", 2, silent.options);
  bar.update(1);
  bar.log("y");
  bar.finish();
  assert.deepEqual(silent.written, []);
});

test("durations and tables", () => {
  const times = [400, 12_000, 59_700, 200_000, 7_500_000].map(duration);
  assert.deepEqual(times, ["0.4 s", "12 s", "1 min 0 s", "3 min 20 s", "2 h 5 min"]);
  const rows = [
    ["", "accuracy", "pictures"],
    ["zero-shot", "62.4 %", 245],
    ["CoOp", "100.0 %", 7],
    ["猫", "–", ""],
  ];
  assert.equal(
    formatTable(rows),
    "           accuracy  pictures\nzero-shot    62.4 %       245\nCoOp        100.0 %         7\n猫                –\n",
  );
  assert.equal(formatTable([]), "");
  assert.equal(displayWidth("é🐈猫a"), 6);
});
