import { countRows } from "../clip/feature-table.ts";
import { InputError } from "../tensor/errors.ts";
import {
  cast,
  compile,
  div,
  free,
  gather,
  key,
  matmul,
  maximum,
  mul,
  normal,
  read,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  topK,
} from "../tensor/index.ts";
import { normalizeRows } from "./feature-rows.ts";
import { meanAndDeviation } from "./score.ts";

/** How near two vectors are: by Euclidean distance, as CoOp's authors read their prompts, or by cosine. */
export type Measure = "distance" | "cosine";

/** A token of the vocabulary and how near its embedding is. */
export interface NearToken {
  readonly id: number;
  readonly distance: number;
  readonly cosine: number;
}

/** Queries that are compared with the whole vocabulary at a time. */
const AT_ONCE = 256;
/** So many more than asked for are found in float32, then measured in float64 and sorted again. */
const SPARE = 8;

/**
 * The k tokens whose embeddings are nearest to each query, nearest first and the lower id among equals, by comparing it
 * with all of them. Candidates are found on the device; their distances are computed in float64.
 *
 * @param table blocks of rows [V, D], as `TextParams.tokenEmbedding`
 * @param queries [Q, D] row-major
 * @throws InputError where k is not 1 to V
 * @example const [near] = await nearestTokens(clip.params.text.tokenEmbedding, context, 5);
 */
export async function nearestTokens(
  table: readonly Tensor[],
  queries: Float32Array,
  k: number,
  by: Measure = "distance",
): Promise<NearToken[][]> {
  const dim = table[0].shape[1];
  const count = table.reduce((rows, block) => rows + block.shape[0], 0);
  const total = countRows(queries, dim);
  if (!Number.isInteger(k) || k < 1 || k > count)
    throw new InputError(`${k} nearest of ${count} tokens cannot be found; ask for 1 to ${count}`);

  const search = compile((batch: Tensor, block: Tensor) => {
    const { indices } = topK(nearness(batch, cast(block, "f32"), by), Math.min(k + SPARE, block.shape[0]));
    return { indices, rows: cast(gather(block, indices), "f32") }; // [Q, C], [Q, C, D]
  });
  const found: NearToken[][] = [];
  for (let from = 0; from < total; from += AT_ONCE) {
    const part = queries.subarray(from * dim, Math.min(total, from + AT_ONCE) * dim);
    const batch = tensor(part, [part.length / dim, dim]);
    const results = table.map((block) => search(batch, block));
    const blocks = await read(results);
    free([batch, results]);
    for (let i = 0; i < part.length / dim; i++) {
      const query = part.subarray(i * dim, (i + 1) * dim);
      let start = 0;
      const candidates = blocks.flatMap(({ indices, rows }, b) => {
        const width = indices.length / (part.length / dim);
        const own = Array.from({ length: width }, (_, j) => {
          const at = i * width + j;
          return { id: start + indices[at], ...between(query, rows.subarray(at * dim, (at + 1) * dim)) };
        });
        start += table[b].shape[0];
        return own;
      });
      candidates.sort((a, b) => (by === "distance" ? a.distance - b.distance : b.cosine - a.cosine) || a.id - b.id);
      found.push(candidates.slice(0, k));
    }
  }
  search.free();
  return found;
}

/** [Q, V]: larger is nearer. Of the squared distance only what differs between tokens. */
function nearness(queries: Tensor, rows: Tensor, by: Measure): Tensor {
  const products = matmul(queries, rows, { transposeB: true });
  const squares = sum(square(rows), 1);
  return by === "distance" ? sub(mul(products, 2), squares) : div(products, sqrt(maximum(squares, 1e-30)));
}

