import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const HARNESS = fileURLToPath(new URL("harness.ts", import.meta.url));

/**
 * Test files with all of the project that they import as one module, which exports the harness's `run`. One file's text
 * is replaced; nothing on disk changes, and modules of another bundle are not shared.
 */
export async function bundled(
  tests: readonly string[],
  replaced: { readonly path: string; readonly text: string } | undefined,
): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: [
        ...tests.map((file) => `import "begin:${file}"; import "./test/${file}";`),
        `export { run } from "node:test";`,
      ].join("\n"),
      resolveDir: ROOT,
    },
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    ignoreAnnotations: true, // every op is in the list of ops, applied or not
    logLevel: "silent",
    plugins: [sourcePlugin(replaced)],
  });
  return outputFiles[0].text;
}

const sourcePlugin = (replaced: { readonly path: string; readonly text: string } | undefined): Plugin => ({
  name: "mutant",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:test$/ }, () => ({ path: HARNESS }));
    onResolve({ filter: /^begin:/ }, ({ path }) => ({ path: path.slice(6), namespace: "begin" }));
    onLoad({ filter: /./, namespace: "begin" }, ({ path }) => ({
      contents: `import { begin } from "node:test"; begin(${JSON.stringify(path)});`,
      resolveDir: ROOT,
    }));
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const text = replaced && join(ROOT, replaced.path) === path ? replaced.text : readFileSync(path, "utf8");
      return { contents: inPlace(text, path), loader: "ts" };
    });
  },
});

/** A module that is read from elsewhere finds what lies beside it. */
const inPlace = (text: string, path: string): string =>
  text
    .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href))
    .replaceAll("import.meta.dirname", JSON.stringify(dirname(path)));
