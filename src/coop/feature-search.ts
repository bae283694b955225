import { countRows as rowsOf } from "../clip/feature-table.ts";
import { InputError } from "../tensor/errors.ts";
import {
  arange,
  type Compiled,
  cast,
  compile,
  device,
  equal,
  free,
  gatherElements,
  greater,
  greaterEqual,
  less,
  logicalAnd,
  logicalOr,
  matmul,
  max,
  min,
  read,
  sum,
  type Tensor,
  type TopK,
  tensor,
  topK,
  where,
} from "../tensor/index.ts";
import { normalizeRows } from "./feature-rows.ts";

/** What is nearest to each of R queries, nearest first. */
export interface Nearest {
  readonly k: number;
  /** [R, k] row-major: rows of the features. */
  readonly indices: Int32Array;
  /** [R, k] row-major. */
  readonly cosines: Float32Array;
}

/** Features on the device, to be searched by cosine. */
export interface FeatureSearch {
  /** N */
  readonly count: number;
  /**
   * The k features nearest to each query, by comparing it with all of them; cosines are computed in float32, and the
   * lower row comes first among equals.
   *
   * @param queries [R, E] row-major, of any length
   * @throws InputError where k is not 1 to N
   */
  nearest(queries: Float32Array, k: number): Promise<Nearest>;
  /**
   * The place (from 1) that the first of each query's targets takes when all features are sorted by their cosines.
   *
   * @param queries [R, E] row-major
   * @param targets for each query, one row of the features or several
   */
  ranks(queries: Float32Array, targets: readonly (readonly number[])[]): Promise<Int32Array>;
  /** Gives the device memory back. */
  free(): void;
}

/** Options of `featureSearch`. */
export interface FeatureSearchOptions {
  /** Bytes of features that the device is to hold in one piece; as many as it can where not given. */
  readonly blockBytes?: number;
}

/** Cosines that are computed at a time. */
const SCORES = 2 ** 24;
const MOST_QUERIES = 256;
/** Below any cosine. */
const NONE = -4;

/** Features that lie together on the device: rows from `start` on. */
interface Block {
  readonly start: number;
  readonly rows: Tensor;
}

const cosines = (queries: Tensor, rows: Tensor): Tensor => matmul(queries, rows, { transposeB: true });

/** The largest cosine of a target that lies in a block, and the first row that has it. */
function bestTarget({ scores, targets }: { scores: Tensor; targets: Tensor }) {
  const width = scores.shape[1];
  const inside = logicalAnd(greaterEqual(targets, 0), less(targets, width));
  const own = where(inside, gatherElements(scores, targets), NONE);
  const cosine = max(own, 1, { keepDims: true });
  return { cosine, at: min(where(equal(own, cosine), targets, width), 1, { keepDims: true }) };
}

/** How many rows of a block come before the target. */
function countBefore({ scores, cosine, at }: { scores: Tensor; cosine: Tensor; at: Tensor }): Tensor {
  const tied = logicalAnd(equal(scores, cosine), less(arange(scores.shape[1]), at));
  return sum(cast(logicalOr(greater(scores, cosine), tied), "i32"), 1);
}

/**
 * Puts features on the device, in several blocks where they are larger than what it binds.
 *
 * @param features [N, E] row-major; brought to length 1 here
 * @param dim E
 * @example
 * const search = await featureSearch(pictures, clip.config.embedDim);
 * const { indices, cosines } = await search.nearest(texts, 10);
 */
