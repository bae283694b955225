import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** What `sourceLinkTemplate` makes of a place in the code. */
export const SOURCE_LINK = "source:{path}#L{line}";

/** Makes links of the form of `SOURCE_LINK` lead to pages with the sources, which it writes. */
export function linkSources(site: string, root: string): void {
  const linked = new Set<string>();
  for (const page of htmlFiles(site)) {
    const html = readFileSync(page, "utf8").replace(/href="source:([^"#]+)#/g, (_, path) => {
      linked.add(path);
      return `href="${relative(dirname(page), join(site, "source", `${path}.html`))}#`;
    });
    writeFileSync(page, html);
  }
  for (const path of linked) {
    const page = join(site, "source", `${path}.html`);
    mkdirSync(dirname(page), { recursive: true });
    writeFileSync(page, pageOf(path, readFileSync(join(root, path), "utf8"), relative(dirname(page), site)));
  }
}

/** All pages of a site. */
export const htmlFiles = (site: string): string[] =>
  (readdirSync(site, { recursive: true }) as string[])
    .filter((file) => file.endsWith(".html"))
    .map((file) => join(site, file));

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function pageOf(path: string, source: string, top: string): string {
  const lines = source.trimEnd().split("\n");
  const rows = lines.map((line, i) => `<span id="L${i + 1}">${escaped(line) || " "}</span>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${path} | coop</title>
<style>
:root { color-scheme: light dark; }
body { font-family: system-ui, sans-serif; margin: 1rem; }
pre { line-height: 1.4; overflow-x: auto; }
span { display: block; min-width: max-content; }
span:target { background: color-mix(in srgb, orange 30%, transparent); }
</style>
</head>
<body>
<p><a href="${top}/index.html">coop</a> / ${path}</p>
<pre>${rows.join("")}</pre>
</body>
</html>
`;
}
