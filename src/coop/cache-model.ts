import { countRows, featureTable } from "../clip/feature-table.ts";
import { type Clip, similarityLogits } from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";
import {
  add,
  argmax,
  cast,
  compile,
  equal,
  exp,
  free,
  l2Normalize,
  matmul,
  mul,
  oneHot,
  stack,
  sub,
  sum,
  type Tensor,
  tensor,
} from "../tensor/index.ts";
import { inChunks } from "./in-chunks.ts";
import type { LabelledFeatures } from "./protocols.ts";
import type { Score } from "./score.ts";

/** Tip-Adapter without training: the shots themselves, kept beside CLIP's classes. */
export interface CacheModel {
  /** [S, E] and [S], row-major; need not be normalised. */
  readonly shots: LabelledFeatures;
  /** Features [K, E] of the classes, row-major; need not be normalised. */
  readonly classes: Float32Array;
}

/** How much the shots count, and how near a picture must be to one. */
export interface CacheWeights {
  readonly alpha: number;
  readonly beta: number;
}

/** Where there is nothing to choose by: the released code's start for ImageNet. */
export const CACHE_WEIGHTS: CacheWeights = { alpha: 1.17, beta: 1 };

/**
 * What the released code tries for ImageNet: 20 values of α below 3, 200 of β below 7.
 * @example await searchCache(clip, model, validation, CACHE_GRID);
 */
export const CACHE_GRID = {
  alphas: Array.from({ length: 20 }, (_, i) => 0.1 + (2.9 * i) / 20),
  betas: Array.from({ length: 200 }, (_, i) => 0.1 + (6.9 * i) / 200),
};

/** Elements of the affinities that are computed at a time. */
const AT_ONCE = 2 ** 23;

/**
 * Logits of pictures by Tip-Adapter (Zhang et al., "Tip-Adapter: Training-free Adaption of CLIP for Few-shot
 * Classification", ECCV 2022, arXiv 2111.03930, §3.1): CLIP's own plus α exp(−β (1 − f Fᵀ)) L, where F are the features
 * of the shots and L their labels, one-hot. `chunk` pictures are compared at a time.
 *
 * @param features [N, E] row-major, need not be normalised
 * @returns [N, K] row-major
 * @example
 * const weights = await searchCache(clip, model, validation);
 * const logits = await cacheLogits(clip, model, test.features, weights);
 */
export async function cacheLogits(
  clip: Clip,
  model: CacheModel,
  features: Float32Array,
  { alpha, beta }: CacheWeights = CACHE_WEIGHTS,
  { chunk = chunkFor(model) }: { chunk?: number } = {},
): Promise<Float32Array> {
  if (![alpha, beta].every(Number.isFinite))
    throw new InputError(`cacheLogits: alpha is ${alpha} and beta ${beta}; both are finite numbers`);
  countRows(features, clip.config.embedDim);
  const parts = upload(clip, model);
  const logits = compile((p: Parts, x: Tensor, alpha: number | Tensor, beta: number | Tensor) => {
    const { own, affinities } = compare(clip, p, x);
    return add(own, mul(fromCache(p, affinities, beta), alpha));
  });
  try {
    return await inChunks(features, clip.config.embedDim, chunk, (x) => logits(parts, x, alpha, beta));
  } finally {
    logits.free();
    free(parts);
  }
}

/**
 * The α and β that get the most validation pictures right; the first of equals, β in the outer loop.
 *
 * @param validation pictures that are no shots
 * @example const { alpha, beta } = await searchCache(clip, { shots, classes }, validation);
 */
