import { readFileSync } from "node:fs";
import { join } from "node:path";
import { minifyWgsl } from "../minify-wgsl.ts";
import { ROOT } from "./bundle.ts";
import { type Mutant, mutantsOf, mutated } from "./mutant.ts";
import { FILES } from "./tests.ts";
import { typescriptEdits } from "./typescript.ts";
import { wgslEdits } from "./wgsl.ts";
import type { Job } from "./worker.ts";

const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
const EMBEDDED = "src/tensor/shaders.ts";

/** Every mutant that can be made. */
export function allMutants(): Mutant[] {
  return FILES.flatMap((file) => {
    const text = read(file);
    return mutantsOf(file, text, file.endsWith(".wgsl") ? wgslEdits(text) : typescriptEdits(file, text));
  });
}

/** The file that a mutant changes; for a shader, the module in which it is embedded. */
export function replacementOf(mutant: Mutant): NonNullable<Job["replaced"]> {
  const text = read(mutant.file);
  if (!mutant.file.endsWith(".wgsl")) return { path: mutant.file, text: mutated(text, mutant) };
  const [before, after] = [text, mutated(text, mutant)].map(minifyWgsl);
  const embedded = read(EMBEDDED);
  const at = embedded.indexOf(`\`${before}\``);
  if (at < 0) throw new Error(`${mutant.file} is not what ${EMBEDDED} holds: run npm run shaders`);
  return { path: EMBEDDED, text: embedded.slice(0, at + 1) + after + embedded.slice(at + 1 + before.length) };
}
