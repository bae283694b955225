// Lists every package that a checkout or an installation can hold, with its licence, from the lock files
// (`npm run licences`, which writes docs/licences.md; `--check` says whether that is current).
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { writeFileAtomic } from "../src/coop/atomic.ts";

/** What is said of a package in a lock file. */
export interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
}

export const PAGE = "docs/licences.md";

/** The packages of a lock file by the path that they are installed at. */
export async function lockedPackages(file = "package-lock.json"): Promise<[path: string, package_: Locked][]> {
  const { packages } = JSON.parse(await readFile(file, "utf8")) as { packages: Record<string, Locked> };
  return Object.entries(packages).filter(([path]) => path !== "");
}

/** The page about licences, in Markdown. */
export async function licencesPage(): Promise<string> {
  const packages = await lockedPackages();
  const shipped = packages.filter(([, { dev }]) => !dev);
  const tools = packages.filter(([, { dev }]) => dev);
  const others = await Promise.all(["bench", "site"].map((place) => lockedPackages(`${place}/package-lock.json`)));
  return `# Licences

coop is under the MIT licence (\`LICENSE\`). This page is written by \`npm run licences\` from the lock files; a test
compares them. The published package contains none of these: npm fetches them, those for other systems left out.

## Installed with coop

${table(shipped)}

Packages marked "optional" can be left out (\`npm install --omit=optional\`). The libraries under LGPL-3.0-or-later are
libvips and what it links, as files of their own that sharp loads; they can be replaced.

## Only for work on coop

${table(tools)}

## Only for the comparisons in \`bench\` and for the site of the documentation

${table(others.flat())}
`;
}

function table(packages: readonly [path: string, package_: Locked][]): string {
  const rows = packages.map(([path, { version, license, optional }]) => {
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    return `| ${name} | ${version} | ${license ?? "not said"} |${optional ? " optional" : ""} |`;
  });
  return ["| package | version | licence | |", "|---|---|---|---|", ...new Set(rows.sort())].join("\n");
}

if (import.meta.filename === process.argv[1]) {
  const { check } = parseArgs({ options: { check: { type: "boolean", default: false } } }).values;
  const page = await licencesPage();
  if (!check) await writeFileAtomic(PAGE, page);
  else if (page !== (await readFile(PAGE, "utf8"))) {
    console.error(`${PAGE} is not current; run \`npm run licences\``);
    process.exitCode = 1;
  }
}
