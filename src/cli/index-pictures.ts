import { stat } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { oneLine } from "../clip/bytes.ts";
import { checkFilePlace, writeFileAtomic } from "../coop/atomic.ts";
import {
  type FeatureIndex,
  INDEX_FILE,
  type IndexedFile,
  indexBytes,
  readIndex,
  updateIndex,
} from "../coop/feature-index.ts";
import { lockFile } from "../coop/lock.ts";
import { openWalk, type Walk } from "../coop/walk.ts";
import { FormatError, InputError } from "../tensor/errors.ts";
import { type Command, type Input, MODEL_FLAG } from "./command.ts";
import { encodePictures, modelName, modelSource, openModel } from "./model.ts";
import { print, printJson, say } from "./print.ts";

export const indexCommand: Command = {
  summary: "Encodes the pictures of a folder, for `coop search`.",
  usage: "DIR [--out FILE]",
  details: `Pictures in folders within DIR count too. Run again, it encodes only pictures that are new or have changed (another size
or time), and drops those that are gone.`,
  flags: {
    out: { value: "FILE", help: `the index to write or bring up to date (default DIR/${INDEX_FILE})` },
    half: { help: "keep features in half precision: half the size, cosines to about three digits" },
    model: { ...MODEL_FLAG, help: "folder or address of a CLIP model (default: the index's, or else the tiny CLIP)" },
  },
  async run(input) {
    const dir = input.only("DIR");
    const walk = await openWalk(dir);
    const out = input.text("out") ?? join(dir, INDEX_FILE);
    await checkFilePlace(out);
    const lock = await lockFile(out);
    return indexPictures(input, dir, walk, out).finally(lock.release);
  },
};

async function indexPictures(input: Input, dir: string, walk: Walk, out: string): Promise<number> {
  const before = await existing(out);
  const paths = await walk.pictures("");
  if (paths.length === 0)
    throw new InputError(
      `${oneLine(dir)} holds no picture (png, jpg, webp, gif, bmp, tif, avif). Give another folder.`,
    );

  const source = input.text("model") ?? (before ? modelSource(before.model.name) : undefined);
  const clip = await openModel(source);
  const sameModel = before?.model.sha256 === clip.sha256;
  if (before && !sameModel)
    say(`The index was made with other weights (${oneLine(before.model.name)}): every picture is encoded anew.`);
  const refused: string[] = [];
  const update = await updateIndex(
    sameModel ? before : undefined,
    await statAll(walk.root, paths),
    {
      model: { name: modelName(source), sha256: clip.sha256 },
      folder:
        relative(dirname(resolve(out)), resolve(dir))
          .split(sep)
          .join("/") || ".",
      dim: clip.config.embedDim,
      half: input.has("half") || (before?.half ?? false),
    },
    async (files) => {
      const bad = new Set<string>();
      const features = await encodePictures(
        clip,
        files.map(({ path }) => join(walk.root, path)),
        "encode",
        {
          refused: (path, { message }) => {
            bad.add(path);
            refused.push(message);
          },
        },
      );
      return { features, read: files.filter(({ path }) => !bad.has(join(walk.root, path))) };
    },
  );
  clip.free();
  for (const message of refused) say(`left out: ${message}`);
  const { index, ...counts } = update;
  if (index.files.length === 0) throw new InputError(`${oneLine(dir)} holds no picture that can be read.`);
  await writeFileAtomic(out, indexBytes(index));
  const report = { pictures: index.files.length, ...counts, refused: refused.length };
  if (input.has("json")) printJson({ index: out, model: index.model.name, dim: index.dim, ...report });
  else
    print(
      `${oneLine(out)}: ${Object.entries(report)
        .filter(([what, n]) => n > 0 || what === "pictures")
        .map(([what, n]) => `${n} ${what}`)
        .join(", ")}`,
    );
  return 0;
}

/** The index that is there already; a file that is none is not written over. */
async function existing(out: string): Promise<FeatureIndex | undefined> {
  if (!(await stat(out).catch(() => undefined))) return undefined;
  try {
    return await readIndex(out);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new InputError(`${error.message}. Choose another --out, or delete that file first.`, { cause: error });
  }
}

/** Sizes and times, a few files at a time. */
async function statAll(root: string, paths: readonly string[]): Promise<IndexedFile[]> {
  const files: IndexedFile[] = [];
  for (let start = 0; start < paths.length; start += 64) {
    const some = paths.slice(start, start + 64).map(async (path): Promise<IndexedFile> => {
      const { size, mtimeMs } = await stat(join(root, path));
      return { path, bytes: size, modified: mtimeMs };
    });
    files.push(...(await Promise.all(some)));
  }
  return files;
}
