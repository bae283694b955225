import { existsSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { htmlFiles } from "./sources.ts";

/** The links of the pages in a folder that lead to no file of it, or to no place in that file. */
export function brokenLinks(folder: string): string[] {
  const pages = htmlFiles(folder);
  const places = new Map(pages.map((page) => [page, idsOf(readFileSync(page, "utf8"))]));
  return pages.flatMap((page) =>
    linksOf(readFileSync(page, "utf8")).flatMap((link) => {
      const [path, place] = link.split("#");
      const target = path ? resolve(dirname(page), decodeURIComponent(path)) : page;
      const found =
        existsSync(target) && (!place || !places.has(target) || places.get(target)!.has(decodeURIComponent(place)));
      return found ? [] : [`${relative(folder, page)}: the link ${link} leads nowhere`];
    }),
  );
}

const idsOf = (html: string): Set<string> =>
  new Set([...html.matchAll(/\s(?:id|name)="([^"]+)"/g)].map(([, id]) => id));

/** Links within the site. */
const linksOf = (html: string): string[] =>
  [...new Set([...html.matchAll(/\s(?:href|src)="([^"]+)"/g)].map(([, link]) => link.replaceAll("&amp;", "&")))].filter(
    (link) => !/^(?:[a-z]+:|\/\/)/i.test(link),
  );
