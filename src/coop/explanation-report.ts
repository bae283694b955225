import { type ExplainedChange, type ExplainedVector, type Explanation, type Flip, verdict } from "./explanation.ts";
import { html } from "./report-charts.ts";
import { outside, reportPage, section } from "./report-page.ts";
import { shellCommand } from "./run-card.ts";
import { percent } from "./score.ts";
import { shownWord } from "./token-word.ts";

const PICTURES = `
.flips { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 16px; }
.flips figure { margin: 0; } .flips img { display: block; max-width: 96px; min-height: 32px; image-rendering: auto; }
.flips figcaption { font-size: 13px; overflow-wrap: anywhere; }
.words { white-space: normal; min-width: 260px; }
`;

/**
 * Its page.
 *
 * @param command the exact command, word for word
 * @param thumbnails `data:` addresses of flipped pictures, by their paths; a picture without one is only named
 */
export function explanationHtml(
  explanation: Explanation,
  command: readonly string[],
  thumbnails: ReadonlyMap<string, string> = new Map(),
): string {
  const { run, model, vectors, change } = explanation;
  return reportPage({
    title: `${run}, explained`,
    heading: run,
    about: [model, `${vectors.length} vectors`, ...(change ? [`${change.pictures} pictures: ${change.part}`] : [])],
    style: PICTURES,
    body: [
      change ? changed(change, thumbnails) : "",
      words(vectors),
      section("How it was made", `<div class="card"><pre>${html(shellCommand(command))}</pre></div>`),
    ],
  });
}

function changed(change: ExplainedChange, thumbnails: ReadonlyMap<string, string>): string {
  const { zeroShot, learned, pictures, classes, templates, rightToWrong, wrongToRight } = change;
  const scores = [
    ["hand-written", percent(zeroShot.accuracy), `${zeroShot.correct} of ${pictures}`],
    ["learned", percent(learned.accuracy), `${learned.correct} of ${pictures}`],
  ];
  const rows = classes.map((c) => [
    c.label,
    `${c.zeroShot.correct} of ${c.total}`,
    `${c.learned.correct} of ${c.total}`,
    signed(c.zeroShot.margin),
    signed(c.learned.margin),
    c.cosine.toFixed(3),
  ]);
  const used = templates.map((template) => `<code>${html(template)}</code>`).join(", ");
  const flips = (title: string, list: readonly Flip[]) =>
    section(
      `${title}: ${list.length}`,
      `<div class="flips">${list.map((flip) => figure(flip, thumbnails)).join("")}</div>`,
    );
  return `<div class="card">${table(["prompt", "accuracy", "right"], scores)}</div>
<p class="soft">Hand-written: ${used}. If both prompts were equally good, counts of changed answers as uneven as these would come up with probability ${change.p.toPrecision(2)} (McNemar's exact test).</p>
${section(
  "Class by class",
  `<div class="card scroll">${table(["class", "hand-written", "learned", "its margin", "learned margin", "cosine of the two texts"], rows)}</div>
<p class="soft">The margin is the cosine with the right class less the largest with another, as mean over the pictures of the class.</p>`,
)}
${flips("Right before, wrong now", rightToWrong)}
${flips("Wrong before, right now", wrongToRight)}`;
}

function figure({ path, label, zeroShot, learned }: Flip, thumbnails: ReadonlyMap<string, string>): string {
  const picture = thumbnails.get(path);
  const image = picture === undefined ? "" : `<img src="${html(picture)}" alt="">`;
  const answer = (by: string, { answer, score }: Flip["learned"]) =>
    `${by}: ${outside(answer)} <span class="soft">${score.toFixed(2)}</span>`;
  return `<figure class="card">${image}<figcaption>${outside(label)}<br>${answer("hand-written", zeroShot)}<br>${answer("learned", learned)}<br><span class="soft">${outside(path)}</span></figcaption></figure>`;
}

function words(vectors: readonly ExplainedVector[]): string {
  const ofClass = vectors.some((vector) => vector.class !== undefined);
  const head = [...(ofClass ? ["class"] : []), "vector", "norm", "nearest words by distance", "random vectors", "as near", "by cosine", "random vectors", "as near"]; // biome-ignore format: one row
  const rows = vectors.map((vector) => {
    const { control, norm, byDistance, byCosine } = vector;
    const list = (words: typeof byDistance, by: "distance" | "cosine") =>
      words.map((word) => `${shownWord(word)} ${word[by].toFixed(3)}`).join(", ");
    return [
      ...(ofClass ? [vector.class ?? ""] : []),
      `${vector.vector}`,
      norm.toFixed(3),
      list(byDistance, "distance"),
      `${control.distance.mean.toFixed(3)} ± ${control.distance.deviation.toFixed(3)}`,
      `${control.asNear.distance} of ${control.draws}`,
      list(byCosine, "cosine"),
      `${control.cosine.mean.toFixed(3)} ± ${control.cosine.deviation.toFixed(3)}`,
      `${control.asNear.cosine} of ${control.draws}`,
    ];
  });
  return section(
    "The words nearest to the vectors",
    `<p>${html(verdict(vectors))}</p><div class="card scroll">${table(head, rows, new Set(["nearest words by distance", "by cosine"]))}</div>
<p class="soft">Random vectors have the norm of the learned one and a random direction; the columns give the nearest word's distance (cosine) of those, as mean and deviation, and how many have a word at least as near. An ellipsis marks a token that begins or continues a word.</p>`,
  );
}

function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  wide: ReadonlySet<string> = new Set(),
): string {
  const row = (cells: readonly string[], kind: "th" | "td") =>
    `<tr>${cells.map((cell, i) => `<${kind}${wide.has(head[i]) ? ' class="words"' : i ? ' class="number"' : ""}>${outside(cell)}</${kind}>`).join("")}</tr>`;
  return `<table><thead>${row(head, "th")}</thead><tbody>${rows.map((cells) => row(cells, "td")).join("")}</tbody></table>`;
}

export const signed = (margin: number | null): string =>
  margin === null ? "–" : `${margin < 0 ? "−" : "+"}${Math.abs(margin).toFixed(3)}`;
