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

/**
 * Stands for a class, a function or a thing made of them that is neither known nor needed. Calling it, filling it and
 * giving it a state do nothing; a call gives the same placeholder again.
 */
export class PickleOpaque extends PickleObject {
  /** `module.name` of what the pickle asked for */
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }

  override setState(): void {}
}

/** All that a pickle may do besides plain data. */
export interface PickleRules {
  /** What `module.name` stands for; undefined refuses the file. */
  find(module: string, name: string): PickleClass | PickleOpaque | undefined;
  /** What a persistent id (data outside the pickle) stands for. */
  persistent(id: PickleValue, refuse: Refuse): PickleValue;
}
