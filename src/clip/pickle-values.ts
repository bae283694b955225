/** Ends the reading with a FormatError that names the file and the byte. */
export type Refuse = (why: string) => never;

/** What a pickle can stand for here: tuples and lists are arrays, dicts are Maps. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickleClass
  | PickleObject;

/** A class or function that a pickle may name; `make` is what calling it does here. */
export class PickleClass {
  readonly make: (args: readonly PickleValue[], refuse: Refuse) => PickleValue;
  constructor(make: (args: readonly PickleValue[], refuse: Refuse) => PickleValue) {
    this.make = make;
  }
}

/** A thing that such a class makes. */
export abstract class PickleObject {
  setState(_state: PickleValue, refuse: Refuse): void {
    refuse("it gives a state to something that has none");
  }
}

/** All that a pickle may do besides plain data. */
export interface PickleRules {
  /** What `module.name` stands for; undefined refuses the file. */
  find(module: string, name: string): PickleClass | undefined;
  /** What a persistent id (data outside the pickle) stands for. */
  persistent(id: PickleValue, refuse: Refuse): PickleValue;
}
