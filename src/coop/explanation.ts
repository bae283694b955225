import type { Spread } from "./nearest-words.ts";
import type { TokenWord } from "./token-word.ts";

/** What `coop explain` found, ready to be shown or written as JSON. */
export interface Explanation {
  readonly run: string;
  readonly model: string;
  readonly device: string;
  readonly vectors: readonly ExplainedVector[];
  /** there where pictures were given */
  readonly change?: ExplainedChange;
}

/** A context vector and the words near to it. */
export interface ExplainedVector {
  /** counted from 1 */
  readonly vector: number;
  /** there where each class has a context of its own */
  readonly class?: string;
  readonly norm: number;
  readonly byDistance: readonly ExplainedWord[];
  readonly byCosine: readonly ExplainedWord[];
  /** random vectors of the same norm */
  readonly control: {
    readonly draws: number;
    /** of the nearest word of each of them */
    readonly distance: Spread;
    readonly cosine: Spread;
    /** how many of them have a word at least as near */
    readonly asNear: { readonly distance: number; readonly cosine: number };
    /** the words nearest to one of them */
    readonly example: readonly ExplainedWord[];
  };
}

export interface ExplainedWord extends TokenWord {
  readonly id: number;
  readonly distance: number;
  readonly cosine: number;
}

/** How the answers to pictures differ between the hand-written prompt and the learned one. */
export interface ExplainedChange {
  readonly folder: string;
  /** which pictures, for a person */
  readonly part: string;
  readonly templates: readonly string[];
  readonly pictures: number;
  readonly zeroShot: { readonly accuracy: number; readonly correct: number };
  readonly learned: { readonly accuracy: number; readonly correct: number };
  /** of McNemar's exact test */
  readonly p: number;
  readonly classes: readonly {
    readonly label: string;
    readonly total: number;
    readonly zeroShot: { readonly correct: number; readonly margin: number | null };
    readonly learned: { readonly correct: number; readonly margin: number | null };
    /** between its two text features */
    readonly cosine: number;
  }[];
  readonly rightToWrong: readonly Flip[];
  readonly wrongToRight: readonly Flip[];
}

/** A picture that only one of the prompts has right. */
export interface Flip {
  readonly path: string;
  readonly label: string;
  readonly zeroShot: { readonly answer: string; readonly score: number };
  readonly learned: { readonly answer: string; readonly score: number };
}

/** How many vectors are nearer to a word than every random vector was, by distance and by cosine. */
export function nearerThanRandom(vectors: readonly ExplainedVector[]): { distance: number; cosine: number } {
  const count = (by: "distance" | "cosine") => vectors.filter(({ control }) => control.asNear[by] === 0).length;
  return { distance: count("distance"), cosine: count("cosine") };
}

/** What the comparison with random vectors says. */
export function verdict(vectors: readonly ExplainedVector[]): string {
  const near = nearerThanRandom(vectors);
  const draws = vectors[0]?.control.draws ?? 0;
  return `Of ${vectors.length} vectors ${near.distance} by distance and ${near.cosine} by cosine ${near.distance + near.cosine === 1 ? "is" : "are"} nearer to a word than each of ${draws} random vectors of the same norm; of random vectors one in ${draws + 1} would be. The words of the others say nothing.`;
}
