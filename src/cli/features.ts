import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Clip,
  decodePicture,
  ensembleFeatures,
  fillTemplate,
  imageFeatures,
  readPictureFile,
  templateFeatures,
} from "../clip/index.ts";
import { type FeatureCache, openFeatureCache, sha256Hex } from "../coop/feature-cache.ts";
import { progress } from "../coop/progress.ts";
import { choicesText } from "../tensor/choices.ts";
import { CoopError, device } from "../tensor/index.ts";
import { treeLeaves } from "../tensor/tree.ts";
import { VERSION } from "./versions.ts";

/** So many pictures are encoded before what was computed is kept: what an interrupted command loses. */
export const KEPT_AT_ONCE = 512;

let wanted = true;
let code: string | undefined;

/** Whether features are taken from the user's cache and kept there: not where the user said `--no-cache`. */
export function useFeatureCache(on: boolean): void {
  wanted = on;
}

/** Pictures in a batch: few sizes, since the kernels and so the last bits of the features are a matter of the batch. */
export const batchFor = (count: number): number => Math.min(32, 2 ** Math.ceil(Math.log2(Math.max(1, count))));

/**
 * Features [N, E] of picture files, not normalised, bit for bit the same whether they were computed before or not.
 *
 * @param told.refused told of each file that is not a picture, which then has no row in the result
 * @param told.read told of each that is, with the SHA-256 of its bytes
 * @throws InputError for the first file that is not a picture, naming it, where `told.refused` is not given
 */
export async function encodePictures(
  clip: Clip,
  paths: readonly string[],
  label = "encode",
  told: {
    readonly refused?: (path: string, error: CoopError) => void;
    readonly read?: (path: string, sha256: string) => void;
  } = {},
): Promise<Float32Array> {
  const width = clip.config.embedDim;
  const batch = batchFor(paths.length);
  const cache = await openCache(clip, { pixels: clip.pixels, decoder: versionOf("sharp"), batch });
  const bar = progress(label, paths.length, paths.length < 16 ? { mode: "silent" } : {});
  const features = new Float32Array(paths.length * width);
  let missing: { index: number; key: string }[] = [];
  let [done, rows, known] = [0, 0, 0];
  async function* pixels() {
    for (const path of paths) {
      bar.update(done++);
      try {
        const bytes = await readPictureFile(path);
        const key = await sha256Hex(bytes);
        const row = cache?.get(key);
        if (row) {
          features.set(row, rows++ * width);
          known++;
          told.read?.(path, key);
        } else {
          const picture = clip.preprocess(await decodePicture(bytes, path));
          missing.push({ index: rows++, key });
          told.read?.(path, key);
          yield picture;
        }
      } catch (error) {
        if (!told.refused || !(error instanceof CoopError)) throw error;
        told.refused(path, error);
      }
    }
  }
  const pictures = pixels();
  for (;;) {
    const fresh = await imageFeatures(clip, upTo(KEPT_AT_ONCE, pictures), batch);
    if (fresh.length === 0) break;
    missing.forEach(({ index, key }, i) => {
      const row = fresh.slice(i * width, (i + 1) * width);
      features.set(row, index * width);
      cache?.put(key, row);
    });
    missing = [];
    await cache?.save();
  }
  bar.finish(`${paths.length} pictures${known > 0 ? `, ${known} of them from the cache` : ""}`);
  return features.subarray(0, rows * width);
}

/**
 * One normalised feature [K, E] for each class, as `classFeatures` computes it. Texts that are encoded together share
 * work, so the features of a template are kept for a list of names and used for exactly that list.
 */
export async function encodeClasses(
  clip: Clip,
  classNames: readonly string[],
  templates: readonly string[],
): Promise<Float32Array> {
  const width = clip.config.embedDim;
  const cache = await openCache(clip, { texts: "normalised" });
  const features: Float32Array[] = [];
  for (const template of templates) {
    const { ids } = clip.tokenize(fillTemplate(template, classNames));
    const list = await sha256Hex(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
    const keys = await Promise.all(classNames.map((_, i) => sha256Hex(new TextEncoder().encode(`${list} ${i}`))));
    const known = keys.map((key) => cache?.get(key));
    const all = new Float32Array(classNames.length * width);
    if (known.every((row) => row !== undefined)) known.forEach((row, i) => all.set(row!, i * width));
    else all.set(await templateFeatures(clip, classNames, template));
    keys.forEach((key, i) => cache?.put(key, all.slice(i * width, (i + 1) * width)));
    features.push(all);
  }
  await cache?.save();
  return ensembleFeatures(features, width);
}

/** The cache for what this model computes on this adapter; undefined where none is wanted. */
export async function openCache(clip: Clip, way: object): Promise<FeatureCache | undefined> {
  const { description, adapter } = await device();
  const chosen = choicesText(adapter);
  const off = /^(1|true|yes)$/i.test(process.env.COOP_NO_CACHE ?? "");
  if (!wanted || off || chosen === undefined) return undefined;
  const { sha256: model, config, params } = clip;
  const dtypes = [...new Set(treeLeaves(params).map((leaf) => (leaf as { dtype?: string }).dtype))].sort();
  const computedBy = {
    coop: VERSION,
    code: (code ??= codeHash()),
    webgpu: versionOf("webgpu"),
    adapter: description,
    chosen,
  };
  return openFeatureCache({ ...way, model, config, dtypes, ...computedBy }, clip.config.embedDim);
}

/** SHA-256 of the code that computes features, so that a changed kernel finds nothing that an older one computed. */
function codeHash(): string {
  const hash = createHash("sha256");
  for (const layer of ["tensor", "clip"]) {
    const folder = fileURLToPath(new URL(`../${layer}/`, import.meta.url));
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort())
      if (/\.(ts|js)$/.test(name)) hash.update(readFileSync(join(folder, name)));
  }
  return hash.digest("hex");
}

/** The version of an installed package; undefined where it is not installed. */
export function versionOf(name: string): string | undefined {
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? [])
    try {
      return JSON.parse(readFileSync(join(folder, name, "package.json"), "utf8")).version;
    } catch {} // not in this one
  return undefined;
}

/** The next items, `count` of them at most; the iterator stays open. */
export async function* upTo<T>(count: number, items: AsyncIterator<T>): AsyncGenerator<T> {
  for (let i = 0; i < count; i++) {
    const { value, done } = await items.next();
    if (done) return;
    yield value;
  }
}
