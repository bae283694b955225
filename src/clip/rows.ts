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
 * their last rows are wanted.
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

export interface PackOptions {
  /** Compute the beginning that all sequences have in common once; true where not given. */
  readonly share?: boolean;
  /** Give every sequence this many rows, as many as the longest at least: shapes that do not change with the texts. */
  readonly padTo?: number;
  /** Positions of the model: the extent of its table. */
  readonly contextLength: number;
}

/** A list of sequences laid out as rows, on the host. */
export interface PackedSequences<Item> {
  /** What stands in each row; undefined in one that pads. */
  readonly items: readonly (Item | undefined)[];
  /** The place of each row in its own sequence. */
  readonly positions: readonly number[];
  /** Rows at the beginning that belong to every sequence. */
  readonly shared: number;
  readonly rows: SequenceRows;
}

/**
 * Lays sequences out one after the other, what they begin with in common only once. The text tower is causal, so a row
 * depends on nothing behind it: a shared beginning has the same hidden states in every sequence, exactly.
 *
 * @param sequences one or more, none of them empty; compared by `===` of what `identity` makes of their items
 */
export function packSequences<Item>(
  sequences: readonly (readonly Item[])[],
  identity: (item: Item) => unknown,
  { share = true, padTo, contextLength }: PackOptions,
): PackedSequences<Item> {
  const shared = share && padTo === undefined ? commonBeginning(sequences, identity) : 0;
  const items: (Item | undefined)[] = sequences[0].slice(0, shared);
  const positions = items.map((_, t) => t);
  const spans: Spans[] = items.map((_, t) => [0, 0, 0, t + 1]);
  const ends: number[] = [];
  for (const sequence of sequences) {
    const start = items.length;
    for (let t = shared; t < Math.max(sequence.length, padTo ?? 0); t++) {
      items.push(sequence[t]);
      positions.push(t);
      spans.push([0, shared, start, start + t - shared + 1]);
    }
    ends.push(start + sequence.length - 1 - shared);
  }
  const dense = padTo !== undefined;
  return {
    items,
    positions,
    shared,
    rows: {
      positions: rowIndex(Int32Array.from(positions), contextLength),
      all: dense
        ? densePattern(sequences.length, padTo, padTo, { causal: true })
        : attentionPattern(spans, items.length),
      ends: rowIndex(Int32Array.from(ends), items.length),
      last: attentionPattern(
        ends.map((row) => spans[row]),
        items.length,
      ),
    },
  };
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
