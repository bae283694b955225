/** Rows and members that were found and left out. */
export interface SkippedPairs {
  readonly total: number;
  /** "missing pictures", how many, and which was the first. */
  readonly reasons: readonly { readonly why: string; readonly count: number; readonly first: string }[];
}

/** Counts what is left out, by the reason. */
export class SkipReport {
  readonly #reasons = new Map<string, { count: number; first: string }>();

  add(why: string, where: string): void {
    const known = this.#reasons.get(why);
    if (known) known.count++;
    else this.#reasons.set(why, { count: 1, first: where });
  }

  result(): SkippedPairs {
    const reasons = [...this.#reasons].map(([why, { count, first }]) => ({ why, count, first }));
    return { total: reasons.reduce((sum, { count }) => sum + count, 0), reasons };
  }
}

/** One sentence for each reason: "3 left out, missing pictures (first: line 7, cat.jpg)". */
export const skippedNotes = ({ reasons }: SkippedPairs): string[] =>
  reasons.map(({ why, count, first }) => `${count} left out, ${why} (first: ${first})`);
