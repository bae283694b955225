import { InputError } from "../../tensor/errors.ts";
import type { Item } from "../folder.ts";

/** Pictures of classes, of a folder, a dataset or the shots drawn from one. */
export interface ClassSplits {
  readonly classNames: readonly string[];
  readonly train: readonly Item[];
  readonly val: readonly Item[];
  readonly test: readonly Item[];
}

/**
 * The classes in two halves, the first ⌈K/2⌉ and the rest, as CoCoOp's base-to-new experiment has them: labels count from
 * 0 in each, and pictures of the other half are gone. Draw the shots first, from all classes, as CoOp does:
 *
 * @example
 * const shots = fewShotSplits(folder, 16, 1);
 * const { base, new: unseen } = baseAndNew({ ...folder, ...shots });
 * @throws InputError where there are fewer than two classes
 */
export function baseAndNew<T extends ClassSplits>(splits: T): { base: T & ClassSplits; new: T & ClassSplits } {
  const count = splits.classNames.length;
  if (count < 2) throw new InputError(`base-to-new takes two classes or more, not ${count}`);
  const half = (from: number, to: number) => {
    const of = (items: readonly Item[]): Item[] =>
      items.filter(({ label }) => label >= from && label < to).map((item) => ({ ...item, label: item.label - from }));
    const { train, val, test } = splits;
    const classNames = splits.classNames.slice(from, to);
    return { ...splits, classNames, train: of(train), val: of(val), test: of(test) };
  };
  const middle = Math.ceil(count / 2);
  return { base: half(0, middle), new: half(middle, count) };
}
