// Writes shaders/*.wgsl into src/tensor/shaders.ts, so that the package needs no file system in a browser.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { minifyWgsl } from "./minify-wgsl.ts";

const root = new URL("../", import.meta.url);

/** The module's text as it should be for the shaders as they are: one export each, so that unused ones shake out. */
export function embedded(): string {
  const files = readdirSync(new URL("shaders/", root))
    .filter((f) => f.endsWith(".wgsl"))
    .sort();
  const name = (file: string) => file.replace(".wgsl", "").replace(/-(\w)/g, (_, c: string) => c.toUpperCase());
  const entries = files.map((file) => {
    const text = minifyWgsl(readFileSync(new URL(`shaders/${file}`, root), "utf8"));
    return `export const ${name(file)} = \`${text}\`;\n`;
  });
  return `// Made from shaders/*.wgsl by \`npm run shaders\`, without comments and white space; edit those.\n${entries.join("")}`;
}

export const target = new URL("src/tensor/shaders.ts", root);

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, embedded());
