/** What the split goes by. */
export interface Drawable {
  /** Pictures that were added together have the same, later ones a higher one. */
  readonly batch: number;
  /** Of all that were ever added. */
  readonly number: number;
}

/** One picture of so many is held out, whatever the number of shots. */
const EVERY = 5;
/** Which of them: the third, so that two pictures are both learned from and of three one is held out. */
const HELD = 2;

/**
 * Which pictures of a class are learned from and which are held out: in an order drawn by the seed every fifth is held out
 * (one of three already), of the others the first `shots` are learned from, and the rest is held out too. Pictures that
 * are added later come after those before them, so they change the part of none.
 */
export function splitClass<T extends Drawable>(
  pictures: readonly T[],
  shots: number,
  seed: number,
): { readonly shots: T[]; readonly heldOut: T[] } {
  const lots = new Map(pictures.map((picture) => [picture, lot(seed, picture.number)]));
  const drawn = pictures.toSorted((a, b) => a.batch - b.batch || lots.get(a)! - lots.get(b)! || a.number - b.number);
  const learned = new Set(drawn.filter((_, i) => i % EVERY !== HELD).slice(0, shots));
  return { shots: [...learned], heldOut: drawn.filter((picture) => !learned.has(picture)) };
}

/** 32 bits that depend on both numbers. */
const lot = (seed: number, n: number): number => scrambled(scrambled(seed + 0x9e3779b9) + n);

function scrambled(n: number): number {
  let bits = n | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