export async function searchCache(
  clip: Clip,
  model: CacheModel,
  validation: LabelledFeatures,
  { alphas, betas }: { readonly alphas: readonly number[]; readonly betas: readonly number[] } = CACHE_GRID,
  { chunk = chunkFor(model) }: { chunk?: number } = {},
): Promise<CacheWeights & { readonly score: Score }> {
  const total = validation.labels.length;
  if (total === 0) throw new InputError("there are no validation pictures to choose alpha and beta by");
  if (alphas.length * betas.length === 0)
    throw new InputError(`searchCache: there are ${alphas.length} alphas and ${betas.length} betas to try`);
  const parts = upload(clip, model);
  const known = compile((p: Parts, x: Tensor) => compare(clip, p, x), { name: "the cache's affinities" });
  const hits = compile((p: Parts, c: Compared, labels: Tensor, beta: number | Tensor) => {
    const cached = fromCache(p, c.affinities, beta);
    const right = (alpha: number) => equal(argmax(add(c.own, mul(cached, alpha))), labels);
    return stack(alphas.map((alpha) => sum(cast(right(alpha), "f32"))));
  });
  const counts = betas.map(() => new Float64Array(alphas.length));
  try {
    for (const { features, labels } of padded(validation, chunk)) {
      const compared = known(parts, features);
      for (const [b, beta] of betas.entries()) {
        const found = hits(parts, compared, labels, beta);
        (await found.data()).forEach((n: number, a: number) => {
          counts[b][a] += n;
        });
        found.free();
      }
      free([features, labels, compared]);
    }
  } finally {
    for (const compiled of [known, hits]) compiled.free();
    free(parts);
  }
  let best = { alpha: alphas[0], beta: betas[0], score: { correct: -1, total } };
  betas.forEach((beta, b) => {
    alphas.forEach((alpha, a) => {
      if (counts[b][a] > best.score.correct) best = { alpha, beta, score: { correct: counts[b][a], total } };
    });
  });
  return best;
}

interface Parts {
  /** [S, E], normalised. */
  readonly shots: Tensor;
  /** One-hot [S, K]. */
  readonly labels: Tensor;
  /** [K, E]. */
  readonly classes: Tensor;
}

interface Compared {
  /** CLIP's own logits [n, K]. */
  readonly own: Tensor;
  /** Cosines with the shots [n, S]. */
  readonly affinities: Tensor;
}

function upload({ config: { embedDim } }: Clip, { shots, classes }: CacheModel): Parts {
  const rows = (x: Float32Array) => featureTable(x, embedDim);
  const count = classes.length / embedDim;
  const wrong = shots.labels.find((label) => !(label >= 0 && label < count));
  if (wrong !== undefined) throw new InputError(`a shot has the label ${wrong}, which is not one of ${count} classes`);
  return {
    shots: l2Normalize(rows(shots.features)),
    labels: oneHot(tensor(shots.labels), classes.length / embedDim),
    classes: rows(classes),
  };
}

const compare = (clip: Clip, { shots, classes }: Parts, x: Tensor): Compared => ({
  own: similarityLogits(x, classes, clip.params.logitScale),
  affinities: matmul(l2Normalize(x), shots, { transposeB: true }),
});

/** exp(−β (1 − affinities)) L: [n, K]. */
const fromCache = ({ labels }: Parts, affinities: Tensor, beta: number | Tensor): Tensor =>
  matmul(exp(mul(sub(affinities, 1), beta)), labels);

const chunkFor = ({ shots }: CacheModel): number => Math.max(1, Math.floor(AT_ONCE / shots.labels.length));

/** Pictures in chunks of one size; what fills the last one up has the label −1, which nothing is taken for. */
function* padded(
  { features, labels }: LabelledFeatures,
  size: number,
): Generator<{ features: Tensor; labels: Tensor }> {
  const width = features.length / labels.length;
  const most = Math.min(size, labels.length);
  for (let start = 0; start < labels.length; start += most) {
    const rows = new Float32Array(most * width);
    const own = new Int32Array(most).fill(-1);
    rows.set(features.subarray(start * width, (start + most) * width));
    own.set(labels.subarray(start, start + most));
    yield { features: tensor(rows, [most, width]), labels: tensor(own) };
  }
}