/** Euclidean distance and cosine in float64; the cosine with a vector of zeros is 0. */
function between(a: ArrayLike<number>, b: ArrayLike<number>): { distance: number; cosine: number } {
  let [apart, product, aa, bb] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    apart += (a[i] - b[i]) ** 2;
    product += a[i] * b[i];
    aa += a[i] ** 2;
    bb += b[i] ** 2;
  }
  return { distance: Math.sqrt(apart), cosine: aa * bb > 0 ? product / Math.sqrt(aa * bb) : 0 };
}

/** The words nearest to one context vector, beside what chance finds. */
export interface VectorWords {
  readonly norm: number;
  /** nearest first */
  readonly byDistance: readonly NearToken[];
  readonly byCosine: readonly NearToken[];
  readonly control: Control;
}

/** What is nearest to vectors of the same norm and random direction. */
export interface Control {
  /** how many were drawn */
  readonly draws: number;
  /** of the nearest word of each */
  readonly distance: Spread;
  readonly cosine: Spread;
  /** how many had a word at least as near as the context vector has */
  readonly asNear: { readonly distance: number; readonly cosine: number };
  /** the words nearest to the first of them by distance */
  readonly example: readonly NearToken[];
}

/** Mean and standard deviation. */
export interface Spread {
  readonly mean: number;
  readonly deviation: number;
}

/** Options of `nearestWords`. */
export interface NearestWordsOptions {
  /** words for each vector and measure; default 5 */
  readonly k?: number;
  /** of the random directions; default 1 */
  readonly seed?: number;
  /** random directions; default 64, down to 16 where there are many vectors */
  readonly draws?: number;
}

/**
 * The words nearest to each context vector (Zhou et al., IJCV 2022, §4.2), with a control: among so many tokens some word
 * is near to any vector, so the nearest means something only where it is nearer than a random vector's.
 *
 * @param table blocks of rows [V, D], as `TextParams.tokenEmbedding`
 * @param vectors [N, D] row-major
 * @example
 * const [first] = await nearestWords(clip.params.text.tokenEmbedding, context);
 * first.byDistance.map(({ id }) => tokenWord(clip.tokenizer, id).text);
 */
export async function nearestWords(
  table: readonly Tensor[],
  vectors: Float32Array,
  options: NearestWordsOptions = {},
): Promise<VectorWords[]> {
  const dim = table[0].shape[1];
  const count = vectors.length / dim;
  const { k = 5, seed = 1 } = options;
  const byDistance = await nearestTokens(table, vectors, k, "distance");
  const byCosine = await nearestTokens(table, vectors, k, "cosine");

  const draws = options.draws ?? Math.max(16, Math.min(64, Math.floor(1024 / Math.max(1, count))));
  const directions = await randomDirections(draws, dim, seed);
  const cosines = (await nearestTokens(table, directions, 1, "cosine")).map(([{ cosine }]) => cosine);
  const norms = Array.from({ length: count }, (_, i) => Math.hypot(...vectors.subarray(i * dim, (i + 1) * dim)));
  const results: VectorWords[] = [];
  for (const [i, norm] of norms.entries()) {
    const found = await nearestTokens(
      table,
      directions.map((x) => norm * x),
      k,
      "distance",
    );
    const distances = found.map(([{ distance }]) => distance);
    const asNear = {
      distance: distances.filter((distance) => distance <= byDistance[i][0].distance).length,
      cosine: cosines.filter((cosine) => cosine >= byCosine[i][0].cosine).length,
    };
    const control = {
      draws,
      distance: meanAndDeviation(distances),
      cosine: meanAndDeviation(cosines),
      asNear,
      example: found[0],
    };
    results.push({ norm, byDistance: byDistance[i], byCosine: byCosine[i], control });
  }
  return results;
}

/** Vectors [count, dim] of length 1, uniform over the sphere. */
async function randomDirections(count: number, dim: number, seed: number): Promise<Float32Array> {
  const drawn = normal(key(seed), [count, dim]);
  const values = normalizeRows((await drawn.data()) as Float32Array, dim);
  free(drawn);
  return values;
}
