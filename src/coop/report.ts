import { html, type LineChart, lineChart } from "./report-charts.ts";
import { confusionPanel } from "./report-confusion.ts";
import { noteList, outside, reportPage, section } from "./report-page.ts";
import { shellCommand } from "./run-card.ts";
import { contextShape, type RunConfig, recipeFacts } from "./run-config.ts";
import type { EpochMetrics, Splits } from "./run-files.ts";
import { accuracy, type Confusion, interval, ofClass, overall, percent, type Score } from "./score.ts";

/** What the page of a run shows. */
export interface Report {
  readonly title: string;
  /** the exact command, word for word */
  readonly command: readonly string[];
  readonly config: RunConfig;
  readonly epochs: readonly EpochMetrics[];
  readonly splits: Splits;
  /** both over the held-out pictures, in the order of `config.classes` */
  readonly zeroShot: Confusion;
  readonly coop: Confusion;
  /** what a reader should know of the data, one sentence each */
  readonly notes: readonly string[];
}

/**
 * `report.html` of a run.
 * @example
 * await writeFile("report.html", reportHtml({ title, command, config, epochs, splits, zeroShot, coop, notes: [] }));
 */
export function reportHtml(report: Report): string {
  const { title, config, splits, notes } = report;
  const about = [
    config.model.name,
    `${config.classes.length} classes`,
    `${config.recipe.shots} shots a class`,
    `${splits.test.length} held-out pictures`,
    `seed ${config.recipe.seed}`,
  ];
  return reportPage({
    title,
    about,
    body: [
      headline(report),
      noteList(notes),
      curves(report),
      classTable(report),
      section("What CoOp confuses", confusionPanel(report.coop, config.classes, "What CoOp took each class for")),
      provenance(report),
      shots(report),
    ],
  });
}

function headline({ zeroShot, coop, config }: Report): string {
  const [before, after] = [overall(zeroShot), overall(coop)];
  if (after.total === 0) return section("Result", "<p>There were no held-out pictures to test on.</p>");
  const row = (kind: "zero" | "coop", label: string, score: Score) => {
    const [low, high] = interval(score).map((x) => 100 * x);
    return `<tr class="${kind}"><th scope="row">${label}</th><td class="number big">${percent(accuracy(score))}</td>
<td style="width:45%"><div class="track"><i style="width:${fixed(100 * accuracy(score))}%"></i><b style="left:${fixed(low)}%;width:${fixed(high - low)}%"></b></div></td>
<td class="number">${fixed(low, 1)} to ${fixed(high, 1)} %</td><td class="number">${score.correct} of ${score.total}</td></tr>`;
  };
  const { ensemble, probe } = config.metrics ?? {};
  const others = `${ensemble ? row("zero", "zero-shot, ensemble", ensemble) : ""}${probe ? row("zero", "linear probe", probe) : ""}`;
  const templates = config.metrics?.zeroShot.templates ?? [];
  const used = templates.length
    ? ` Zero-shot asked with ${templates.map((t) => `<code>${html(t)}</code>`).join(", ")}`
    : "";
  return `<div class="card" style="margin-top:22px"><table class="headline">
<thead><tr><th></th><th class="number">accuracy</th><th></th><th class="number">95 % interval</th><th class="number">right</th></tr></thead>
<tbody>${row("zero", "zero-shot", before)}${others}${row("coop", "CoOp", after)}</tbody></table></div>
<p class="soft">${gain(before, after)} The interval says how far chance in the choice of ${after.total} pictures reaches.${used}</p>`;
}

function gain(before: Score, after: Score): string {
  const points = 100 * (accuracy(after) - accuracy(before));
  if (after.correct === before.correct) return "CoOp and zero-shot answered equally many pictures rightly.";
  return `CoOp is ${fixed(Math.abs(points), 1)} points ${points > 0 ? "above" : "below"} zero-shot.`;
}

