/** Merges of CLIP's vocabulary: 49,152 less the bytes and the two special tokens. */
const MERGES = 49_152 - 256 - 2;

/**
 * CLIP's tokenizer as a `tokenizer.json`, from its list of merges (`bpe_simple_vocab_16e6.txt`: a line of its version,
 * then one pair a line). Ids: the 256 bytes, the same at the end of a word, the merges in their order, start and end.
 */
export function clipTokenizerJson(list: string): object {
  const merges = list.split("\n").slice(1, 1 + MERGES);
  const bytes = byteSymbols();
  const tokens = [
    ...bytes,
    ...bytes.map((byte) => `${byte}</w>`),
    ...merges.map((merge) => merge.replace(" ", "")),
    "<|startoftext|>",
    "<|endoftext|>",
  ];
  const [start, end] = [tokens.length - 2, tokens.length - 1];
  const special = (id: number) => ({
    id,
    content: tokens[id],
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: id === start,
    special: true,
  });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [special(start), special(end)],
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFC" },
        { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
        { type: "Lowercase" },
      ],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        {
          type: "Split",
          pattern: { Regex: "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+" },
          behavior: "Removed",
          invert: true,
        },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      type: "RobertaProcessing",
      sep: [tokens[end], end],
      cls: [tokens[start], start],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: tokens[end],
      continuing_subword_prefix: "",
      end_of_word_suffix: "</w>",
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}

/** A character for every byte: its own where it can be seen, else one above U+00FF; those that can be seen come first. */
function byteSymbols(): string[] {
  const visible = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  const all = Array.from({ length: 256 }, (_, byte) => byte);
  const hidden = all.filter((byte) => !visible(byte)).length;
  return [
    ...all.filter(visible).map((byte) => String.fromCharCode(byte)),
    ...Array.from({ length: hidden }, (_, i) => String.fromCharCode(256 + i)),
  ];
}
