/**
 * A small seeded generator: sfc32, its state hashed from a list of integers.
 *
 * `new Random(seed, stream, index)` is a fresh, independent sequence for every list, so the thing drawn from it
 * depends on its own address only and never on what was drawn before.
 */
export class Random {
  #a = 0x9e3779b9;
  #b = 0x243f6a88;
  #c = 0xb7e15162;
  #counter = 1;
  #spare: number | undefined;

  /** @throws RangeError if a word of the address is not a safe integer. */
  constructor(...address: number[]) {
    for (const word of address) {
      if (!Number.isSafeInteger(word)) throw new RangeError(`a seed or index must be a whole number, got ${word}`);
      this.#absorb(word);
      this.#absorb(Math.floor(word / 2 ** 32));
    }
    for (let round = 0; round < 12; round++) this.uint32();
  }

  #absorb(word: number): void {
    this.#a = scramble(this.#a ^ word);
    this.#b = scramble(this.#b + this.#a);
    this.#c = scramble(this.#c ^ this.#b);
  }

  /** The next 32 random bits, as a number in [0, 2^32). */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform in [low, high). */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * (this.uint32() / 2 ** 32);
  }

  /** Gaussian, by Box and Muller: two at a time, the second kept for the next call. */
  normal(mean = 0, deviation = 1): number {
    let unit = this.#spare;
    if (unit === undefined) {
      const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
      const angle = 2 * Math.PI * this.uniform();
      unit = radius * Math.cos(angle);
      this.#spare = radius * Math.sin(angle);
    } else {
      this.#spare = undefined;
    }
    return mean + deviation * unit;
  }

  /** Whole number in 0 … count − 1. */
  integer(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.integer(list.length)];
  }
}

/** The finaliser of MurmurHash3: every input bit reaches every output bit. */
function scramble(bits: number): number {
  let h = bits | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
