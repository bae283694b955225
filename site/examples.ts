import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes each numbered example as a page, and a page that lists them; returns the pages' paths, the list first. */
export function examplePages(examples: string, into: string): string[] {
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into, { recursive: true });
  const names = readdirSync(examples).filter((name) => /^\d+-.*\.ts$/.test(name));
  const pages = names.sort().map((name) => {
    const text = pageOf(readFileSync(join(examples, name), "utf8"));
    return { file: name.replace(/\.ts$/, ".md"), text, title: titleOf(text) };
  });
  const list = pages.map(({ file, title }) => `1. [${title}](${file})`).join("\n");
  const index = `# Examples\n\nPrograms to be read in order, as they run in a checkout of coop.\n\n${list}\n`;
  for (const { file, text } of [{ file: "index.md", text: index }, ...pages]) writeFileSync(join(into, file), text);
  return [join(into, "index.md"), ...pages.map(({ file }) => join(into, file))];
}

/** The first heading of a page. */
export const titleOf = (page: string): string => /^# (.*)$/m.exec(page)?.[1] ?? "";

/** Comments that begin a line become prose, the rest blocks of code. */
function pageOf(source: string): string {
  const parts = source.split(/^((?:\/\/.*\n)+)/m).map((part) => {
    if (part.startsWith("//")) return part.replace(/^\/\/ ?/gm, "");
    const code = part.replace(/^\n+|\s+$/g, "");
    return code === "" ? "" : `\`\`\`ts\n${code}\n\`\`\`\n`;
  });
  return parts.filter((part) => part !== "").join("\n");
}
