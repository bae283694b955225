import { checkpoint } from "../autograd/index.ts";
import type { Clip } from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";
import { concat, slice, type Tensor } from "../tensor/index.ts";
import type { Place } from "./prompt.ts";
import { type PromptEncoder, promptEncoder } from "./prompt-encoder.ts";

/** Bytes that the text tower may keep between its pass forward and its pass back. */
const MOST_KEPT = 4 * 2 ** 30;
/** Numbers that a block of the tower keeps of each row, in widths of the row. */
const KEPT_WIDTHS = 16;

/**
 * How many classes are computed at a time so that what the tower keeps for the gradients stays within 4 GiB, by a count
 * of its rows: all of them, or blocks of nearly equal size.
 */
export function classesPerBlock({ config }: Clip, prompts: readonly (readonly Place[])[]): number {
  const { width, layers } = config.text;
  const shared = sharedPlaces(prompts);
  const rows = prompts.reduce((sum, { length }) => sum + length - shared, shared);
  const blocks = Math.ceil((rows * layers * width * KEPT_WIDTHS * 4) / MOST_KEPT);
  return Math.ceil(prompts.length / blocks);
}

/** Places that all prompts begin with. */
function sharedPlaces(prompts: readonly (readonly Place[])[]): number {
  const same = (a: Place, b: Place) =>
    typeof a === "number" ? a === b : typeof b === "object" && a.vector === b.vector;
  const [first] = prompts;
  const differs = (t: number) => prompts.some((prompt) => t >= prompt.length || !same(first[t], prompt[t]));
  const at = first.findIndex((_, t) => differs(t));
  return at < 0 ? first.length : at;
}

/**
 * `promptEncoder` so many classes at a time. Each block is computed again for the gradients instead of kept (see
 * `checkpoint`), so that memory is that of one block; beside it only features [K, E] and their gradient grow with K.
 * Values and gradients are those of all classes at once, up to the order of sums.
 *
 * @throws InputError where `classesPerBlock` is no whole number ≥ 1
 */
export function blockedEncoder(
  clip: Clip,
  prompts: readonly (readonly Place[])[],
  { vectors, plain, classesPerBlock }: { vectors: number; plain?: boolean; classesPerBlock: number },
): PromptEncoder {
  if (!Number.isInteger(classesPerBlock) || classesPerBlock < 1)
    throw new InputError(`classesPerBlock is ${classesPerBlock}; it is a whole number ≥ 1`);
  if (classesPerBlock >= prompts.length) return promptEncoder(clip, prompts, { vectors, plain });

  const blocks = Array.from({ length: Math.ceil(prompts.length / classesPerBlock) }, (_, b) => {
    const own = prompts.slice(b * classesPerBlock, (b + 1) * classesPerBlock);
    const { first, count } = vectorsOf(own);
    const local = own.map((places) =>
      places.map((place) => (typeof place === "number" ? place : { vector: place.vector - first })),
    );
    return { first, count, encode: promptEncoder(clip, local, { vectors: count, plain, keepFirst: false }) };
  });
  const encode = (context: Tensor): Tensor =>
    concat(
      blocks.map(({ first, count, encode: encodeBlock }) => {
        const own = count === vectors ? context : slice(context, [first, 0], [first + count, context.shape[1]]);
        return checkpoint((v: Tensor) => encodeBlock(v))(own);
      }),
      0,
    );
  return Object.assign(encode, {
    free: () => {
      for (const block of blocks) block.encode.free();
    },
  });
}

/** The range of vectors that prompts refer to. */
function vectorsOf(prompts: readonly (readonly Place[])[]): { first: number; count: number } {
  const used = prompts.flatMap((places) =>
    places.flatMap((place) => (typeof place === "object" ? [place.vector] : [])),
  );
  const first = used.reduce((a, b) => Math.min(a, b));
  return { first, count: used.reduce((a, b) => Math.max(a, b)) - first + 1 };
}
