import { CONTEXT_LENGTH, random, type Tower, textSpecs, VOCABULARY } from "./data.ts";

/** Sizes of a CoOp step. */
export interface CoopSizes extends Tower {
  readonly classes: number;
  /** M */
  readonly contextTokens: number;
  readonly batch: number;
}

const START = VOCABULARY - 2;
const END = VOCABULARY - 1;
const STOP = 269; // "." in CLIP's vocabulary

/** Tokens in a class name: up to 3 for a few classes, with a tail up to 6 for many. */
const LENGTHS = [1, 2, 3, 1, 2, 1, 2, 3, 1, 2];
const MORE = [1, 2, 3, 1, 2, 1, 2, 4, 1, 2, 1, 2, 3, 1, 5, 2, 1, 3, 1, 6];

/** Token ids of each class name. */
export function classTokens(classes: number): number[][] {
  const lengths = classes <= 10 ? LENGTHS : MORE;
  return Array.from({ length: classes }, (_, k) =>
    Array.from({ length: lengths[k % lengths.length] }, (_v, i) => 1000 + ((7919 * k + 104729 * i) % 40000)),
  );
}

/** A name that `tokenizer` reads as these tokens. */
export const classNames = (classes: number): string[] => classTokens(classes).map((tokens) => tokens.join(" "));

/** Reads names made of token ids, so that no vocabulary has to be fetched. */
export const tokenizer = {
  contextLength: CONTEXT_LENGTH,
  vocabularySize: VOCABULARY,
  startToken: START,
  endToken: END,
  encode: (text: string): number[] => (text.match(/\d+|\./g) ?? []).map((word) => (word === "." ? STOP : Number(word))),
  tokenize: () => {
    throw new Error("no texts are tokenized here");
  },
  decode: (ids: ArrayLike<number>) => Array.from(ids).join(" "),
  tokenText: (id: number) => String(id),
  json: {},
};

/** The prompts as the usual code has them: what stands before and behind the context, embedded, cut at one length. */
export function embeddedPrompts({ classes, contextTokens, width }: CoopSizes) {
  const rows = classTokens(classes).map((name) => [...name, STOP, END]);
  const behind = Math.max(...rows.map((row) => row.length));
  const { std } = textSpecs({ layers: 0, width, heads: 1 }).tokens;
  const embed = (token: number) => random(0, width, std, token * width);
  const suffix = new Float32Array(classes * behind * width); // [K, S, D]
  rows.forEach((row, k) => {
    for (let t = 0; t < behind; t++) suffix.set(embed(row[t] ?? 0), (k * behind + t) * width);
  });
  const prefix = new Float32Array(classes * width); // [K, 1, D]
  for (let k = 0; k < classes; k++) prefix.set(embed(START), k * width);
  return {
    prefix,
    suffix,
    behind,
    length: 1 + contextTokens + behind,
    ends: Int32Array.from(rows, (row) => contextTokens + row.length),
  };
}

/** Everything else of a CoOp step: the context, cached image features and labels. */
export const coopData = ({ classes, contextTokens, width, batch }: CoopSizes) => ({
  context: random(10, contextTokens * width, 0.02), // [M, D]
  features: random(11, batch * width, 1), // [N, E]
  labels: Int32Array.from({ length: batch }, (_, i) => (7 * i) % classes),
});
