import type { BatchPiece } from "../clip/cached-gradients.ts";
import {
  decodePicture,
  type PreprocessOptions,
  preprocess,
  preprocessAt,
  readPicture,
  type Tokenizer,
  textBatch,
} from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";
import { tensor } from "../tensor/index.ts";
import { MersenneTwister, seedWords } from "./mersenne.ts";
import type { PairSource } from "./pairs.ts";
import { batchesPerEpoch, epochBatches } from "./schedule.ts";

/** How pairs become batches. */
export interface PairBatchOptions {
  readonly tokenizer: Tokenizer;
  readonly pixels: PreprocessOptions;
  /** Pairs in a step. */
  readonly batch: number;
  /** Pairs on the device at a time; divides `batch`. */
  readonly microBatch: number;
  readonly seed: number;
  /** Called each time that a picture cannot be decoded, with why. */
  readonly onDamaged?: (message: string) => void;
}

/** The batches of a training. */
export interface PairBatches {
  readonly perEpoch: number;
  /** The batch of a step, in pieces. */
  at(step: number): Promise<BatchPiece[]>;
}

/** Pictures that are decoded at a time. */
const AT_ONCE = 16;

/** Texts are cut at a multiple of this many tokens, so that few lengths are compiled. */
const TOKENS = 8;

/**
 * The batches that a source gives: each epoch all pairs in another order, a last incomplete batch left out, pictures cut
 * at a random place. Everything is a function of the seed, the epoch and the pair. A picture that cannot be decoded is
 * replaced by a pair of the next batch.
 *
 * @example
 * const batches = pairBatches(pairs, { tokenizer, pixels, batch: 128, microBatch: 128, seed: 1 });
 * const pieces = await batches.at(0);
 */
export function pairBatches(source: PairSource, options: PairBatchOptions): PairBatches {
  const { batch, microBatch, seed, pixels } = options;
  const perEpoch = batchesPerEpoch(source.count, batch);
  let known: { epoch: number; batches: number[][] } | undefined;
  const order = (epoch: number): number[][] => {
    if (known?.epoch !== epoch) known = { epoch, batches: epochBatches(source.count, batch, seed, epoch) };
    return known.batches;
  };
  return {
    perEpoch,
    async at(step) {
      const epoch = Math.floor(step / perEpoch);
      const batches = order(epoch);
      const b = step % perEpoch;
      const spares = perEpoch > 1 ? [...batches[(b + 1) % perEpoch]] : [];
      const decode = (i: number) =>
        pixelsOf(source, i, (picture) => preprocessAt(picture, pixels, place(seed, epoch, i)));
      const pairs = await mapSome(batches[b], async (i) => ({ i, ...(await decode(i)) }));
      for (const [at, { error }] of pairs.entries()) {
        if (!error) continue;
        options.onDamaged?.(error.message);
        for (let found = false; !found; ) {
          const spare = spares.shift();
          if (spare === undefined)
            throw new InputError(`${error.message} There is no pair to take its place; remove it from ${source.name}.`);
          const instead = await decode(spare);
          found = instead.error === undefined;
          if (found) pairs[at] = { i: spare, ...instead };
        }
      }
      return piecesOf(
        pairs.map(({ i, values }) => ({ values: values!, caption: source.captions[i] })),
        microBatch,
        options,
      );
    },
  };
}

/** All pairs of a source in order, a micro-batch at a time, pictures cut in the middle; what cannot be decoded is left out. */
export async function* orderedBatches(
  source: PairSource,
  options: Omit<PairBatchOptions, "seed" | "batch">,
): AsyncGenerator<{ piece: BatchPiece; captions: string[] }> {
  const ready: { values: Float32Array; caption: string }[] = [];
  const { microBatch, pixels } = options;
  const give = (some: typeof ready) => ({
    piece: piecesOf(some, some.length, options)[0],
    captions: some.map(({ caption }) => caption),
  });
  for (let start = 0; start < source.count; start += AT_ONCE) {
    const indices = Array.from({ length: Math.min(AT_ONCE, source.count - start) }, (_, i) => start + i);
    const decoded = await mapSome(indices, (i) => pixelsOf(source, i, (picture) => preprocess(picture, pixels)));
    decoded.forEach(({ values, error }, i) => {
      if (values) ready.push({ values, caption: source.captions[indices[i]] });
      else options.onDamaged?.(error!.message);
    });
    while (ready.length >= microBatch) yield give(ready.splice(0, microBatch));
  }
  if (ready.length > 0) yield give(ready);
}

/** Where the square of a pair's picture lies in an epoch. */
function place(seed: number, epoch: number, pair: number): [number, number] {
  const [low, high = 0] = seedWords(seed);
  const random = new MersenneTwister([low, high, epoch, pair]);
  return [random.random(), random.random()];
}

type Picture = Awaited<ReturnType<typeof decodePicture>>;

async function pixelsOf(
  source: PairSource,
  i: number,
  prepare: (picture: Picture) => Float32Array,
): Promise<{ values?: Float32Array; error?: InputError }> {
  try {
    const { image, name } = await source.at(i);
    return { values: prepare(typeof image === "string" ? await readPicture(image) : await decodePicture(image, name)) };
  } catch (error) {
    if (error instanceof InputError) return { error };
    throw error;
  }
}

async function mapSome<A, B>(items: readonly A[], f: (item: A) => Promise<B>): Promise<B[]> {
  const out: B[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE)
    out.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(f))));
  return out;
}

function piecesOf(
  pairs: readonly { readonly values: Float32Array; readonly caption: string }[],
  size: number,
  { tokenizer, pixels }: Pick<PairBatchOptions, "tokenizer" | "pixels">,
): BatchPiece[] {
  const rows = tokenizer.tokenize(
    pairs.map(({ caption }) => caption),
    { truncate: true },
  );
  const row = (i: number) => rows.ids.subarray(i * rows.length, (i + 1) * rows.length);
  const longest = Math.max(...pairs.map((_, i) => row(i).indexOf(tokenizer.endToken) + 1));
  const padTo = Math.min(rows.length, Math.ceil(longest / TOKENS) * TOKENS);
  const side = pixels.crop!;
  return Array.from({ length: pairs.length / size }, (_, piece) => () => {
    const images = new Float32Array(size * 3 * side * side);
    for (let i = 0; i < size; i++) images.set(pairs[piece * size + i].values, i * 3 * side * side);
    const ids = rows.ids.subarray(piece * size * rows.length, (piece + 1) * size * rows.length);
    return {
      images: tensor(images, [size, 3, side, side]),
      ...textBatch({ ids, count: size, length: rows.length }, tokenizer, { padTo }),
    };
  });
}