function curves({ epochs, zeroShot }: Report): string {
  if (epochs.length === 0) return "";
  const tested = epochs.flatMap(({ epoch, heldOutAccuracy: y }) => (y === undefined ? [] : [{ x: epoch, y }]));
  const before = overall(zeroShot);
  const level = before.total ? { y: accuracy(before), name: `zero-shot ${percent(accuracy(before))}` } : undefined;
  const range: [number, number] = [epochs[0].epoch, epochs[epochs.length - 1].epoch];
  const figure = (chart: LineChart, kind = "card") =>
    `<div class="${kind}"><h3>${chart.title}</h3>${lineChart(chart)}</div>`;
  const loss = figure({
    title: "Training loss",
    points: epochs.map(({ epoch, loss }) => ({ x: epoch, y: loss })),
    format: plain,
    from: 0,
  });
  const rate = figure(
    {
      title: "Learning rate",
      points: epochs.map(({ epoch, learningRate }) => ({ x: epoch, y: learningRate })),
      format: plain,
      from: 0,
      width: 980,
      height: 130,
    },
    "card wide",
  );
  const held = tested.length
    ? figure({
        title: "Accuracy on held-out pictures",
        points: tested,
        level,
        format: (y) => percent(y).replace(".0 ", " "),
        epochs: range,
      })
    : "";
  const chosen = epochs.flatMap(({ epoch, valAccuracy: y }) => (y === undefined ? [] : [{ x: epoch, y }]));
  const validated = chosen.length
    ? figure({
        title: "Accuracy on validation pictures",
        points: chosen,
        format: (y) => percent(y).replace(".0 ", " "),
      })
    : "";
  const once = tested.length ? "" : '<p class="soft">Held-out pictures were asked only once, after the last epoch.</p>';
  return section("Training", `<div class="charts">${loss}${held}${validated}${rate}</div>${once}`);
}

function classTable({ config, zeroShot, coop }: Report): string {
  const rows = config.classes.map((className, label) => {
    const [before, after] = [ofClass(zeroShot, label), ofClass(coop, label)];
    const bars = after.total
      ? [before, after].map((score) => `<i style="width:${fixed(100 * accuracy(score))}%"></i>`).join("")
      : "";
    const change = after.correct - before.correct;
    const kind = change > 0 ? "good" : change < 0 ? "bad" : "soft";
    const sign = change > 0 ? "+" : change < 0 ? "−" : "±";
    return `<tr><td>${outside(className)}</td><td class="number">${percent(accuracy(before))}</td><td class="number">${percent(accuracy(after))}</td><td class="number ${kind}">${sign}${Math.abs(change)}</td><td class="number">${after.total}</td><td class="bars">${bars}</td></tr>`;
  });
  return section(
    "Class by class",
    `<div class="card scroll"><table><thead><tr><th>class</th><th class="number">zero-shot</th><th class="number">CoOp</th><th class="number">more right</th><th class="number">pictures</th><th class="key"><i></i>zero-shot <i class="coop"></i>CoOp</th></tr></thead><tbody>${rows.join("")}</tbody></table></div>`,
  );
}

function provenance({ command, config }: Report): string {
  const { model, options, recipe } = config;
  const facts: [string, string][] = [
    ["model", model.revision ? `${model.name} at ${model.revision}` : model.name],
    ["weights SHA-256", model.sha256],
    ["context", `${options.contextTokens} tokens, [${contextShape(config).join(", ")}] numbers`],
    [
      "class name",
      `at the ${options.position}; ${options.classSpecific ? "a context for each class" : "one context for all classes"}`,
    ],
    ["context began as", options.initText ?? "random numbers, normal with deviation 0.02"],
    ["shots", `${recipe.shots} a class`],
    ...recipeFacts(config),
    ["seed", `${recipe.seed}`],
    ...Object.entries(config.versions),
  ];
  const rows = facts.map(([key, value]) => `<tr><th scope="row">${outside(key)}</th><td>${outside(value)}</td></tr>`);
  return section(
    "How it was made",
    `<div class="card"><pre>${html(shellCommand(command))}</pre></div><div class="card" style="margin-top:16px"><table class="facts"><tbody>${rows.join("")}</tbody></table></div>`,
  );
}

function shots({ config, splits }: Report): string {
  const byClass = config.classes.map((className, label) => {
    const used = splits.train.filter((item) => item.label === label);
    const files = used.map(({ path }) => `<li>${outside(path)}</li>`).join("");
    return `<details><summary>${outside(className)} <span class="soft">${used.length}</span></summary><ul>${files}</ul></details>`;
  });
  return section(`The ${splits.train.length} shots`, `<div class="card">${byClass.join("")}</div>`);
}

const fixed = (value: number, digits = 2): string => value.toFixed(digits);

/** Up to three digits that count: 2.5, 0.002, 1e-5. */
function plain(value: number): string {
  const short = Number(value.toPrecision(3));
  return short !== 0 && Math.abs(short) < 1e-4 ? short.toExponential() : `${short}`;
}
