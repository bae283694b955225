import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const SRC = fileURLToPath(new URL("../src/", import.meta.url));

/** What each layer may import, itself apart. Files right under src/ and the command line may import anything. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  tensor: [],
  autograd: ["tensor"],
  clip: ["autograd", "tensor"],
  coop: ["clip", "autograd", "tensor"],
  world: [],
};

interface Import {
  readonly from: string;
  readonly to: string;
  /** Vanishes when the types do, or is only made when it is needed. */
  readonly light: boolean;
  /** Vanishes when the types do. */
  readonly erased: boolean;
}

/** Every import and re-export of a file. */
function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8")
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*\/\/.*$/gm, "");
  const statements = [
    ...text.matchAll(/^(?:import|export)\s+([^;"'=()]*?)\s*from\s+["']([^"']+)["']/gm),
    ...text.matchAll(/^import\s*()["']([^"']+)["']/gm),
  ].map(([, what, to]) => ({ to, erased: /^type\b/.test(what) }));
  const calls = [...text.matchAll(/\bimport\(\s*["'`]([^"'`]+)["'`]\s*\)/g)].map(([, to]) => ({
    to,
    erased: false,
    light: true,
  }));
  return [...statements.map((one) => ({ ...one, light: one.erased })), ...calls].map((one) => ({
    ...one,
    from: file,
    to: one.to.startsWith(".") ? normalize(join(dirname(file), one.to)) : one.to,
  }));
}

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => join(SRC, name));
const imports = files.flatMap(importsOf);
const layerOf = (path: string): string => (path.startsWith(SRC) ? relative(SRC, path).split(/[\\/]/)[0] : "");
const show = ({ from, to }: Import): string =>
  `${relative(SRC, from)} → ${to.startsWith(SRC) ? relative(SRC, to) : to}`;

describe("layers", { timeout: 20_000 }, () => {
  test("import statements are found", () => {
    assert.ok(imports.length > files.length, `${imports.length} imports in ${files.length} files`);
    const known = imports.map(show);
    assert.ok(known.includes("autograd/grad.ts → tensor/tensor.ts"));
    assert.ok(
      known.includes("tensor/runtime.ts → ./runtime-node.ts") ||
        known.includes("tensor/runtime.ts → tensor/runtime-node.ts"),
    );
    for (const { to, from } of imports) if (to.startsWith(SRC)) assert.ok(existsSync(to), `${from} imports ${to}`);
  });

  test("imports go one way: coop → clip → autograd → tensor; world stands alone", () => {
    const upward = imports.filter(({ from, to }) => {
      const [above, below] = [layerOf(from), layerOf(to)];
      return above in MAY_IMPORT && to.startsWith(SRC) && above !== below && !MAY_IMPORT[above].includes(below);
    });
    assert.deepEqual(upward.map(show), []);
  });

  test("nothing imports the command line, and nothing outside src is imported from within", () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        (layerOf(to) === "cli" && layerOf(from) !== "cli") || (to.startsWith("/") && !to.startsWith(SRC)),
    );
    assert.deepEqual(wrong.map(show), []);
  });

  test("what a browser loads imports neither node: modules nor packages at once", () => {
    const entries = ["index.ts", "tensor/index.ts", "autograd/index.ts", "clip/index.ts", "coop/index.ts"].map((name) =>
      join(SRC, name),
    );
    const loaded = new Set(entries.filter(existsSync));
    assert.ok(loaded.size >= 2);
    const wrong: string[] = [];
    for (const file of loaded) {
      for (const one of importsOf(file)) {
        if (one.light) continue;
        if (one.to.startsWith(SRC)) loaded.add(one.to);
        else wrong.push(show(one));
      }
    }
    assert.deepEqual(wrong, []);
  });

  test("the command line writes through print.ts alone, which keeps foreign names from doing things to a terminal", () => {
    const writing = files.filter(
      (file) => layerOf(file) === "cli" && /\bconsole\.|stdout\.write/.test(readFileSync(file, "utf8")),
    );
    assert.deepEqual(
      writing.map((file) => relative(SRC, file)),
      [join("cli", "print.ts")],
    );
  });

  test("code for Node that a page could reach lies in files that package.json keeps out of bundles for browsers", () => {
    const entries = ["index.ts", "clip/index.ts", "coop/index.ts"].map((name) => join(SRC, name));
    const reached = new Set(entries);
    for (const file of reached) {
      if (file.endsWith("-node.ts")) continue;
      for (const { to, erased } of importsOf(file)) {
        assert.ok(!to.startsWith("node:"), `${relative(SRC, file)} imports ${to}`);
        if (to.startsWith(SRC) && !erased) reached.add(to);
      }
    }
    const left = [...reached].filter((file) => file.endsWith("-node.ts"));
    const { browser } = JSON.parse(readFileSync(join(SRC, "../package.json"), "utf8"));
    for (const file of left)
      assert.equal(
        browser[`./dist/${relative(SRC, file).replace(/\.ts$/, ".js")}`],
        false,
        `${file} is not in "browser"`,
      );
  });
});
