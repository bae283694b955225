import { InputError } from "../tensor/errors.ts";

const SIZE = 624;
const SHIFT = 397;

/**
 * MT19937 as CPython's `random.Random` uses it: the same seed gives the same numbers, samples and shuffles, bit for bit
 * (Matsumoto and Nishimura 1998). Python hands a whole-number seed to init_by_array as its 32-bit
 * words, least significant first; a list given here is such a list of words, for keys of several numbers.
 *
 * @example new MersenneTwister(1).random() // 0.13436
 */
export class MersenneTwister {
  readonly #state = new Uint32Array(SIZE);
  #next = SIZE;

  constructor(seed: number | readonly number[]) {
    this.#initByArray(typeof seed === "number" ? seedWords(seed) : seed);
  }

  /** A uniform whole number of `bits` bits, 1 to 53. */
  getrandbits(bits: number): number {
    if (!Number.isInteger(bits) || bits < 1 || bits > 53)
      throw new InputError(`getrandbits takes 1 to 53 bits, not ${bits}.`);
    if (bits <= 32) return this.#uint32() >>> (32 - bits);
    const low = this.#uint32();
    return (this.#uint32() >>> (64 - bits)) * 2 ** 32 + low;
  }

  /** A uniform whole number in [0, n), 1 ≤ n < 2^53: draws of n's bit length until one is small enough. */
  randbelow(n: number): number {
    if (!Number.isSafeInteger(n) || n < 1) throw new InputError(`randbelow takes a whole number from 1, not ${n}.`);
    const bits = bitLength(n);
    for (;;) {
      const drawn = this.getrandbits(bits);
      if (drawn < n) return drawn;
    }
  }

  /** A uniform number in [0, 1) with 53 random bits. */
  random(): number {
    const high = this.#uint32() >>> 5;
    return (high * 2 ** 26 + (this.#uint32() >>> 6)) / 2 ** 53;
  }

  /** `k` different members of `population`, in the order in which they were drawn. */
  sample<T>(population: readonly T[], k: number): T[] {
    const n = population.length;
    if (!Number.isInteger(k) || k < 0 || k > n) throw new InputError(`Cannot draw ${k} of ${n}: draw 0 to ${n}.`);
    if (n <= smallSetSize(k)) {
      const pool = population.slice();
      return Array.from({ length: k }, (_, i) => {
        const j = this.randbelow(n - i);
        const drawn = pool[j];
        pool[j] = pool[n - i - 1];
        return drawn;
      });
    }
    const drawn = new Set<number>();
    while (drawn.size < k) drawn.add(this.randbelow(n)); // one drawn before changes nothing and is drawn anew
    return Array.from(drawn, (j) => population[j]);
  }

  /** Shuffles `items` in place and returns it. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.randbelow(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }

  #initByArray(key: readonly number[]): void {
    const mt = this.#state;
    if (key.length === 0) throw new InputError("A seed needs at least one number.");
    mt[0] = 19650218;
    for (let i = 1; i < SIZE; i++) mt[i] = Math.imul(1812433253, mt[i - 1] ^ (mt[i - 1] >>> 30)) + i;
    let i = 1;
    const forward = () => {
      if (++i < SIZE) return;
      mt[0] = mt[SIZE - 1];
      i = 1;
    };
    for (let count = Math.max(SIZE, key.length), j = 0; count > 0; count--, j = (j + 1) % key.length) {
      mt[i] = (mt[i] ^ Math.imul(mt[i - 1] ^ (mt[i - 1] >>> 30), 1664525)) + key[j] + j;
      forward();
    }
    for (let count = SIZE - 1; count > 0; count--) {
      mt[i] = (mt[i] ^ Math.imul(mt[i - 1] ^ (mt[i - 1] >>> 30), 1566083941)) - i;
      forward();
    }
    mt[0] = 0x80000000;
  }

  #uint32(): number {
    if (this.#next === SIZE) this.#twist();
    let y = this.#state[this.#next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #twist(): void {
    const mt = this.#state;
    for (let i = 0; i < SIZE; i++) {
      const y = (mt[i] & 0x80000000) | (mt[(i + 1) % SIZE] & 0x7fffffff);
      mt[i] = mt[(i + SHIFT) % SIZE] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }
}

/** Python's 32-bit words of |seed|. */
export function seedWords(seed: number): number[] {
  if (!Number.isSafeInteger(seed)) throw new InputError(`A seed must be a whole number below 2^53, not ${seed}.`);
  const size = Math.abs(seed);
  return size < 2 ** 32 ? [size] : [size % 2 ** 32, Math.floor(size / 2 ** 32)];
}

const bitLength = (n: number): number => (n < 2 ** 32 ? 32 - Math.clz32(n) : 64 - Math.clz32(n / 2 ** 32));

/** Up to this many, CPython samples from a copied list; beyond, by a set of the indices drawn. */
const smallSetSize = (k: number): number => 21 + (k > 5 ? 4 ** Math.ceil(Math.log(3 * k) / Math.log(4)) : 0);
