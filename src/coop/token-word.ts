import type { Tokenizer } from "../clip/index.ts";

/** A token as a person reads it. */
export interface TokenWord {
  /** "�" stands for a byte that is no character alone. */
  readonly text: string;
  /** Whether a word ends with it; CLIP marks such tokens with `</w>`, the others go on. */
  readonly endsWord: boolean;
}

/**
 * Reads a token of the vocabulary. Where tokens are whole words, each of them ends one.
 * @example tokenWord(clip.tokenizer, clip.tokenizer.encode("cat")[0]).text // "cat"
 */
export function tokenWord(tokenizer: Tokenizer, id: number): TokenWord {
  const end = endings(tokenizer);
  return { text: tokenizer.tokenText(id), endsWord: end === undefined || end.has(id) };
}

/** For a table: a token within a word has an ellipsis behind it. */
export const shownWord = ({ text, endsWord }: TokenWord): string => (text === "" ? "␣" : text) + (endsWord ? "" : "…");

const known = new WeakMap<object, Set<number> | undefined>();

/** The ids that end a word; undefined where the vocabulary does not say. */
function endings({ json }: Tokenizer): Set<number> | undefined {
  if (!known.has(json)) {
    const { model, added_tokens: added } = json as {
      model?: { end_of_word_suffix?: unknown; vocab?: Readonly<Record<string, number>> };
      added_tokens?: readonly { id: number }[];
    };
    const suffix = model?.end_of_word_suffix;
    const marked = typeof suffix === "string" && suffix !== "" && model?.vocab;
    const ids = marked && Object.entries(marked).flatMap(([token, id]) => (token.endsWith(suffix) ? [id] : []));
    known.set(json, ids ? new Set([...ids, ...(added ?? []).map(({ id }) => id)]) : undefined);
  }
  return known.get(json);
}
