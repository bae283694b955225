// Runs one test file with its top-level tests in a random order: node --import tsx scripts/flakes/shuffled.ts FILE SEED
import { createRequire, syncBuiltinESMExports } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { mulberry, shuffled } from "../../test/arguments.ts";

type Declare = (...words: unknown[]) => unknown;

const [file, seed] = process.argv.slice(2);
const runner = createRequire(import.meta.url)("node:test") as Record<string, Declare>;
const tests: (() => unknown)[] = [];
const hooks: (() => unknown)[] = [];
let reading = true;

/** What a file declares while it is read is kept; what its suites and tests declare later goes the usual way. */
const kept = (declare: Declare, list: (() => unknown)[]) =>
  Object.assign(
    (...words: unknown[]) => (reading ? void list.push(() => declare(...words)) : declare(...words)),
    declare,
  );
for (const name of ["test", "it", "describe", "suite"]) runner[name] = kept(runner[name], tests);
for (const name of ["before", "after", "beforeEach", "afterEach"]) runner[name] = kept(runner[name], hooks);
syncBuiltinESMExports(); // for those who import by name

await import(pathToFileURL(resolve(file)).href);
reading = false;
for (const declare of hooks) declare();
for (const i of shuffled(tests.length, mulberry(Number(seed)))) tests[i]();
