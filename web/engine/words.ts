import type { Clip } from "../../src/clip/index.ts";
import { nearestWords } from "../../src/coop/nearest-words.ts";
import { shownWord, tokenWord } from "../../src/coop/token-word.ts";
import type { ContextWords } from "../protocol.ts";

/** Words for each vector. */
const WORDS = 5;
/** Random vectors whose nearest words are averaged. */
const DRAWS = 16;
/** Of so many classes the own contexts are shown. */
const MOST_CLASSES = 20;

/**
 * The words nearest to each vector of a context.
 *
 * @param context row-major, of `shape` [M, D] or [K, M, D]
 */
export async function contextWords(
  clip: Clip,
  context: Float32Array,
  shape: readonly number[],
  classNames: readonly string[],
): Promise<ContextWords[]> {
  const [vectors, width] = shape.slice(-2);
  const shown = context.subarray(0, Math.min(MOST_CLASSES, shape.length === 3 ? shape[0] : 1) * vectors * width);
  const k = Math.min(WORDS, clip.tokenizer.vocabularySize);
  const found = await nearestWords(clip.params.text.tokenEmbedding, shown, { k, draws: DRAWS });
  return found.map(({ byDistance, control }, i) => ({
    ...(shape.length === 3 ? { className: classNames[Math.floor(i / vectors)] } : {}),
    vector: (i % vectors) + 1,
    nearest: byDistance.map(({ id, distance }) => ({ word: shownWord(tokenWord(clip.tokenizer, id)), distance })),
    random: control.distance.mean,
  }));
}
