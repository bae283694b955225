import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withoutSecrets } from "../clip/http.ts";
import { type Clip, type Loading, loadClip } from "../clip/index.ts";
import { type Progress, type ProgressOptions, progress } from "../coop/progress.ts";
import { device } from "../tensor/index.ts";
import { announce } from "../tensor/runtime.ts";

export { encodeClasses, encodePictures } from "./features.ts";

/** The model that comes with coop. */
export const TINY_CLIP = fileURLToPath(new URL("../../models/tiny-clip", import.meta.url));

/** The model of a command without `--model`: the environment's, or else the one that comes with coop. */
const defaultModel = (): string => process.env.COOP_MODEL || TINY_CLIP;

/** How a model is called in files and output: the built-in one by its name, any other as it was given, signatures left out. */
export const modelName = (source = defaultModel()): string =>
  source === TINY_CLIP ? "tiny-clip" : withoutSecrets(source);

/** The source of a model by the name that a run's files give it. */
export const modelSource = (name: string): string => (name === "tiny-clip" ? TINY_CLIP : name);

/** Starts the device, says on stderr what runs, and loads the model, which may have to be fetched first. */
export async function openModel(source = defaultModel()): Promise<Clip> {
  announce((await device()).description);
  const bars = fetchBars();
  try {
    return await loadClip(source, { onProgress: bars.show });
  } finally {
    bars.end();
  }
}

const MB = 1e6;

/** A bar on stderr for every file of some size that is fetched. */
export function fetchBars(options: ProgressOptions = {}): { show(loading: Loading): void; end(): void } {
  let bar: Progress | undefined;
  let file: string | undefined;
  let before = { loaded: 0, total: 0 };
  let now = before;
  const show = (loading: Loading) => {
    if (loading.file !== file) {
      file = loading.file;
      before = now;
      bar = undefined;
    }
    now = loading;
    const loaded = loading.loaded - before.loaded;
    const size = loading.total - before.total;
    if (size < MB) return;
    bar ??= progress(`fetch ${file}`, Math.round(size / MB), { unit: "MB", ...options });
    if (loaded < size) bar.update(Math.floor(loaded / MB));
    else bar.finish(`${Math.round(size / MB)} MB`);
  };
  return { show, end: () => bar?.finish("stopped") };
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
