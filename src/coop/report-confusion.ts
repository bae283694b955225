import { confusionChart } from "./report-charts.ts";
import { outside } from "./report-page.ts";
import { type Confusion, worstPairs } from "./score.ts";

/** Up to this many classes the matrix is drawn; beyond, only its worst pairs are listed. */
const MOST_DRAWN = 40;
const MOST_PAIRS = 10;

/** What is taken for what, as HTML: the matrix, and the pairs that are confused most often. */
export function confusionPanel(confusion: Confusion, classes: readonly string[], title: string): string {
  const chart =
    classes.length <= MOST_DRAWN ? `<div class="card">${confusionChart(confusion, classes, title)}</div>` : "";
  const pairs = worstPairs(confusion, MOST_PAIRS).map(
    ({ row, column, count, total }) =>
      `<tr><td>${outside(classes[row])}</td><td>${outside(classes[column])}</td><td class="number">${count} of ${total}</td></tr>`,
  );
  const list = pairs.length
    ? `<div class="card pairs"><table><thead><tr><th>true class</th><th>taken for</th><th class="number">pictures</th></tr></thead><tbody>${pairs.join("")}</tbody></table></div>`
    : "<p>No held-out picture was taken for another class.</p>";
  return `<div class="confusion">${chart}${list}</div>`;
}
