import {
  applyNorm,
  type Clip,
  embedTokens,
  encodeEmbeddings,
  keysAndValues,
  type Projected,
  project,
  textLayers,
} from "../clip/index.ts";
import {
  add,
  broadcastTo,
  free,
  gatherRows,
  less,
  type RowIndex,
  realize,
  reshape,
  type Tensor,
  treeMap,
  where,
} from "../tensor/index.ts";
import { type PackedPrompts, type Place, packPrompts } from "./prompt.ts";

export interface PromptEncoderOptions {
  /** V: how many context vectors the prompts refer to. */
  readonly vectors: number;
  /** Every prompt at the model's full context length, as the reference computes them: same values, more work. */
  readonly plain?: boolean;
  /** Keep what the first block projects of the words, which saves work and takes the memory; true where not given. */
  readonly keepFirst?: boolean;
  /** The prompts are computed for several sets of vectors at once, those of one set sharing their beginning. */
  readonly sets?: boolean;
}

/** The text tower on certain prompts. */
export interface PromptEncoder {
  /** From vectors [V, D] to the features of the prompts [K, E], not normalised. */
  (vectors: Tensor): Tensor;
  /** Gives back the device's memory. */
  free(): void;
}

/**
 * The text tower on prompts with places for context vectors. What does not depend on the vectors is computed here, once:
 * the words, what the first block projects of them, and the keys and values of words that stand apart (see
 * `packPrompts`).
 *
 * @param prompts K of them
 * @returns from vectors [V, D] to the features of the prompts [K, E], not normalised; with `sets`, from [N V, D] to
 *   [N K, E], set after set
 */
export function promptEncoder(
  clip: Clip,
  prompts: readonly (readonly Place[])[],
  { vectors, plain = false, keepFirst = !plain, sets = false }: PromptEncoderOptions,
): PromptEncoder {
  const { config, params } = clip;
  const { text } = params;
  const [block] = text.blocks;
  const projected = (x: Tensor): Projected => project(block, applyNorm(block.norm1, x, config.layerNormEpsilon));
  const embed = (tokens: Tensor, positions: RowIndex) =>
    add(embedTokens(text, tokens), gatherRows(text.positionalEmbedding, positions));

  const packed = new Map<number, PackedPrompts>();
  const packedFor = (count: number): PackedPrompts => {
    const known = packed.get(count) ?? packPrompts(clip, prompts, { vectors, plain, sets: sets ? count : undefined });
    packed.set(count, known);
    return known;
  };
  const one = packedFor(1);
  const before = one.constants;
  const isWord = less(reshape(one.learned.index, [-1, 1]), 0); // [N, 1]
  const words = where(isWord, embed(one.tokens, one.rows.positions), 0); // [N, D]
  const fixed = realize({
    words,
    places: gatherRows(text.positionalEmbedding, one.learnedPositions), // [R, D]
    constants:
      before && keysAndValues(text.blocks, embed(before.tokens, before.positions), before.all, textLayers(config)),
    first: !keepFirst ? undefined : treeMap((x: Tensor) => where(isWord, x, 0), projected(words)),
  });

  const encode = (context: Tensor): Tensor => {
    const count = context.shape[0] / vectors;
    const { rows, learned, vectors: vectorOf } = packedFor(count);
    const places = add(gatherRows(context, vectorOf), repeated(fixed.places, count)); // [R, D]
    const placed = (x: Tensor, among: Tensor) => add(repeated(among, count), gatherRows(x, learned));
    const known = {
      first: fixed.first && treeMap(placed, projected(places), fixed.first),
      constants: fixed.constants,
    };
    return encodeEmbeddings(text, config, placed(places, fixed.words), rows, known);
  };
  return Object.assign(encode, { free: () => free([fixed, [...packed.values()]]) });
}

/** The rows of x [R, D] over and over: [count R, D]. */
const repeated = (x: Tensor, count: number): Tensor =>
  count === 1 ? x : reshape(broadcastTo(x, [count, ...x.shape]), [count * x.shape[0], x.shape[1]]);
