import { html } from "./report-charts.ts";
import { STYLE } from "./report-style.ts";

/** One page that needs nothing else, neither scripts nor the network. */
export interface ReportPage {
  /** In the window's title bar. */
  readonly title: string;
  /** The title where not given; text, not HTML. */
  readonly heading?: string;
  /** What the page speaks of, shown under the heading; text, not HTML. */
  readonly about: readonly string[];
  /** More rules for its style sheet. */
  readonly style?: string;
  /** Parts of the page, as HTML; empty ones are left out. */
  readonly body: readonly string[];
}

/** The HTML of a page. */
export function reportPage({ title, heading = title, about, style = "", body }: ReportPage): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${html(title)}</title>
<style>${STYLE}${style}</style>
</head>
<body>
<h1>${outside(heading)}</h1>
<p class="soft">${about.map(outside).join(" · ")}</p>
${body.filter((part) => part !== "").join("\n")}
</body>
</html>
`;
}

/** A part with its heading; none where there is nothing in it. */
export const section = (title: string, content: string | undefined): string =>
  content ? `<section><h2>${html(title)}</h2>\n${content}</section>` : "";

/** A text from outside, that keeps its own reading direction. */
export const outside = (text: string): string => `<bdi>${html(text)}</bdi>`;

/** A list of what a reader should know, one sentence each. */
export const noteList = (notes: readonly string[]): string =>
  notes.length ? `<ul class="soft">${notes.map((note) => `<li>${outside(note)}</li>`).join("")}</ul>` : "";
