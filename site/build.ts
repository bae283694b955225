/**
 * Builds the site into `site/dist`, plain files for any server: the guides and pages of `docs/`, and the reference of
 * every entry that package.json exports, from the sources. A public symbol without a docstring, a type that is used
 * but not exported and a link that leads nowhere are errors.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Application } from "typedoc";
import { brokenLinks } from "./links.ts";

const here = import.meta.dirname;
const root = resolve(here, "..");
const { exports, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const entryPoints = Object.values<{ types?: string }>(exports).flatMap(({ types }) =>
  types ? [join(root, types.replace("./dist/", "src/").replace(/\.d\.ts$/, ".ts"))] : [],
);

/** In the order in which they are read. */
const PAGES = [
  "guide-pictures",
  "guide-research",
  "guide-typescript",
  "how-it-works",
  "architecture",
  "*", // the others by name
].map((page) => join(root, "docs", `${page}.md`));

const app = await Application.bootstrap({
  name: `coop ${version}`,
  tsconfig: join(here, "tsconfig.json"),
  skipErrorChecking: true, // `npm run check` does it, by the compiler that the project uses
  entryPoints,
  readme: join(root, "README.md"),
  projectDocuments: PAGES,
  out: join(here, "dist"),
  cleanOutputDir: true,
  disableGit: true,
  sourceLinkTemplate: "source:{path}#L{line}",
  includeVersion: false,
  sort: ["documents-first", "kind", "source-order"],
  validation: { notExported: true, invalidLink: true, invalidPath: true, rewrittenLink: true, notDocumented: true },
  excludeInternal: true,
  intentionallyNotExported: ["src/tensor/storage.ts:Storage", "src/tensor/lower.ts:Lowered"],
  highlightLanguages: ["ts", "sh", "json", "jsonl", "html", "wgsl", "csv", "text"],
  requiredToBeDocumented: ["Module", "Class", "Interface", "Function", "TypeAlias", "Variable", "Method", "Accessor"],
  treatWarningsAsErrors: true,
});
const project = await app.convert();
if (!project) process.exit(1);
app.validate(project);
await app.generateOutputs(project);
const broken = brokenLinks(join(here, "dist"));
for (const link of broken) app.logger.error(link);
process.exitCode = app.logger.hasErrors() || app.logger.hasWarnings() ? 1 : 0;
