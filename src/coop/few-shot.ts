import { InputError } from "../tensor/errors.ts";
import { MersenneTwister } from "./mersenne.ts";

/** What the sampler needs to know of a picture. */
export interface Labelled {
  readonly label: number;
}

/**
 * CoOp's few-shot sample: the items grouped by label in order of first appearance; of each group `shots`
 * drawn without replacement, or the whole group as it stands where it has fewer; the groups one after another.
 *
 * @example fewShot([{ label: 0 }, { label: 0 }, { label: 1 }], 1, new MersenneTwister(1)).length // 2
 */
export function fewShot<T extends Labelled>(items: readonly T[], shots: number, random: MersenneTwister): T[] {
  if (!Number.isInteger(shots) || shots < 1)
    throw new InputError(`The number of shots must be a whole number from 1, not ${shots}.`);
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const group = groups.get(item.label);
    if (group) group.push(item);
    else groups.set(item.label, [item]);
  }
  return [...groups.values()].flatMap((group) => (group.length < shots ? group : random.sample(group, shots)));
}

/**
 * The shots of train and, from the same generator as it then stands, min(shots, 4) a class of val: the very pictures
 * that CoOp's own code draws with `--seed`, if the lists come in its order.
 *
 * @example const { train, val } = fewShotSplits(await readFolder("pets"), 16, 1);
 */
export function fewShotSplits<T extends Labelled>(
  splits: { readonly train: readonly T[]; readonly val: readonly T[] },
  shots: number,
  seed: number,
): { train: T[]; val: T[] } {
  const random = new MersenneTwister(seed);
  const train = fewShot(splits.train, shots, random);
  return { train, val: fewShot(splits.val, Math.min(shots, 4), random) };
}

/**
 * Shots as `fewShotSplits` draws them, and pictures to choose a setting by: `valShots` a class from val, from the same
 * generator; where there is no val, from the train pictures that are no shots. Classes that have none left give none.
 *
 * @example const { train, val } = shotsAndValidation(await readFolder("pets"), 16, 4, 1);
 */
export function shotsAndValidation<T extends Labelled>(
  splits: { readonly train: readonly T[]; readonly val: readonly T[] },
  shots: number,
  valShots: number,
  seed: number,
): { train: T[]; val: T[] } {
  const random = new MersenneTwister(seed);
  const train = fewShot(splits.train, shots, random);
  const taken = new Set(train);
  const pool = splits.val.length > 0 ? splits.val : splits.train.filter((item) => !taken.has(item));
  return { train, val: fewShot(pool, valShots, random) };
}
