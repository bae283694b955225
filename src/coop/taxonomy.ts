import type { LabelSet } from "./label-set.ts";

/** Answers with one set of labels. */
export interface Answers {
  readonly set: LabelSet;
  /** index into the set's labels, for each picture */
  readonly predicted: ArrayLike<number>;
}

/** How many pictures got a label, or a label of a category, with the one set of labels and with the other. */
export interface Shift {
  readonly name: string;
  readonly before: number;
  readonly after: number;
  /** pictures that came to it from another */
  readonly gained: number;
  /** pictures that went from it to another */
  readonly lost: number;
}

/** The answers to the pictures of one group. */
export interface GroupShift {
  readonly group: string;
  readonly total: number;
  readonly categories: readonly Shift[];
  readonly labels: readonly Shift[];
}

/**
 * How the answers to the pictures of each group change from one set of labels to another (the question of Radford et al.,
 * arXiv 2103.00020, §7.1). Names that no picture of a group got are there too, with zeros.
 *
 * @param groupOf index into `groups`, for each picture
 */
export function groupShifts(
  groups: readonly string[],
  groupOf: ArrayLike<number>,
  before: Answers,
  after: Answers,
): GroupShift[] {
  const named = (names: "labels" | "categories", members: readonly number[]): Shift[] => {
    const [from, to] = [before, after].map(({ set, predicted }) => members.map((i) => set[names][predicted[i]]));
    return [...new Set([...before.set[names], ...after.set[names]])].map((name) => {
      const count = (holds: (i: number) => boolean) => members.reduce((n, _, i) => n + (holds(i) ? 1 : 0), 0);
      return {
        name,
        before: count((i) => from[i] === name),
        after: count((i) => to[i] === name),
        gained: count((i) => from[i] !== name && to[i] === name),
        lost: count((i) => from[i] === name && to[i] !== name),
      };
    });
  };
  return groups.map((group, g) => {
    const members = Array.from({ length: groupOf.length }, (_, i) => i).filter((i) => groupOf[i] === g);
    return {
      group,
      total: members.length,
      categories: named("categories", members),
      labels: named("labels", members),
    };
  });
}
