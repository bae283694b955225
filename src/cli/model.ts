import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Clip, loadClip } from "../clip/index.ts";
import { device } from "../tensor/index.ts";
import { announce } from "../tensor/runtime.ts";

export { encodeClasses, encodePictures } from "./features.ts";

/** The model that comes with coop. */
export const TINY_CLIP = fileURLToPath(new URL("../../models/tiny-clip", import.meta.url));

/** How a model is called in files and output: the built-in one by its name, any other as it was given. */
export const modelName = (source: string | undefined): string =>
  source === undefined || source === TINY_CLIP ? "tiny-clip" : source;

/** The source of a model by the name that a run's files give it. */
export const modelSource = (name: string): string => (name === "tiny-clip" ? TINY_CLIP : name);

/** Starts the device, says on stderr what runs, and loads the model. */
export async function openModel(source = TINY_CLIP): Promise<Clip> {
  announce((await device()).description);
  return loadClip(source);
}

export const pathsOf = (root: string, items: readonly { readonly path: string }[]): string[] =>
  items.map(({ path }) => join(root, path));

/** What a person should know before asking about these names: words that the model has never seen all look the same to it. */
export function unknownNames(clip: Clip, names: readonly string[]): string[] {
  const { tokenizer } = clip;
  const unknown = names.filter((name) => tokenizer.encode(name).some((id) => tokenizer.tokenText(id) === "<unk>"));
  if (unknown.length === 0) return [];
  return [
    `This model does not know all words of ${unknown.map((name) => `"${name}"`).join(", ")}: it cannot tell such names apart. A larger CLIP (--model) can.`,
  ];
}
