import { html } from "./report-charts.ts";
import { confusionPanel } from "./report-confusion.ts";
import { noteList, reportPage, section } from "./report-page.ts";
import { shellCommand } from "./run-card.ts";
import { type Confusion, percent } from "./score.ts";

/** What `coop zero-shot DIR` found. */
export interface ZeroShotResult {
  readonly title: string;
  /** the exact command, word for word */
  readonly command: readonly string[];
  readonly model: string;
  readonly templates: readonly string[];
  /** how many, and which */
  readonly pictures: string;
  readonly labels: readonly string[];
  /** of the labels, in their order */
  readonly confusion: Confusion;
  readonly top1: { readonly accuracy: number; readonly interval: readonly [number, number] };
  readonly topK: { readonly k: number; readonly accuracy: number };
  readonly meanPerClass: number;
  readonly perClass: readonly { label: string; accuracy: number; correct: number; total: number }[];
  readonly notes: readonly string[];
}

/** Its page. */
export function zeroShotReport(result: ZeroShotResult): string {
  const { title, command, model, templates, pictures, labels, confusion, top1, topK, perClass, notes } = result;
  const [low, high] = top1.interval;
  const row = (cells: readonly string[], kind = "td") =>
    `<tr>${cells.map((cell, i) => `<${kind}${i ? ' class="number"' : ""}>${html(cell)}</${kind}>`).join("")}</tr>`;
  const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
    `<table><thead>${row(head, "th")}</thead><tbody>${rows.map((cells) => row(cells)).join("")}</tbody></table>`;
  const scores = [
    ["top 1", percent(top1.accuracy), `${percent(low)} to ${percent(high)}`],
    ...(topK.k > 1 && topK.k < labels.length ? [[`top ${topK.k}`, percent(topK.accuracy), ""]] : []),
    ["mean of the classes", percent(result.meanPerClass), ""],
  ];
  const classes = perClass.map((c) => [c.label, percent(c.accuracy), `${c.correct} of ${c.total}`]);
  const used = templates.map((template) => `<code>${html(template)}</code>`).join(", ");
  return reportPage({
    title,
    about: [model, `${labels.length} labels`, `pictures: ${pictures}`],
    body: [
      `<p class="soft">Asked with ${used}${templates.length > 1 ? ", their features averaged" : ""}.</p>`,
      `<div class="card">${table(["", "accuracy", "95 % interval"], scores)}</div>`,
      noteList(notes),
      section("Class by class", `<div class="card scroll">${table(["class", "accuracy", "right"], classes)}</div>`),
      section("What is confused", confusionPanel(confusion, labels, "What each class was taken for")),
      section("How it was made", `<div class="card"><pre>${html(shellCommand(command))}</pre></div>`),
    ],
  });
}
