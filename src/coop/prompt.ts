import { type Clip, packSequences, type SequenceRows } from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";
import { type AttentionPattern, type RowIndex, rowIndex, type Tensor, tensor } from "../tensor/index.ts";

/** Where the class name stands among the context vectors. */
export type Position = "end" | "middle" | "front";

/** One place of a prompt: a token id, or the index of a context vector. */
export type Place = number | { readonly vector: number };

/** What a prompt looks like. */
export interface PromptOptions {
  readonly contextTokens: number;
  readonly position: Position;
  /** Vector m of class k is row k M + m of the context instead of row m. */
  readonly classSpecific: boolean;
}

/**
 * The prompt of each class (Zhou et al., IJCV 2022, §3.2): start token, context and class name as `position` says, ".",
 * end token. The name and its full stop are tokenized together, since some names merge with it.
 *
 * @throws InputError for fewer than two classes, and for a prompt that is longer than the model's context
 * @example layoutPrompts(clip, ["cat", "dog"], { contextTokens: 4, position: "end", classSpecific: false })[0].length
 */
export function layoutPrompts(clip: Clip, classNames: readonly string[], options: PromptOptions): Place[][] {
  if (classNames.length < 2)
    throw new InputError(`prompt learning needs two classes or more, not ${classNames.length}`);
  const { contextTokens: m, position, classSpecific } = options;
  const { tokenizer, config } = clip;
  if (!["end", "middle", "front"].includes(position))
    throw new InputError(`the position is "${position}"; it is end, middle or front`);
  return classNames.map((given, k) => {
    if (typeof given !== "string" || !given.trim())
      throw new InputError(`class ${k} is called ${JSON.stringify(given)}; give it a name`);
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
}

/** Prompts on the device, as rows of one flat list (see `packSequences`). */
export interface PackedPrompts {
  /** Token of each row, i32 [N]; −1 where a context vector stands or nothing. */
  readonly tokens: Tensor;
  /** Words before any context vector, where they are set apart: tokens i32 [C], positions, and what they see. */
  readonly constants?: {
    readonly tokens: Tensor;
    readonly positions: RowIndex;
    readonly all: AttentionPattern;
  };
  /** Position of each row in its prompt. */
  readonly rows: SequenceRows;
  /** The context vector of each learned row: [R] of the [M] or [K M] vectors. */
  readonly vectors: RowIndex;
  /** Position of each learned row in its prompt. */
  readonly learnedPositions: RowIndex;
  /** The learned row that each row is, −1 where it is a word: [N] of [R]. */
  readonly learned: RowIndex;
}

/**
 * Packs prompts. What they begin with in common is computed once: the start token and the context where it stands
 * before the name and is one for all; its first half with the name in the middle; else what the prompts happen to share.
 * With the name in front, start token and name are constant in every layer, and set apart.
 *
 * There are `vectors` context vectors. With `plain`, every prompt is computed at the model's full context length and
 * nothing is shared, as in the reference. `sets` lays the prompts out for so many sets of vectors, vector v of set n
 * being row n · `vectors` + v; only the prompts of one set share their beginning, and nothing is set apart. `tokens`
 * remain those of one set.
 *
 * @example const packed = packPrompts(clip, layoutPrompts(clip, classNames, options), { vectors: 16 });
 */
export function packPrompts(
  clip: Clip,
  prompts: readonly (readonly Place[])[],
  { vectors, plain = false, sets }: { vectors: number; plain?: boolean; sets?: number },
): PackedPrompts {
  const { contextLength } = clip.config.text;
  const identity = (place: Place) => (typeof place === "number" ? place : -1 - place.vector);
  const { items, rows, positions, constants } = packSequences(prompts, identity, {
    contextLength,
    padTo: plain ? contextLength : undefined,
    isConstant: sets === undefined ? (place) => typeof place === "number" : undefined,
    copies: sets,
  });
  const learned = Array.from({ length: sets ?? 1 }, (_, set) =>
    items.flatMap((place, i) =>
      typeof place === "object"
        ? [{ row: set * items.length + i, vector: set * vectors + place.vector, position: positions[i] }]
        : [],
    ),
  ).flat();
  const rowOf = new Map(learned.map(({ row }, i) => [row, i]));
  const tokens = (places: readonly (Place | undefined)[]) =>
    tensor(Int32Array.from(places, (place) => (typeof place === "number" ? place : -1)));
  return {
    tokens: tokens(items),
    constants: constants.all && {
      tokens: tokens(constants.items),
      positions: rowIndex(Int32Array.from(constants.positions), contextLength),
      all: constants.all,
    },
    rows: plain ? { ...rows, last: undefined } : rows,
    vectors: rowIndex(
      Int32Array.from(learned, ({ vector }) => vector),
      (sets ?? 1) * vectors,
    ),
    learnedPositions: rowIndex(
      Int32Array.from(learned, ({ position }) => position),
      contextLength,
    ),
    learned: rowIndex(
      Int32Array.from({ length: (sets ?? 1) * items.length }, (_, row) => rowOf.get(row) ?? -1),
      learned.length,
    ),
  };
}
