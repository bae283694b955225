import { InputError } from "../tensor/errors.ts";
import { cleanText } from "./clean-text.ts";

// a run of letters, a run of digits, or one other character: what a text is cut into
const PIECE = "[\\p{L}\\p{M}]+|\\p{N}+|[^\\s\\p{L}\\p{M}\\p{N}]";

const PIECES = new RegExp(PIECE, "gu");

/**
 * The words of some texts as `wordLevelTokenizerJson` cuts them: the commonest first, at most `limit`.
 * @example commonWords(["a cat", "a dog"], 2) // ["a", "cat"]
 */
export function commonWords(texts: Iterable<string>, limit: number): string[] {
  const counts = new Map<string, number>();
  for (const text of texts)
    for (const word of normal(cleanText(text)).match(PIECES) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts]
    .filter(([word]) => normal(word) === word)
    .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .slice(0, limit)
    .map(([word]) => word);
}

const normal = (text: string): string => text.normalize("NFC").toLowerCase();

/**
 * A `tokenizer.json` of whole words, for small models that are trained here: texts are lower-cased and cut into
 * words, numbers and single punctuation marks; what is not in `words` becomes `<unk>`. Ids: 0 `<pad>`, 1 `<unk>`,
 * the words in their order, `<|startoftext|>`, `<|endoftext|>`. InputError for a word that would be cut or that comes
 * twice.
 *
 * @example const tokenizer = await loadTokenizer(wordLevelTokenizerJson(["a", "cat"]), { contextLength: 8 });
 */
export function wordLevelTokenizerJson(words: readonly string[]): object {
  const known = new Set<string>();
  const whole = new RegExp(`^(?:${PIECE})$`, "u");
  for (const word of words.map(normal)) {
    if (!whole.test(word)) throw new InputError(`${JSON.stringify(word)} is not one word, number or punctuation mark.`);
    if (known.has(word)) throw new InputError(`The word ${JSON.stringify(word)} comes twice.`);
    known.add(word);
  }
  const tokens = ["<pad>", "<unk>", ...known, "<|startoftext|>", "<|endoftext|>"];
  const start = tokens.length - 2;
  const end = tokens.length - 1;
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [0, 1, start, end].map((id) => ({
      id,
      content: tokens[id],
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }, { type: "Lowercase" }] },
    pre_tokenizer: { type: "Split", pattern: { Regex: PIECE }, behavior: "Removed", invert: true },
    post_processor: {
      type: "RobertaProcessing",
      sep: [tokens[end], end],
      cls: [tokens[start], start],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: null,
    model: { type: "WordLevel", vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), unk_token: "<unk>" },
  };
}
