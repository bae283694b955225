// What is installed with coop: locked, licensed, and running nothing of its own beyond what is named.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Locked, licencesPage, lockedPackages, PAGE } from "../scripts/licences.ts";

const LOCKS = ["package-lock.json", "site/package-lock.json", "bench/package-lock.json"];
/** Scripts that may run at installation: esbuild puts its binary into place, webgpu takes macOS's mark of quarantine off its own. */
const SCRIPTS: Readonly<Record<string, readonly string[]>> = {
  "package-lock.json": ["esbuild", "webgpu"],
  "site/package-lock.json": [],
  "bench/package-lock.json": ["core-js", "onnxruntime-node"],
};
/** What may be installed with coop. */
const SHIPPED = /^((MIT|Apache-2\.0|ISC|BSD-[23]-Clause|0BSD|Unlicense|LGPL-3\.0-or-later)( (AND|OR) )?)+$/;

const nameOf = (path: string): string => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
const each = async (look: (file: string, name: string, one: Locked) => void): Promise<void> => {
  for (const file of LOCKS) for (const [path, one] of await lockedPackages(file)) look(file, nameOf(path), one);
};

test("every package is locked by its hash and comes from npm's registry", () =>
  each((file, name, { integrity, resolved }) => {
    assert.match(integrity ?? "", /^sha512-/, `${file}: ${name}`);
    if (resolved) assert.match(resolved, /^https:\/\/registry\.npmjs\.org\//, `${file}: ${name}`);
  }));

test("no package runs a script at installation but those that are named", async () => {
  const found: Record<string, string[]> = Object.fromEntries(LOCKS.map((file) => [file, []]));
  await each((file, name, { hasInstallScript }) => {
    if (hasInstallScript) found[file].push(name);
  });
  assert.deepEqual(found, SCRIPTS);
  const { allowScripts, scripts } = JSON.parse(readFileSync("package.json", "utf8"));
  assert.deepEqual(Object.keys(allowScripts), SCRIPTS["package-lock.json"]);
  for (const name of ["preinstall", "install", "postinstall", "prepare"]) assert.ok(!(name in scripts), name);
});

test("what is installed with coop has a licence that MIT code may use", async () => {
  for (const [path, { dev, license }] of await lockedPackages())
    if (!dev) assert.match(license ?? "", SHIPPED, `${path}: ${license}`);
});

test("the page of licences is current", async () => {
  assert.equal(readFileSync(PAGE, "utf8"), await licencesPage(), "run `npm run licences`");
});
