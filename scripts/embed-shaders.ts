// Writes shaders/*.wgsl into src/tensor/shaders.ts, so that the package needs no file system in a browser.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);

/** The module's text as it should be for the shaders as they are. */
export function embedded(): string {
  const files = readdirSync(new URL("shaders/", root))
    .filter((f) => f.endsWith(".wgsl"))
    .sort();
  const name = (file: string) => file.replace(".wgsl", "").replace(/-(\w)/g, (_, c: string) => c.toUpperCase());
  const entries = files.map((file) => {
    const text = readFileSync(new URL(`shaders/${file}`, root), "utf8").replace(/[\\`]|\$\{/g, "\\$&");
    return `  ${name(file)}: \`${text}\`,\n`;
  });
  return `// Made from shaders/*.wgsl by \`npm run shaders\`; edit those.\nexport const shaders = {\n${entries.join("")}} as const;\n`;
}

export const target = new URL("src/tensor/shaders.ts", root);

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, embedded());
