import type { DType } from "./dtype.ts";
import { CoopError } from "./errors.ts";
import { defineOp } from "./op.ts";
import { arange } from "./ops/basic.ts";
import { add, cast, log, maximum, mul, roughCos, shiftRight, sqrt, sub } from "./ops/elementwise.ts";
import { broadcastTo, reshape, slice } from "./ops/view.ts";
import * as shaders from "./shaders.ts";
import { checkShape, type Shape, sizeOf } from "./shape.ts";
import { apply, kindOf, Tensor, tensor } from "./tensor.ts";

/** A key of the counter-based generator: u32 [2]. The same key always gives the same numbers. */
export type Key = Tensor;

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24];

function threefry(key0: number, key1: number, counter: number): number {
  const keys = [key0, key1, key0 ^ key1 ^ 0x1bd11bda];
  let x = (counter + key0) | 0;
  let y = key1 | 0;
  for (let round = 0; round < 20; round++) {
    const turn = ROTATIONS[round % 8];
    x = (x + y) | 0;
    y = ((y << turn) | (y >>> (32 - turn))) ^ x;
    if (round % 4 === 3) {
      const s = (round >> 2) + 1;
      x = (x + keys[s % 3]) | 0;
      y = (y + keys[(s + 1) % 3] + s) | 0;
    }
  }
  return x >>> 0;
}

const THREEFRY = defineOp({
  name: "threefry",
  result: ([counter]) => ({ shape: counter.shape, dtype: "u32" as DType }),
  reference: ([counter, key0, key1]) => counter.data.map((c, i) => threefry(key0.data[i], key1.data[i], c)),
  run: {
    kind: "expression",
    wgsl: ([counter, key0, key1]) => `threefry(${key0}, ${key1}, ${counter})`,
    functions: shaders.threefry,
  },
});

/**
 * The key of a seed (a whole number from 0 to 2⁵³ − 1).
 *
 * @throws CoopError for another seed
 * @example key(1) // [0, 1]
 */
export function key(seed: number): Key {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new CoopError(`key: the seed is ${seed}; it is a whole number ≥ 0`);
  return tensor(Uint32Array.of(Math.floor(seed / 2 ** 32), seed >>> 0));
}

function wordOf(k: Key, i: number): Tensor {
  if (!(k instanceof Tensor)) throw new CoopError(`random numbers: take a key, as key(1) makes one, not ${kindOf(k)}`);
  return slice(k, [i], [i + 1]);
}

/**
 * Random u32 of a shape, by the Threefry generator of 20 rounds (Salmon et al., SC 2011).
 * @example bits(key(1), [2, 3]).shape // [2, 3]
 */
export function bits(k: Key, shape: Shape): Tensor {
  checkShape("random numbers", shape);
  const count = sizeOf(shape);
  const half = (i: number) => broadcastTo(wordOf(k, i), [count]);
  return reshape(apply(THREEFRY, [arange(count, "u32"), half(0), half(1)]), shape);
}

/**
 * Independent keys made from one; do not use the one itself afterwards.
 * @example splitKey(key(1), 3).length // 3
 */
export function splitKey(k: Key, count = 2): Key[] {
  const words = bits(k, [count, 2]);
  return Array.from({ length: count }, (_, i) => reshape(slice(words, [i], [i + 1]), [2]));
}

/**
 * The key for a number, a step or an epoch say, under another key.
 * @example normal(foldIn(key(1), 7), [4]).shape // [4], the numbers of epoch 7, say
 */
export function foldIn(k: Key, data: number): Key {
  const at = (counter: number) => broadcastTo(tensor(Uint32Array.of(counter)), [1]);
  if (!Number.isSafeInteger(data) || data < 0)
    throw new CoopError(`foldIn: the number is ${data}; it is a whole number ≥ 0`);
  const part = (i: number) => wordOf(k, i);
  const word = (salt: number) => apply(THREEFRY, [at(data >>> 0), add(part(0), salt), part(1)]);
  return reshape(stackWords(word(0x9e3779b9), word(0x7f4a7c15)), [2]);
}

const stackWords = (a: Tensor, b: Tensor): Tensor => {
  const first = cast(arange(2, "u32"), "u32");
  return add(mul(broadcastTo(a, [2]), sub(1, first)), mul(broadcastTo(b, [2]), first));
};

/** Range of `uniform`. */
export interface UniformOptions {
  readonly min?: number;
  readonly max?: number;
}

/**
 * Uniform f32 in [min, max), [0, 1) where not given.
 * @example uniform(key(1), [2, 3], { min: -1 }).shape // [2, 3]
 */
export function uniform(k: Key, shape: Shape, { min = 0, max = 1 }: UniformOptions = {}): Tensor {
  const unit = mul(cast(shiftRight(bits(k, shape), 8), "f32"), 2 ** -24);
  return min === 0 && max === 1 ? unit : add(mul(unit, max - min), min);
}

/** Mean (0 where not given) and standard deviation (1) of `normal`. */
export interface NormalOptions {
  readonly mean?: number;
  readonly std?: number;
}

/**
 * Normal f32 by Box and Muller's method (Annals of Mathematical Statistics 29, 1958).
 * @example normal(key(1), [2, 3], { std: 0.02 }).shape // [2, 3]
 */
export function normal(k: Key, shape: Shape, { mean = 0, std = 1 }: NormalOptions = {}): Tensor {
  const [a, b] = splitKey(k);
  // 1 − u is in (0, 1], but next to 1 WGSL lets a logarithm be off by 2⁻²¹, to above 0
  const radius = sqrt(maximum(mul(log(sub(1, uniform(a, shape))), -2), 0));
  return add(mul(mul(radius, roughCos(mul(uniform(b, shape), 2 * Math.PI))), std), mean);
}
