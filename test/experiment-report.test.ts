// The page about results, the comparison of two files, and the commands, on results that are made up or drawn.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseHTML } from "linkedom";
import sharp from "sharp";
import {
  compareResults,
  comparisonMarkdown,
  experimentReport,
  type JsonRecord,
  parseResults,
  type Result,
} from "../src/coop/experiments/index.ts";
import { PICTURE_SIZE, taskPictures } from "../src/world/index.ts";
import { coopHere } from "./coop-here.ts";

const TIMEOUT = { timeout: 240_000 };
const NASTY = 'cars & "<trucks>"';
let root: string;
before(() => {
  process.env.COOP_QUIET = "1";
  root = mkdtempSync(join(tmpdir(), "coop-report-"));
});
after(() => rmSync(root, { recursive: true }));

let made = 0;
function result(
  dataset: string,
  method: { name: string; kind: string; options?: JsonRecord },
  [shots, seed, correct]: readonly [shots: number, seed: number, correct: number],
  changes: Partial<Result> = {},
): Result {
  return {
    id: `${made++}`,
    work: `${made}`,
    dataset: { name: dataset, fingerprint: "f" },
    model: { name: "tiny-clip", sha256: "0".repeat(64) },
    method: { options: {}, ...method },
    classes: "all",
    ...{ shots, seed, labelNoise: 0 },
    ...{ accuracy: correct / 1000, correct, total: 1000 },
    ...{ newClasses: null, shifts: {}, loss: null, steps: null, step: null, found: {} },
    ...{ seconds: 2, coop: "0", adapter: "here" },
    ...changes,
  };
}

const hand = { name: "zero-shot", kind: "zero-shot" };
const probe = { name: "linear probe", kind: "probe" };
const coop = (name: string, options: JsonRecord) => ({
  name,
  kind: "coop",
  options: { contextTokens: 4, position: "end", classSpecific: false, init: null, learningRate: 0.002, ...options },
});
const end = coop("CoOp", {});
const methods = [
  end,
  coop("middle", { position: "middle" }),
  coop("CSC", { classSpecific: true }),
  coop("M8", { contextTokens: 8 }),
  coop("words", { init: "a photo of a" }),
];

/** Two datasets, two seeds, 1 and 16 shots; CoOp gains 20.5 points on one and loses 10 on the other. */
const RESULTS: Result[] = [
  result(NASTY, hand, [0, 0, 500], { shifts: { sketch: { correct: 100, total: 400 } } }),
  result("pets", hand, [0, 0, 900]),
  ...methods.flatMap((method) =>
    [1, 16].flatMap((shots) =>
      [1, 2].flatMap((seed) => [
        result(NASTY, method, [shots, seed, shots === 16 ? 700 + 10 * (seed - 1) : 400], {
          step: { flops: 5e6, bytes: 2e6, memory: 3e5 },
          steps: 10 * shots,
          shifts: { sketch: { correct: 200 + 40 * seed, total: 400 } },
        }),
        result("pets", method, [shots, seed, 800], {
          step: { flops: 5e6, bytes: 2e6, memory: 3e5 },
          steps: 10 * shots,
        }),
      ]),
    ),
  ),
  ...[1, 16].map((shots) => result("pets", probe, [shots, 1, 40 * shots])),
  result("pets", end, [16, 1, 600], { classes: "base", newClasses: { correct: 30, total: 100 } }),
  result("pets", end, [16, 1, 500], { labelNoise: 0.4 }),
];

const open = (page: string) => parseHTML(page).document;
const rowsOf = (page: string, caption: RegExp): string[][] => {
  const tables = [...open(page).querySelectorAll("table")];
  const table = tables.find((one) => caption.test(one.querySelector("caption")!.textContent!));
  assert.ok(table, `${caption}`);
  return [...table.querySelectorAll("tr")].map((row) => [...row.querySelectorAll("th, td")].map((c) => c.textContent!));
};

