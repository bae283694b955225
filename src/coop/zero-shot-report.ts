import { confusionChart, html } from "./report-charts.ts";
import { STYLE } from "./report-style.ts";
import { shellCommand } from "./run-card.ts";
import { type Confusion, percent, worstPairs } from "./score.ts";

/** Up to this many labels the confusion matrix is drawn; beyond, only its worst pairs are listed. */
const MOST_DRAWN = 40;

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

/** One page that needs nothing else, neither scripts nor the network. */
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
  const pairs = worstPairs(confusion, 10).map((p) => [labels[p.row], labels[p.column], `${p.count} of ${p.total}`]);
  const chart =
    labels.length <= MOST_DRAWN
      ? `<div class="card">${confusionChart(confusion, labels, "What each class was taken for")}</div>`
      : "";
  const mistakes = pairs.length
    ? `<div class="card pairs">${table(["class", "taken for", "pictures"], pairs)}</div>`
    : "<p>No picture was taken for another class.</p>";
  const used = templates.map((template) => `<code>${html(template)}</code>`).join(", ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${html(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${html(title)}</h1>
<p class="soft">${html([model, `${labels.length} labels`, `pictures: ${pictures}`].join(" · "))}</p>
<p class="soft">Asked with ${used}${templates.length > 1 ? ", their features averaged" : ""}.</p>
<div class="card">${table(["", "accuracy", "95 % interval"], scores)}</div>
${notes.length ? `<ul class="soft">${notes.map((note) => `<li>${html(note)}</li>`).join("")}</ul>` : ""}
<section><h2>Class by class</h2><div class="card scroll">${table(["class", "accuracy", "right"], classes)}</div></section>
<section><h2>What is confused</h2><div class="confusion">${chart}${mistakes}</div></section>
<section><h2>How it was made</h2><div class="card"><pre>${html(shellCommand(command))}</pre></div></section>
</body>
</html>
`;
}