export async function featureSearch(
  features: Float32Array,
  dim: number,
  options: FeatureSearchOptions = {},
): Promise<FeatureSearch> {
  const { largestTensor } = await device();
  const height = Math.max(1, Math.floor(Math.min(options.blockBytes ?? largestTensor, largestTensor) / (4 * dim)));
  const count = rowsOf(features, dim);
  const blocks: Block[] = [];
  for (let start = 0; start < count; start += height) {
    const end = Math.min(count, start + height);
    blocks.push({
      start,
      rows: tensor(normalizeRows(features.subarray(start * dim, end * dim), dim), [end - start, dim]),
    });
  }
  const atOnce = Math.max(1, Math.min(MOST_QUERIES, Math.floor(SCORES / Math.max(1, Math.min(count, height)))));

  const nearer = new Map<number, Compiled<[Tensor, Tensor], TopK>>();
  const nearerOf = (k: number) => {
    const known = nearer.get(k) ?? compile((queries: Tensor, rows: Tensor) => topK(cosines(queries, rows), k));
    nearer.set(k, known);
    return known;
  };
  const scored = compile(cosines);
  const best = compile(bestTarget);
  const before = compile(countBefore);

  /** Calls `visit` with some queries at a time, on the device. */
  async function inBatches(queries: Float32Array, visit: (batch: Tensor, from: number, to: number) => Promise<void>) {
    const total = rowsOf(queries, dim);
    for (let from = 0; from < total; from += atOnce) {
      const to = Math.min(total, from + atOnce);
      const batch = tensor(normalizeRows(queries.subarray(from * dim, to * dim), dim), [to - from, dim]);
      await visit(batch, from, to);
      free(batch);
    }
  }

  return {
    count,
    async nearest(queries, k) {
      if (!Number.isInteger(k) || k < 1 || k > count)
        throw new InputError(`${k} nearest of ${count} features cannot be found; ask for 1 to ${count}`);
      const indices = new Int32Array(rowsOf(queries, dim) * k);
      const found = new Float32Array(indices.length);
      await inBatches(queries, async (batch, from, to) => {
        const parts = await valuesOf(blocks.map(({ rows }) => nearerOf(Math.min(k, rows.shape[0]))(batch, rows)));
        for (let i = from; i < to; i++) {
          const candidates = parts.flatMap(({ values, indices: at }, b) => {
            const width = Math.min(k, blocks[b].rows.shape[0]);
            const own = (i - from) * width;
            return Array.from(at.subarray(own, own + width), (row, j) => ({
              row: blocks[b].start + row,
              cosine: values[own + j],
            }));
          });
          if (blocks.length > 1) candidates.sort((a, b) => b.cosine - a.cosine || a.row - b.row);
          for (let j = 0; j < k; j++) {
            indices[i * k + j] = candidates[j].row;
            found[i * k + j] = candidates[j].cosine;
          }
        }
      });
      return { k, indices, cosines: found };
    },
    async ranks(queries, targets) {
      if (targets.length !== rowsOf(queries, dim) || targets.some((list) => list.length === 0))
        throw new InputError(`${rowsOf(queries, dim)} queries need a list of targets each, with one or more in it`);
      const none = targets.flat().find((row) => !(Number.isInteger(row) && row >= 0 && row < count));
      if (none !== undefined) throw new InputError(`target ${none} is not one of ${count} features`);
      const ranks = new Int32Array(targets.length).fill(1);
      await inBatches(queries, async (batch, from, to) => {
        const scores = blocks.map(({ rows }) => scored(batch, rows));
        const lists = targets.slice(from, to);
        const tables = blocks.map(({ start }) => tableOf(lists, start));
        const winners = await valuesOf(blocks.map((_, b) => best({ scores: scores[b], targets: tables[b] })));
        const cosine = new Float32Array(lists.length).fill(NONE);
        const at = new Int32Array(lists.length);
        winners.forEach((winner, b) => {
          for (let i = 0; i < lists.length; i++) {
            if (winner.cosine[i] <= cosine[i]) continue;
            cosine[i] = winner.cosine[i];
            at[i] = blocks[b].start + winner.at[i];
          }
        });
        const column = tensor(cosine, [lists.length, 1]);
        const places = blocks.map(({ start }) =>
          tableOf(
            Array.from(at, (row) => [row]),
            start,
          ),
        );
        const counts = await valuesOf(
          blocks.map((_, b) => before({ scores: scores[b], cosine: column, at: places[b] })),
        );
        for (const part of counts) for (let i = 0; i < lists.length; i++) ranks[from + i] += part[i];
        free([tables, places, column]);
        free(scores);
      });
      return ranks;
    },
    free() {
      free(blocks.map(({ rows }) => rows));
      for (const program of [scored, best, before, ...nearer.values()]) program.free();
    },
  };
}

/** Reads a tree of tensors and gives their memory back. */
async function valuesOf<T>(tree: T) {
  const values = await read(tree);
  free(tree);
  return values;
}

/** Lists of rows as a table, relative to where a block starts; filled up with −1. */
function tableOf(lists: readonly (readonly number[])[], start: number): Tensor {
  const width = lists.reduce((most, { length }) => Math.max(most, length), 1);
  const rows = Int32Array.from({ length: lists.length * width }, (_, i) => {
    const target = lists[Math.floor(i / width)][i % width];
    return target === undefined ? -1 : target - start;
  });
  return tensor(rows, [lists.length, width]);
}
