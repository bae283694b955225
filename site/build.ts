/**
 * Builds the site into `site/dist`, plain files for any server: the guides and pages of `docs/`, the examples, and the
 * reference of every entry that package.json exports, from the sources. A public symbol without a docstring, a type
 * that is used but not exported and a link that leads nowhere are errors.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Application, Converter } from "typedoc";
import { examplePages, titleOf } from "./examples.ts";
import { brokenLinks } from "./links.ts";
import { linkSources, SOURCE_LINK } from "./sources.ts";

const here = import.meta.dirname;
const root = resolve(here, "..");
const out = join(here, "dist");
const { exports, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const entryPoints = Object.values<{ types?: string }>(exports).flatMap(({ types }) =>
  types ? [join(root, types.replace("./dist/", "src/").replace(/\.d\.ts$/, ".ts"))] : [],
);

/** In the order in which they are read, the others by name. */
const FIRST = ["guide-pictures", "guide-research", "guide-typescript", "how-it-works", "architecture"];
const others = readdirSync(join(root, "docs")).map((file) => file.replace(/\.md$/, ""));
const pages = [...new Set([...FIRST, ...others.sort()])];

const app = await Application.bootstrap({
  name: `coop ${version}`,
  tsconfig: join(here, "tsconfig.json"),
  skipErrorChecking: true, // `npm run check` does it, by the compiler that the project uses
  entryPoints,
  readme: join(root, "README.md"),
  projectDocuments: [
    ...pages.map((page) => join(root, "docs", `${page}.md`)),
    ...examplePages(join(root, "examples"), join(here, ".cache/examples")),
  ],
  out,
  cleanOutputDir: true,
  displayBasePath: root,
  disableGit: true,
  sourceLinkTemplate: SOURCE_LINK,
  includeVersion: false,
  sort: ["documents-first", "kind", "source-order"],
  // links to folders and files are looked at below, where all of the site is there
  validation: { notExported: true, invalidLink: true, invalidPath: false, rewrittenLink: true, notDocumented: true },
  excludeInternal: true,
  intentionallyNotExported: ["src/tensor/storage.ts:Storage", "src/tensor/lower.ts:Lowered"],
  highlightLanguages: ["ts", "sh", "json", "jsonl", "html", "wgsl", "csv", "text"],
  requiredToBeDocumented: ["Module", "Class", "Interface", "Function", "TypeAlias", "Variable", "Method", "Accessor"],
  treatWarningsAsErrors: true,
});
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
  for (const page of project.documents ?? []) page.name = titleOf(page.content[0].text) || page.name;
});
const project = await app.convert();
if (!project) process.exit(1);
app.validate(project);
await app.generateOutputs(project);

const front = join(out, "index.html");
writeFileSync(front, readFileSync(front, "utf8").replaceAll('href="media/examples"', 'href="documents/Examples.html"'));
linkSources(out, root);
for (const link of brokenLinks(out)) app.logger.error(link);
process.exitCode = app.logger.hasErrors() || app.logger.hasWarnings() ? 1 : 0;
