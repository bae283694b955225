import { CoopError } from "../errors.ts";
import { type Tensor, tensor } from "../tensor.ts";

/** Two ranges [start, end) of rows, as four numbers; either may be empty. */
export type Spans = readonly [number, number, number, number];

/**
 * Which queries see which keys. Rows of all sequences lie in one flat list, so sequences of any lengths, shared
 * prefixes and causal masks are all a matter of ranges, and nothing is padded.
 */
export interface AttentionPattern {
  /** The keys that each query sees, in two ranges: i32 [queries, 4]. */
  readonly spans: Tensor;
  /** The queries that see each key, in two ranges: i32 [keys, 4]. */
  readonly readers: Tensor;
}

/**
 * A pattern from the keys that each query sees.
 *
 * @param spans one entry for each query
 * @throws CoopError where a query sees nothing or keys that do not exist, or where a key's readers are not two ranges
 * @example
 * // rows 0 and 1 are a prefix of two sequences, [0 1 2] and [0 1 3 4]; causal
 * attentionPattern([[0, 1, 0, 0], [0, 2, 0, 0], [0, 2, 2, 3], [0, 2, 3, 4], [0, 2, 3, 5]], 5);
 */
export function attentionPattern(spans: readonly Spans[], keys: number): AttentionPattern {
  const readers: number[][] = Array.from({ length: keys }, () => []);
  spans.forEach(([start0, end0, start1, end1], query) => {
    for (const [start, end] of [
      [start0, end0],
      [start1, end1],
    ]) {
      if (start < 0 || end > keys || start > end)
        throw new CoopError(`attentionPattern: query ${query} sees keys [${start}, ${end}) of ${keys}`);
      for (let key = start; key < end; key++) {
        const ranges = readers[key];
        if (ranges.at(-1) === query) ranges[ranges.length - 1] = query + 1;
        else ranges.push(query, query + 1);
      }
    }
    if (end0 <= start0 && end1 <= start1) throw new CoopError(`attentionPattern: query ${query} sees no key`);
  });
  const scattered = readers.findIndex((ranges) => ranges.length > 4);
  if (scattered >= 0)
    throw new CoopError(`attentionPattern: the queries that see key ${scattered} are not in two ranges of rows`);
  return {
    spans: tensor(Int32Array.from(spans.flat()), [spans.length, 4]),
    readers: tensor(Int32Array.from(readers.flatMap((ranges) => [...ranges, 0, 0, 0, 0].slice(0, 4))), [keys, 4]),
  };
}

/**
 * Sequences of one length, one after the other. With `causal`, query t of `queries` sees keys 0 … t + (keys − queries)
 * of its own sequence only, else all of them.
 *
 * @example densePattern(1, 2, 2, { causal: true }).spans // [0, 1, 0, 0, 0, 2, 0, 0]
 */
export function densePattern(
  sequences: number,
  queries: number,
  keys: number,
  { causal = false }: { causal?: boolean } = {},
): AttentionPattern {
  const ahead = keys - queries;
  const spans = new Int32Array(4 * sequences * queries);
  const readers = new Int32Array(4 * sequences * keys);
  for (let s = 0; s < sequences; s++) {
    for (let t = 0; t < queries; t++)
      spans.set([s * keys, s * keys + (causal ? t + ahead + 1 : keys)], 4 * (s * queries + t));
    for (let t = 0; t < keys; t++)
      readers.set([s * queries + (causal ? Math.max(0, t - ahead) : 0), (s + 1) * queries], 4 * (s * keys + t));
  }
  return {
    spans: tensor(spans, [sequences * queries, 4]),
    readers: tensor(readers, [sequences * keys, 4]),
  };
}
