import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { oneLine } from "../clip/bytes.ts";
import { type Clip, textFeatures } from "../clip/index.ts";
import { type FeatureIndex, INDEX_FILE, readIndex } from "../coop/feature-index.ts";
import { featureSearch } from "../coop/feature-search.ts";
import { isPictureName } from "../coop/walk.ts";
import { InputError } from "../tensor/errors.ts";
import { device } from "../tensor/index.ts";
import { type Command, type Input, MODEL_FLAG, UsageError } from "./command.ts";
import { encodePictures, modelSource, openModel, unknownNames } from "./model.ts";
import { print, printJson, say } from "./print.ts";

export const search: Command = {
  summary: "Finds the pictures of an indexed folder that are nearest to a text or a picture.",
  usage: 'DIR|INDEX "TEXT"... | IMAGE...',
  details: `DIR is a folder that \`coop index\` was run on, INDEX the file that it wrote. A query that is the path of a picture file is
a picture, any other is a text.`,
  flags: {
    "top-k": { value: "K", help: "how many pictures to show for each query (default 10)" },
    text: { help: "all queries are texts" },
    image: { help: "all queries are pictures" },
    model: { ...MODEL_FLAG, help: "folder or address of the model (default: the one that the index was made with)" },
  },
  async run(input) {
    const [where, ...words] = input.some("DIR");
    if (words.length === 0) throw new UsageError("a query is missing. See `coop search --help`.");
    const k = input.whole("top-k", 10);
    const queries = await Promise.all(words.map(async (word) => ({ query: word, kind: await kindOf(word, input) })));
    const { index, file } = await openIndex(where);
    const clip = await openIndexModel(index, file, input.text("model"));
    const texts = queries.filter(({ kind }) => kind === "text").map(({ query }) => query);
    for (const note of unknownNames(clip, texts)) say(note);

    const all = await featureSearch(index.features, index.dim);
    const {
      indices,
      cosines,
      k: found,
    } = await all.nearest(await featuresOf(clip, queries), Math.min(k, index.files.length));
    const root = join(dirname(file), index.folder);
    const results = queries.map((query, q) => ({
      ...query,
      found: Array.from(indices.subarray(q * found, (q + 1) * found), (row, i) => ({
        rank: i + 1,
        cosine: cosines[q * found + i],
        path: join(root, index.files[row].path),
      })),
    }));
    all.free();
    clip.free();
    if (input.has("json")) {
      const about = { index: file, model: index.model.name, device: (await device()).description };
      printJson({ ...about, pictures: index.files.length, results });
      return 0;
    }
    for (const { query, found: pictures } of results) {
      if (results.length > 1) print(oneLine(query));
      for (const { rank, cosine, path } of pictures)
        print(`${String(rank).padStart(String(found).length)}  ${cosine.toFixed(4)}  ${oneLine(path)}`);
      if (results.length > 1) print("");
    }
    return 0;
  },
};

type Kind = "text" | "image";

/** What a query is: a picture where there is a file of that name. */
async function kindOf(word: string, input: Input): Promise<Kind> {
  if (input.has("text") && input.has("image")) throw new UsageError("--text and --image exclude one another");
  if (input.has("text")) return "text";
  if (input.has("image")) return "image";
  if (!isPictureName(word)) return "text";
  if ((await stat(word).catch(() => undefined))?.isFile()) return "image";
  throw new InputError(
    `${oneLine(word)}: there is no such file. Check the path, or say --text to search for these words.`,
  );
}

/** The index file of a folder, or the one that was named. */
async function openIndex(where: string): Promise<{ index: FeatureIndex; file: string }> {
  const info = await stat(where).catch(() => undefined);
  if (!info) throw new InputError(`${oneLine(where)}: there is no such folder or index. Check the path.`);
  const file = info.isDirectory() ? join(where, INDEX_FILE) : where;
  if (info.isDirectory() && !(await stat(file).catch(() => undefined)))
    throw new InputError(`${oneLine(where)} has no index yet; run \`coop index ${oneLine(where)}\` first.`);
  return { index: await readIndex(file), file };
}

/** The model of an index; its weights must be those that the pictures were encoded with. */
async function openIndexModel({ model }: FeatureIndex, file: string, given?: string): Promise<Clip> {
  const source = given ?? modelSource(model.name);
  const clip = await openModel(source);
  if (clip.sha256 !== model.sha256)
    throw new InputError(
      `${oneLine(file)} was made with ${model.name} with weights ${model.sha256.slice(0, 12)}…, but ${source} has ${clip.sha256.slice(0, 12)}…; give the right one with --model, or run \`coop index\` again`,
    );
  return clip;
}

/** Features of texts and pictures [N, E], in the order of the queries. */
async function featuresOf(clip: Clip, queries: readonly { query: string; kind: Kind }[]): Promise<Float32Array> {
  const of = (kind: Kind) => queries.filter((query) => query.kind === kind).map(({ query }) => query);
  const [texts, images] = [of("text"), of("image")];
  clip.tokenize(texts); // refuses a text that does not fit
  const features = {
    text: texts.length > 0 ? await textFeatures(clip, texts) : new Float32Array(0),
    image: images.length > 0 ? await encodePictures(clip, images) : new Float32Array(0),
  };
  const next = { text: 0, image: 0 };
  const dim = clip.config.embedDim;
  const all = new Float32Array(queries.length * dim);
  for (const [i, { kind }] of queries.entries()) {
    const row = next[kind]++;
    all.set(features[kind].subarray(row * dim, (row + 1) * dim), i * dim);
  }
  return all;
}
