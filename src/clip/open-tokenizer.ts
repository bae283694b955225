import { FormatError } from "../tensor/errors.ts";
import type { TextConfig } from "./config.ts";
import { readJson, readText } from "./read-file.ts";
import { type FetchOptions, type ModelFiles, modelFiles } from "./source.ts";
import { loadTokenizer, type Tokenizer, type TokenizerLibrary } from "./tokenizer.ts";

/** Rows of the token embedding of every model that OpenAI's tokenizer serves. */
const CLIP_VOCABULARY = 49_408;
const MERGES = "bpe_simple_vocab_16e6.txt";
/** Where the tokenizer of OpenAI's models is, which come without one. */
const CLIP_TOKENIZER = "openai/clip-vit-base-patch32";

/**
 * The tokenizer of a model: the `tokenizer.json` beside its weights, CLIP's list of merges there
 * (`bpe_simple_vocab_16e6.txt`, or `.txt.gz`), or, for a vocabulary of CLIP's size, the hub's.
 *
 * @throws FormatError where there is none, or one of another size
 */
export async function openTokenizer(
  files: ModelFiles,
  text: TextConfig,
  options: FetchOptions,
  library?: TokenizerLibrary,
): Promise<Tokenizer> {
  const { json, name } = await findTokenizer(files, text, options);
  const tokenizer = await loadTokenizer(json, { contextLength: text.contextLength, name, library });
  if (tokenizer.vocabularySize > text.vocabularySize) {
    throw new FormatError(
      `${name}: it has ${tokenizer.vocabularySize} tokens, the model ${text.vocabularySize}; they are not of one model`,
    );
  }
  return tokenizer;
}

async function findTokenizer(
  files: ModelFiles,
  text: TextConfig,
  options: FetchOptions,
): Promise<{ json: object; name: string }> {
  const own = await readJson(files, "tokenizer.json");
  if (own !== undefined) return { json: own as object, name: `${files.name}/tokenizer.json` };
  for (const file of [MERGES, `${MERGES}.gz`]) {
    const merges = await readText(files, file);
    if (merges === undefined) continue;
    const { clipTokenizerJson } = await import("./bpe.ts");
    return { json: clipTokenizerJson(merges), name: `${files.name}/${file}` };
  }
  const wanted = `${files.name}: there is no tokenizer.json in it, nor CLIP's ${MERGES}.gz`;
  if (text.vocabularySize !== CLIP_VOCABULARY)
    throw new FormatError(`${wanted}, and its ${text.vocabularySize} tokens are not those of CLIP's`);
  const hint = "put one of them beside the weights";
  let json: unknown;
  try {
    json = await readJson(await modelFiles(CLIP_TOKENIZER, { ...options, revision: undefined }), "tokenizer.json");
  } catch (cause) {
    throw new FormatError(`${wanted}; ${hint}. That of ${CLIP_TOKENIZER} cannot be had: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (json === undefined) throw new FormatError(`${wanted}; ${hint}`);
  return { json: json as object, name: `${CLIP_TOKENIZER}/tokenizer.json` };
}
