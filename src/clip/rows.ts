import { InputError } from "../tensor/errors.ts";
import {
  type AttentionPattern,
  attentionPattern,
  densePattern,
  type RowIndex,
  rowIndex,
  type Spans,
} from "../tensor/index.ts";

/**
 * Where sequences lie in one flat list of rows, and what each row sees. Sequences are causal; only the features of
 * their last rows are wanted. Where constant rows are set apart, they come first among the keys and are no queries.
 */
export interface SequenceRows {
  /** The place of each row in its own sequence, an index into the table of positions. */
  readonly positions: RowIndex;
  /** All rows as queries. */
  readonly all: AttentionPattern;
  /** The last row of each sequence. */
  readonly ends: RowIndex;
  /** The last rows as the only queries; absent where the last layer is to be computed for all rows. */
  readonly last?: AttentionPattern;
}

/** How `packSequences` lays sequences out. */
export interface PackOptions<Item> {
  /** Compute the beginning that all sequences have in common once; true where not given. */
  readonly share?: boolean;
  /** Give every sequence this many rows, as many as the longest at least: shapes that do not change with the texts. */
  readonly padTo?: number;
  /** Positions of the model: the extent of its table. */
  readonly contextLength: number;
  /** Items that never change. Rows with only such before them are constant in every layer, and set apart. */
  readonly isConstant?: (item: Item) => boolean;
  /**
   * Lay all sequences out this many times, one after the other: each time they are to hold other values. What they
   * share is shared within one copy, and no constants are set apart. 1 where not given.
   */
  readonly copies?: number;
}

/** Rows, what stands in each (undefined in one that pads), and its place in its own sequence. */
export interface Rows<Item> {
  readonly items: readonly (Item | undefined)[];
  readonly positions: readonly number[];
}

/** A list of sequences laid out as rows, on the host; of several copies the first is told, the others are as it is. */
export interface PackedSequences<Item> extends Rows<Item> {
  /** Rows at the beginning that belong to every sequence, constant ones included. */
  readonly shared: number;
  /** Of all copies. */
  readonly rows: SequenceRows;
  /** Rows set apart as constant, and what they see of one another. */
  readonly constants: Rows<Item> & { readonly all?: AttentionPattern };
}

/** Constant rows are set apart where there is one for so many others: fewer are not worth a list of keys in two parts. */
const WORTH_SETTING_APART = 8;

/**
 * Lays sequences out one after the other, what they begin with in common only once. The text tower is causal, so a row
 * depends on nothing behind it: a shared beginning has the same hidden states in every sequence, exactly, and a
 * beginning of items that never change has the same hidden states for ever.
 *
 * @param sequences one or more, none of them empty; compared by `===` of what `identity` makes of their items
 * @example packSequences([[1, 2, 3], [1, 2, 4, 5]], (id) => id, { contextLength: 77 }).shared // 2
 */
export function packSequences<Item>(
  sequences: readonly (readonly Item[])[],
  identity: (item: Item) => unknown,
  { share = true, padTo, contextLength, isConstant = () => false, copies = 1 }: PackOptions<Item>,
): PackedSequences<Item> {
  const longest = sequences.reduce((most, { length }) => Math.max(most, length), padTo ?? 0);
  if (longest > contextLength)
    throw new InputError(`packSequences: a sequence has ${longest} places; the context has ${contextLength}`);
  const common = share && padTo === undefined ? commonBeginning(sequences, identity) : 0;
  const fixed =
    padTo === undefined ? sequences.map((s) => Math.min(s.length - 1, constantBeginning(s, isConstant))) : [];
  const constant = fixed.reduce((a, b) => a + b, 0);
  const total = sequences.reduce((sum, { length }) => sum + length, 0);
  // constant beginnings that differ are kept whole, one for each sequence: then nothing else is shared
  const apart = copies === 1 && fixed.some((n) => n > common) && WORTH_SETTING_APART * constant >= total;
  const shared = apart ? 0 : common;

  const constants = { items: [] as Item[], positions: [] as number[], spans: [] as Spans[] };
  const beginnings = sequences.map((sequence, k) => {
    if (!apart) return [0, 0] as const;
    const start = constants.items.length;
    for (let t = 0; t < fixed[k]; t++) {
      constants.items.push(sequence[t]);
      constants.positions.push(t);
      constants.spans.push([0, 0, start, start + t + 1]);
    }
    return [start, start + fixed[k]] as const;
  });
  const before = constants.items.length;

  const items: (Item | undefined)[] = sequences[0].slice(0, shared);
  const positions = items.map((_, t) => t);
  const spans: Spans[] = items.map((_, t) => [0, 0, 0, t + 1]);
  const ends: number[] = [];
  sequences.forEach((sequence, k) => {
    const seen = apart ? beginnings[k] : ([0, shared] as const);
    const first = apart ? fixed[k] : shared;
    const start = before + items.length;
    for (let t = first; t < Math.max(sequence.length, padTo ?? 0); t++) {
      items.push(sequence[t]);
      positions.push(t);
      spans.push([...seen, start, start + t - first + 1]);
    }
    ends.push(start - before + sequence.length - 1 - first);
  });
  const keys = before + copies * items.length; // several copies have nothing before them
  const spansOf = (rows: readonly number[]) =>
    ofCopies(copies, (copy) => rows.map((row) => spans[row].map((key) => key + copy * items.length) as [...Spans]));
  const rowsOf = (rows: readonly number[]) => ofCopies(copies, (copy) => rows.map((row) => row + copy * items.length));
  return {
    items,
    positions,
    shared,
    constants: { ...constants, all: apart ? attentionPattern(constants.spans, before) : undefined },
    rows: {
      positions: rowIndex(Int32Array.from(ofCopies(copies, () => positions)), contextLength),
      all:
        padTo === undefined
          ? attentionPattern(spansOf([...spans.keys()]), keys)
          : densePattern(copies * sequences.length, padTo, padTo, { causal: true }),
      ends: rowIndex(Int32Array.from(rowsOf(ends)), copies * items.length),
      last: attentionPattern(spansOf(ends), keys),
    },
  };
}

const ofCopies = <T>(copies: number, make: (copy: number) => readonly T[]): T[] =>
  Array.from({ length: copies }, (_, copy) => make(copy)).flat();

function constantBeginning<Item>(sequence: readonly Item[], isConstant: (item: Item) => boolean): number {
  const first = sequence.findIndex((item) => !isConstant(item));
  return first < 0 ? sequence.length : first;
}

/** Items that all sequences begin with; each keeps its last for itself. */
function commonBeginning<Item>(sequences: readonly (readonly Item[])[], identity: (item: Item) => unknown): number {
  const [first] = sequences;
  const most = Math.min(...sequences.map(({ length }) => length)) - 1;
  const differs = (t: number) => sequences.some((sequence) => identity(sequence[t]) !== identity(first[t]));
  for (let t = 0; t < most; t++) if (differs(t)) return t;
  return Math.max(0, most);
}

/** Rows of pictures: `count` sequences of `length`, each row sees all of its own; the first is the summary. */
export function pictureRows(count: number, length: number): Omit<SequenceRows, "positions"> {
  const starts = Int32Array.from({ length: count }, (_, i) => i * length);
  return {
    all: densePattern(count, length, length),
    ends: rowIndex(starts, count * length),
    last: densePattern(count, 1, length),
  };
}
