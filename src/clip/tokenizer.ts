import { FormatError, InputError } from "../tensor/errors.ts";

/** Characters of a text that is tokenized whole. */
const MAX_TEXT = 2 ** 16;

/** Imports the package `@huggingface/tokenizers`. */
export type TokenizerLibrary = () => Promise<object>;

/** How texts become token ids. */
export interface TokenizerOptions {
  /** tokens in a row, start and end included; default 77 */
  readonly contextLength?: number;
  /** default `<|startoftext|>` */
  readonly startToken?: string;
  /** default `<|endoftext|>` */
  readonly endToken?: string;
  /** straighten quotes, resolve HTML entities and so on first, as OpenAI's code does; default true */
  readonly clean?: boolean;
  /** how errors call the file */
  readonly name?: string;
  /**
   * How the package is imported; by its name where not given. A worker without a bundler has no import map and imports it
   * by an address.
   */
  readonly library?: TokenizerLibrary;
}

/** Token rows of several texts. */
export interface TokenRows {
  /** Shape [count, length]: start, the text's tokens, end, then zeros */
  readonly ids: Int32Array;
  readonly count: number;
  readonly length: number;
}

/** Texts to token ids and back. */
export interface Tokenizer {
  /** The parsed `tokenizer.json` that it was made of. */
  readonly json: object;
  readonly contextLength: number;
  /** one more than the largest id */
  readonly vocabularySize: number;
  readonly startToken: number;
  /** the largest id of all: the text tower finds the end of a text by it */
  readonly endToken: number;
  /** The ids of a text, without start and end, however many. */
  encode(text: string): number[];
  /**
   * One row a text. InputError for a text that does not fit, unless `truncate`: then the row ends with the
   * tokens that do, and the end token.
   */
  tokenize(texts: readonly string[], options?: { truncate?: boolean }): TokenRows;
  /** The text of ids up to the end token if there is one, without the start token; in lower case as it was tokenized. */
  decode(ids: ArrayLike<number>): string;
  /** The text of one token, for people; a byte that is no character alone is shown as "�". */
  tokenText(id: number): string;
}

/**
 * Loads a `tokenizer.json` (its text, or parsed): CLIP's byte-pair encoding, or any other that the package
 * `@huggingface/tokenizers` reads, with a start token and an end token of the largest id. FormatError otherwise.
 *
 * @example
 * const tokenizer = await loadTokenizer(await readFile("tokenizer.json", "utf8"));
 * tokenizer.decode(tokenizer.encode("A cat.")); // "a cat ."
 */
export async function loadTokenizer(json: object | string, options: TokenizerOptions = {}): Promise<Tokenizer> {
  const { contextLength = 77, clean = true, name = "tokenizer.json" } = options;
  const parsed = typeof json === "string" ? parse(json, name) : json;
  const library = await loadLibrary(parsed, name, options.library);
  const { cleanText } = await import("./clean-text.ts");
  const special = (token: string): number =>
    library.token_to_id(token) ?? refuse(`${name}: there is no token ${token}; it is not a CLIP tokenizer.`);
  const start = special(options.startToken ?? "<|startoftext|>");
  const end = special(options.endToken ?? "<|endoftext|>");
  const vocabulary = [...library.get_vocab().values()];
  const vocabularySize = 1 + vocabulary.reduce((a, b) => Math.max(a, b), 0);
  if (end !== vocabularySize - 1)
    refuse(`${name}: the end token has id ${end}; it must be the largest, ${vocabularySize - 1}.`);
  if (!Number.isSafeInteger(contextLength) || contextLength < 2)
    throw new InputError(`contextLength ${contextLength}: at least 2 are needed, for start and end.`);

  const attempt = <T>(run: () => T): T => {
    try {
      return run();
    } catch (error) {
      return refuse(`${name}: ${(error as Error).message}. It must be a tokenizer.json as Hugging Face writes it.`);
    }
  };
  const encode = (text: string): number[] => {
    if (typeof text !== "string") throw new InputError(`A text to be tokenized is missing: ${text} is not a string.`);
    if (text.length > MAX_TEXT)
      throw new InputError(`A text of ${text.length} characters is too long to be tokenized; at most ${MAX_TEXT} are.`);
    const ids: number[] = attempt(
      () => library.encode(clean ? cleanText(text) : text, { add_special_tokens: false }).ids,
    );
    if (!ids.every((id) => Number.isInteger(id) && id >= 0))
      refuse(`${name}: it has no id for some token, not even one for unknown ones.`);
    return ids;
  };
  const textOf = (ids: number[]): string =>
    ids.length === 0
      ? ""
      : attempt(() => library.decode(ids, { skip_special_tokens: false, clean_up_tokenization_spaces: false })).trim();
  const checked = (ids: ArrayLike<number>): number[] =>
    Array.from(ids, (id) => {
      if (Number.isInteger(id) && id >= 0 && id < vocabularySize) return id;
      throw new InputError(`${id} is not a token id; those go from 0 to ${vocabularySize - 1}.`);
    });

  return {
    json: parsed,
    contextLength,
    vocabularySize,
    startToken: start,
    endToken: end,
    encode,
    tokenize(texts, { truncate = false } = {}) {
      if (!Array.isArray(texts)) throw new InputError(`tokenize: takes a list of texts, not a ${typeof texts}`);
      const rows = new Int32Array(texts.length * contextLength);
      texts.forEach((text, i) => {
        const ids = [start, ...encode(truncate ? text?.slice(0, MAX_TEXT) : text), end];
        if (ids.length > contextLength && !truncate) throw tooLong(text, ids.length, contextLength);
        rows.set(ids.length > contextLength ? [...ids.slice(0, contextLength - 1), end] : ids, i * contextLength);
      });
      return { ids: rows, count: texts.length, length: contextLength };
    },
    decode(ids) {
      const row = checked(ids);
      const stop = row.indexOf(end);
      return textOf(row.slice(0, stop < 0 ? row.length : stop).filter((id) => id !== start));
    },
    tokenText: (id) => textOf(checked([id])),
  };
}

async function loadLibrary(
  json: object,
  name: string,
  load: TokenizerLibrary = () => import("@huggingface/tokenizers"),
) {
  const imported = await load().catch((cause: Error) => {
    throw new InputError(
      `The package @huggingface/tokenizers cannot be imported (${cause.message}). Install it; in a page without a bundler, name it in the import map; in a worker, which has none, pass \`tokenizerLibrary\` (docs/runtimes.md).`,
      { cause },
    );
  });
  const { Tokenizer: Library } = imported as typeof import("@huggingface/tokenizers");
  const model = (json as { model?: { unk_token?: string } } | null)?.model;
  if (!model) refuse(`${name}: there is no "model" in it; it must be a tokenizer.json as Hugging Face writes it.`);
  const { checkTokenizerJson } = await import("./tokenizer-json.ts");
  checkTokenizerJson(json, name);
  try {
    return new Library(json, { unk_token: model.unk_token });
  } catch (error) {
    return refuse(`${name}: ${(error as Error).message}. It must be a tokenizer.json as Hugging Face writes it.`);
  }
}

function parse(text: string, name: string): object {
  try {
    return JSON.parse(text) as object;
  } catch (error) {
    return refuse(`${name} is not JSON: ${(error as Error).message}. Fetch it again.`);
  }
}

function tooLong(text: string, tokens: number, limit: number): InputError {
  const shown = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
  return new InputError(
    `The text ${shown} has ${tokens} tokens with start and end; at most ${limit} fit. Shorten it, or allow truncation.`,
  );
}

function refuse(message: string): never {
  throw new FormatError(message);
}
