import { InputError } from "../tensor/errors.ts";

// a run of letters, a run of digits, or one other character: what a text is cut into
const PIECE = "[\\p{L}\\p{M}]+|\\p{N}+|[^\\s\\p{L}\\p{M}\\p{N}]";

/**
 * A `tokenizer.json` of whole words, for small models that are trained here: texts are lower-cased and cut into
 * words, numbers and single punctuation marks; what is not in `words` becomes `<unk>`. Ids: 0 `<pad>`, 1 `<unk>`,
 * the words in their order, `<|startoftext|>`, `<|endoftext|>`. InputError for a word that would be cut or that comes
 * twice.
 */
export function wordLevelTokenizerJson(words: readonly string[]): object {
  const normal = words.map((word) => word.normalize("NFC").toLowerCase());
  const whole = new RegExp(`^(?:${PIECE})$`, "u");
  normal.forEach((word, i) => {
    if (!whole.test(word)) throw new InputError(`${JSON.stringify(word)} is not one word, number or punctuation mark.`);
    if (normal.indexOf(word) !== i) throw new InputError(`The word ${JSON.stringify(word)} comes twice.`);
  });
  const tokens = ["<pad>", "<unk>", ...normal, "<|startoftext|>", "<|endoftext|>"];
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
