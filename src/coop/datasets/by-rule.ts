import { InputError } from "../../tensor/errors.ts";
import type { Item } from "../folder.ts";
import { MersenneTwister } from "../mersenne.ts";
import type { Lists, Splits } from "./dataset.ts";
import { spacedName } from "./split-file.ts";

/** Always this one, so that another seed for the shots leaves the test pictures as they are. */
const SEED = 1;

/** Python's round of a number that is not negative: halves go to the even neighbour. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const up = x - floor > 0.5 || (x - floor === 0.5 && floor % 2 === 1);
  return up ? floor + 1 : floor;
}

/**
 * CoOp's division of a folder of class folders: half of each class, shuffled, to train on, a fifth for validation, the
 * rest for the test. CoOp shuffles what the file system lists, in the order that it happens to have; here it is sorted.
 */
export function classFolders(
  options: { readonly ignored?: readonly string[]; readonly renamed?: Readonly<Record<string, string>> } = {},
): Lists {
  const { ignored = [], renamed = {} } = options;
  return {
    needs: [],
    async read({ walk }) {
      const random = new MersenneTwister(SEED);
      const folders = (await walk.list("")).folders.filter((name) => !ignored.includes(name));
      const splits: Record<keyof Splits, Item[]> = { train: [], val: [], test: [] };
      for (const [label, folder] of folders.entries()) {
        const className = spacedName(Object.hasOwn(renamed, folder) ? renamed[folder] : folder);
        const items = (await walk.pictures(folder)).map((path) => ({ path, label, className }));
        const [train, val] = [roundHalfEven(items.length * 0.5), roundHalfEven(items.length * 0.2)];
        if (train === 0 || val === 0 || train + val === items.length)
          throw new InputError(
            `${walk.root}: "${folder}" has ${items.length} pictures, too few for train, val and test. Is the archive unpacked whole?`,
          );
        random.shuffle(items);
        splits.train.push(...items.slice(0, train));
        splits.val.push(...items.slice(train, train + val));
        splits.test.push(...items.slice(train + val));
      }
      return splits;
    },
  };
}

/** CoOp's division of official training pictures: a fifth of each class, shuffled, for validation, the rest to train on. */
export function divideTraining(items: readonly Item[]): { train: Item[]; val: Item[] } {
  const random = new MersenneTwister(SEED);
  const classes = new Map<number, Item[]>();
  for (const item of items) {
    const known = classes.get(item.label);
    if (known) known.push(item);
    else classes.set(item.label, [item]);
  }
  const [train, val]: Item[][] = [[], []];
  for (const own of classes.values()) {
    const held = roundHalfEven(own.length * 0.2);
    random.shuffle(own);
    val.push(...own.slice(0, held));
    train.push(...own.slice(held));
  }
  return { train, val };
}