test("the page: right numbers in tables and figures, and nothing from elsewhere", async () => {
  const page = await experimentReport(RESULTS, { title: "<b>Try & see", source: "results.jsonl" });
  assert.doesNotMatch(page, /<script|<link|<img|href=|src=|NaN|undefined|\[object/);
  assert.doesNotMatch(page.replaceAll("http://www.w3.org/2000/svg", ""), /https?:/);
  assert.match(page, /<h1><bdi>&lt;b&gt;Try &amp; see<\/bdi><\/h1>/);
  assert.match(page, new RegExp(`${RESULTS.length} runs with tiny-clip \\(000000000000\\)`));

  const accuracies = rowsOf(page, /^Accuracy in percent, mean ± population/);
  const row = (...start: string[]) => accuracies.find((cells) => start.every((text, i) => cells[i] === text))!;
  assert.deepEqual(accuracies[0], ["dataset", "method", "no shots", "1 shot", "16 shots"]);
  assert.deepEqual(row(NASTY, "CoOp").slice(2), ["", "40.0 ± 0.0", "70.5 ± 0.5"]);
  assert.deepEqual(row("pets", "linear probe").slice(2), ["", "4.0", "64.0"]);
  assert.deepEqual(row("mean of 2", "zero-shot").slice(2), ["70.0", "", ""]);
  assert.deepEqual(row("mean of 2", "CoOp").slice(2), ["", "60.0 ± 0.0", "75.3 ± 0.3"]);
  assert.equal(row("mean of 2", "linear probe"), undefined);

  assert.deepEqual(
    rowsOf(page, /learned from 16 shots of cars/).find(([, method]) => method === "CoOp"),
    ["tiny-clip", "CoOp", "70.5 ± 0.5", "65.0 ± 5.0", "65.0"],
  );
  assert.deepEqual(rowsOf(page, /harmonic mean/)[1], ["pets", "tiny-clip", "CoOp, 16 shots", "60.0", "30.0", "40.0"]);
  assert.deepEqual(
    rowsOf(page, /^One run:/).find(([, method, shots]) => method === "CoOp" && shots === "16"),
    ["tiny-clip", "CoOp", "16", "2.00", "160", "5.0", "2.0", "0.3", "0.80"],
  );

  const document = open(page);
  const figures = [...document.querySelectorAll("figure")].map((figure) => ({
    title: figure.querySelector("h3")!.textContent!,
    says: figure.querySelector("svg[role=img]")!.getAttribute("aria-label")!,
    svg: figure.querySelector("svg")!,
  }));
  const figure = (title: string) => figures.find((one) => one.title === title)!;
  assert.deepEqual(
    figures.map(({ title }) => title),
    [
      "Mean of 2 datasets",
      NASTY,
      "pets",
      ...methods.map(({ name }) => `${name}, 16 shots, over zero-shot`),
      "Place of the class name, unified and class-specific context",
      "Length of the context",
      "What the context begins as",
      "pets, 16 shots",
    ],
  );
  assert.match(figure("pets").says, /zero-shot 90\.0 %; .*CoOp 80\.0 ± 0\.0 % \(1\) to 80\.0 ± 0\.0 % \(16\)/);
  assert.match(figure("CoOp, 16 shots, over zero-shot").says, /cars & "<trucks>" \+20\.5, pets −10\.0$/);
  assert.match(figure("Length of the context").says, /end, unified 75\.3 ± 0\.3 % \(4\) to 75\.3 ± 0\.3 % \(8\)/);
  assert.match(figure("pets, 16 shots").says, /CoOp 80\.0 ± 0\.0 % \(0 %\) to 50\.0 % \(40 %\)/);
  // one line a learned method, the probe's dashed; a star for what learns nothing; a text for each dot
  const pets = figure("pets").svg;
  assert.equal(pets.querySelectorAll('g[aria-label="line"][stroke-dasharray] path').length, 1);
  assert.equal(pets.querySelectorAll('g[aria-label="line"] path').length, 1 + methods.length);
  const tips = [...pets.querySelectorAll("title")].map(({ textContent }) => textContent);
  assert.ok(tips.includes("zero-shot: 90.0 %") && tips.includes("linear probe, 16 shots: 64.0 %"), `${tips}`);
  // where the numbers stand: higher is better, equal is level
  const [, first, last] = /^M[\d.]+,([\d.]+)L[\d.]+,([\d.]+)$/.exec(
    figure(NASTY).svg.querySelector('g[aria-label="line"]:not([stroke-dasharray]) path')!.getAttribute("d")!,
  )!;
  assert.ok(Number(last) < Number(first));
});

test("a page of hand-written prompts alone has a table and no empty figure", async () => {
  const page = await experimentReport(RESULTS.slice(0, 2), { title: "t", source: "r" });
  assert.equal(open(page).querySelectorAll("figure").length, 0);
  assert.equal(rowsOf(page, /^Accuracy in percent, mean/).length, 1 + 3);
});

test("several models are compared on the datasets that all have", async () => {
  const other = RESULTS.slice(1).map((one) => ({ ...one, model: { name: "RN50", sha256: "1".repeat(64) } }));
  const document = open(await experimentReport([...RESULTS, ...other], { title: "t", source: "r" }));
  const figure = [...document.querySelectorAll("figure")].find(
    (one) => one.querySelector("h3")!.textContent === "Accuracy by model",
  )!;
  assert.match(figure.querySelector("p")!.textContent!, /16 shots; mean of 2 datasets/);
  const says = figure.querySelector("svg")!.getAttribute("aria-label")!;
  assert.match(says, /zero-shot 70\.0 %; CoOp 75\.3 ± 0\.3 % \(tiny-clip\) to 75\.3 ± 0\.3 % \(RN50\)/);
});

test("two files side by side: differences seed by seed", () => {
  const b = [
    result(NASTY, end, [16, 1, 750]),
    result(NASTY, end, [16, 2, 700]),
    result(NASTY, end, [16, 3, 100]),
    result("new", end, [16, 1, 100]),
  ];
  const rows = compareResults(RESULTS, b);
  const row = rows.find((one) => one.dataset === NASTY && one.method === "CoOp" && one.shots === 16)!;
  assert.ok(Math.abs(row.a!.mean - 0.705) < 1e-12 && row.a!.count === 2 && row.b!.count === 3);
  assert.ok(Math.abs(row.difference!.mean - 0.02) < 1e-12 && Math.abs(row.difference!.deviation - 0.03) < 1e-12);
  assert.equal(rows.filter(({ difference }) => difference).length, 1);
  assert.equal(rows.at(-1)!.a, null);
  const markdown = comparisonMarkdown([row, rows.at(-1)!], ["A", "B"]).split("\n");
  assert.equal(markdown[0], "| dataset | method | shots | A | B | B − A | seeds |");
  assert.equal(markdown[2], `| ${NASTY} | CoOp | 16 | 70.5 ± 0.5 | 51.7 ± 29.5 | +2.0 ± 3.0 | 2, 3, both 2 |`);
  assert.equal(markdown[3], "| new | CoOp | 16 | – | 10.0 | – | 0, 1, both 0 |");
});

async function draw(dir: string, shift?: "inverted") {
  for (const split of ["train", "test"] as const) {
    const { pixels, labels, classNames } = taskPictures("objects", { perClass: 3, seed: 3, split, shift });
    for (const [i, data] of pixels.entries()) {
      if (labels[i] >= 3) continue;
      const folder = join(dir, ...(shift ? [] : [split]), classNames[labels[i]]);
      mkdirSync(folder, { recursive: true });
      const raw = { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } as const;
      await sharp(data, { raw })
        .png()
        .toFile(join(folder, `${split}-${i}.png`));
    }
  }
}

test("coop bench, report and compare on folders of pictures", TIMEOUT, async () => {
  const [pictures, inverted, out] = ["pictures", "inverted", "out"].map((name) => join(root, name));
  await draw(pictures);
  await draw(inverted, "inverted");
  const file = join(root, "try.json");
  const spec = {
    name: "a try",
    datasets: [{ name: "shapes", source: pictures, shifts: { inverted } }],
    shots: [2],
    seeds: [1, 2],
    methods: [
      { kind: "zero-shot" },
      { name: "naive", kind: "zero-shot", template: "a {}." },
      { name: "CoOp", kind: "coop", contextTokens: 2, epochs: 2 },
    ],
  };
  writeFileSync(file, JSON.stringify(spec));

  const dry = await coopHere("bench", file, "--out", out, "--dry-run", "--json");
  assert.equal(dry.code, 0, dry.stderr);
  assert.equal(JSON.parse(dry.stdout).runs.length, 4);
  assert.match(dry.stderr, /4 of 4 runs are left\./);
  assert.ok(!existsSync(out));

  const some = await coopHere("bench", file, "--out", out, "--only", "naive");
  assert.equal(some.code, 0, some.stderr);
  assert.match(some.stdout, /dataset +method +no shots\nshapes +naive +\d+\.\d/);
  const results = join(out, "results.jsonl");
  const [line] = readFileSync(results, "utf8").split("\n");

  const all = await coopHere("bench", file, "--out", out, "--json");
  assert.equal(all.code, 0, all.stderr);
  assert.match(all.stderr, /3 of 4 runs are left/);
  const { complete, results: found } = JSON.parse(all.stdout);
  assert.ok(complete && found.length === 4);
  assert.equal(readFileSync(results, "utf8").split("\n")[0], line);
  const written = [...parseResults(readFileSync(results, "utf8")).values()];
  assert.deepEqual(
    written.map(({ total, shifts }) => [total, shifts.inverted.total]),
    Array(4).fill([9, 18]),
  );
  assert.match(readFileSync(join(out, "report.html"), "utf8"), /<h1><bdi>a try<\/bdi><\/h1>/);
  const again = await coopHere("bench", file, "--out", out);
  assert.match(again.stderr, /0 of 4 runs are left/);

  const page = join(root, "page.html");
  assert.equal((await coopHere("report", results, "--out", page)).stdout, `report: ${page}\n`);
  assert.equal(rowsOf(readFileSync(page, "utf8"), /^One run:/).length, 1 + 3);

  const same = await coopHere("compare", results, results);
  assert.match(same.stdout, /\| shapes \| CoOp \| 2 \| .* \| \+0\.0 ± 0\.0 \| 2 \|/);
  assert.equal(JSON.parse((await coopHere("compare", results, results, "--json")).stdout).rows.length, 3);

  const other = join(root, "other.json");
  writeFileSync(other, JSON.stringify({ ...spec, datasets: [{ ...spec.datasets[0], source: inverted }] }));
  const broken = join(root, "broken.jsonl");
  writeFileSync(broken, "no JSON\n{}\n");
  for (const [words, code, pattern] of [
    [["bench"], 2, /SPEC\.json is missing/],
    [["bench", join(root, "nowhere.json")], 1, /nowhere\.json: there is no such file/],
    [["bench", file, "--only", "navie"], 1, /did you mean "naive"/],
    [["bench", other, "--out", out], 1, /not those of the results so far: choose another --out/],
    [["report", broken], 1, /broken\.jsonl, line 1 is not JSON/],
    [["compare", results], 2, /two results files/],
  ] as const) {
    const { code: got, stderr } = await coopHere(...words);
    assert.equal(got, code, `${words}: ${stderr}`);
    assert.match(stderr, pattern);
  }
});

test("Ctrl-C keeps what is finished", { ...TIMEOUT, skip: process.platform === "win32" }, async () => {
  const [pictures, out, file] = ["many", "stopped", "long.json"].map((name) => join(root, name));
  await draw(pictures);
  const methods = [{ kind: "zero-shot" }, { kind: "coop", contextTokens: 2, epochs: 100_000 }];
  writeFileSync(file, JSON.stringify({ datasets: [{ name: "shapes", source: pictures }], shots: [1], methods }));
  const cli = new URL("../src/cli/main.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, ["--import", "tsx", cli, "bench", file, "--out", out], { stdio: "ignore" });
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  const results = join(out, "results.jsonl");
  const begun = () => existsSync(results) && readFileSync(results, "utf8").includes("\n");
  while (!begun() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 50));
  child.kill("SIGINT");
  assert.equal(await ended, 130);
  assert.deepEqual(
    [...parseResults(readFileSync(results, "utf8")).values()].map(({ method }) => method.kind),
    ["zero-shot"],
  );
  assert.ok(existsSync(join(out, "report.html")));
});
