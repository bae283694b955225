import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Clip, imageFeatures, loadClip, readPicture } from "../clip/index.ts";
import { progress } from "../coop/progress.ts";
import { CoopError, device } from "../tensor/index.ts";
import { announce } from "../tensor/runtime.ts";

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

/**
 * Features [N, E] of picture files, not normalised.
 *
 * @param refused told of each file that is not a picture, which then has no row in the result
 * @throws InputError for the first file that is not a picture, naming it, where `refused` is not given
 */
export async function encodePictures(
  clip: Clip,
  paths: readonly string[],
  label = "encode",
  refused?: (path: string, error: CoopError) => void,
): Promise<Float32Array> {
  const bar = progress(label, paths.length, paths.length < 16 ? { mode: "silent" } : {});
  let done = 0;
  async function* pixels() {
    for (const path of paths) {
      try {
        yield clip.preprocess(await readPicture(path));
      } catch (error) {
        if (!refused || !(error instanceof CoopError)) throw error;
        refused(path, error);
      }
      bar.update(++done);
    }
  }
  const features = await imageFeatures(clip, pixels(), Math.min(32, paths.length));
  bar.finish(`${paths.length} pictures`);
  return features;
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
