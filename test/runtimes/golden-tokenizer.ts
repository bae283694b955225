interface Tokens {
  readonly start: number;
  readonly end: number;
  readonly texts: Record<string, number[]>;
  readonly names_with_stop: Record<string, number[]>;
}

/** How CLIP's tokenizer cuts a text into words, single digits and runs of signs. */
const PIECE = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

/**
 * A `tokenizer.json` that knows the words of the goldens by CLIP's ids, each of which is one token there; so that the
 * goldens' model loads as any other although CLIP's list of merges is not at hand.
 */
export function goldenTokenizerJson(tokens: Tokens): object {
  const vocab: Record<string, number> = { "<unk>": 0 };
  for (const [text, ids] of [...Object.entries(tokens.texts), ...stopped(tokens)]) {
    const pieces = text.normalize("NFC").toLowerCase().match(new RegExp(PIECE, "gu")) ?? [];
    pieces.forEach((piece, i) => {
      if (pieces.length !== ids.length || (vocab[piece] ?? ids[i]) !== ids[i])
        throw new Error(`${text} is cut otherwise`);
      vocab[piece] = ids[i];
    });
  }
  const special = { "<unk>": 0, "<|startoftext|>": tokens.start, "<|endoftext|>": tokens.end };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: Object.entries(special).map(([content, id]) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }, { type: "Lowercase" }] },
    pre_tokenizer: { type: "Split", pattern: { Regex: PIECE }, behavior: "Removed", invert: true },
    post_processor: null,
    decoder: null,
    model: { type: "WordLevel", vocab: { ...vocab, ...special }, unk_token: "<unk>" },
  };
}

const stopped = ({ names_with_stop }: Tokens) =>
  Object.entries(names_with_stop).map(([name, ids]) => [`${name.replaceAll("_", " ")}.`, ids] as const);
