import type { Clip } from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";

/** Where the class name stands among the context vectors. */
export type Position = "end" | "middle" | "front";

/** The rows of a batch of prompts: which places hold words and which hold context vectors. */
export interface PromptLayout {
  readonly classes: number;
  /** Places in a row. */
  readonly length: number;
  /** Token id at each place, −1 where there is none; [K, T] row-major. */
  readonly tokens: Int32Array;
  /** Index of the context vector at each place, −1 where there is none; [K, T] row-major. */
  readonly context: Int32Array;
  /** Place of the end token of each class. */
  readonly ends: Int32Array;
}

export interface LayoutOptions {
  readonly contextTokens: number;
  readonly position: Position;
  /** Vector m of class k is row k M + m of the context instead of row m. */
  readonly classSpecific: boolean;
  /** Rows of the whole context length, as the reference computes them; else cut behind the last end token. */
  readonly plain: boolean;
}

/**
 * Lays out the prompt of each class (Zhou et al., IJCV 2022, §3.2): start token, context and class name as `position` says, ".", end token.
 * The name and its full stop are tokenized together, since some names merge with it.
 *
 * @throws InputError for fewer than two classes, and for a prompt that is longer than the model's context
 */
export function layoutPrompts(clip: Clip, classNames: readonly string[], options: LayoutOptions): PromptLayout {
  if (classNames.length < 2)
    throw new InputError(`prompt learning needs two classes or more, not ${classNames.length}`);
  const { contextTokens: m, position, classSpecific, plain } = options;
  const { tokenizer, config } = clip;
  const rows = classNames.map((given, k) => {
    const name = given.replaceAll("_", " ");
    const words = tokenizer.encode(`${name}.`);
    const nameLength = Math.min(tokenizer.encode(name).length, words.length);
    const vectors = Array.from({ length: m }, (_, i) => ({ vector: classSpecific ? k * m + i : i }));
    const before = position === "end" ? m : position === "middle" ? Math.floor(m / 2) : 0;
    const row = [
      tokenizer.startToken,
      ...vectors.slice(0, before),
      ...(position === "end" ? words : words.slice(0, nameLength)),
      ...vectors.slice(before),
      ...(position === "end" ? [] : words.slice(nameLength)),
      tokenizer.endToken,
    ];
    if (row.length > config.text.contextLength) {
      throw new InputError(
        `the prompt of class "${name}" has ${row.length} tokens, ${m} of them context; this model takes ${config.text.contextLength}. Shorten the name or use fewer context tokens.`,
      );
    }
    return row;
  });
  const length = plain ? config.text.contextLength : Math.max(...rows.map((row) => row.length));
  const tokens = new Int32Array(rows.length * length).fill(-1);
  const context = new Int32Array(rows.length * length).fill(-1);
  rows.forEach((row, k) => {
    row.forEach((at, t) => {
      if (typeof at === "number") tokens[k * length + t] = at;
      else context[k * length + t] = at.vector;
    });
  });
  return { classes: rows.length, length, tokens, context, ends: Int32Array.from(rows, (row) => row.length - 1) };
}
