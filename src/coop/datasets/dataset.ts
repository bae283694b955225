import type { Item } from "../folder.ts";
import type { Walk } from "../walk.ts";

/** A dataset of the CoOp papers: how it lies on disk. Paths are relative to `folder`, with "/" between names. */
export interface Dataset {
  /** as `templatesFor` knows it */
  readonly name: string;
  /** below the folder of all datasets, CoOp's $DATA */
  readonly folder: string;
  /** the folder that the split file's paths are relative to; "" for the dataset's own */
  readonly pictures: string;
  /** folders in there that may be links to another place */
  readonly links?: readonly string[];
  /** CoOp's list of the pictures of train, val and test */
  readonly split?: string;
  /** @internal how it is read where there is no such list */
  readonly lists?: Lists;
  /** what the whole dataset has; null where there is no such split */
  readonly counts: Counts;
}

/** Numbers of classes and pictures. */
export interface Counts {
  readonly classes: number;
  readonly train: number | null;
  readonly val: number | null;
  readonly test: number;
}

/** A dataset's own way to say which picture is of which class. */
export interface Lists {
  /** files and folders without which it cannot be read */
  readonly needs: readonly string[];
  read(place: Place): Promise<Listed>;
}

/** Where a dataset was found. */
export interface Place {
  /** of the picture folder */
  readonly walk: Walk;
  /** the text of a file of the dataset */
  text(file: string): Promise<string>;
}

/** The pictures of each split in the order of CoOp's own code, class names with spaces. */
export interface Splits {
  readonly train: readonly Item[];
  readonly val: readonly Item[];
  readonly test: readonly Item[];
}

export interface Listed extends Splits {
  /** where classes may be without a picture; else they are those of the items */
  readonly classNames?: readonly string[];
  readonly notes?: readonly string[];
}
