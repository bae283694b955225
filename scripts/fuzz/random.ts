/** Random choices that a seed decides. */
export interface Random {
  /** A whole number from 0 to n − 1. */
  below(n: number): number;
  /** True once in n times. */
  oneIn(n: number): boolean;
  pick<T>(list: readonly T[]): T;
  bytes(length: number): Uint8Array;
}

/** Mulberry32 by Tommy Ettinger, begun at a hash of the parts. */
export function randomFrom(...parts: readonly (string | number)[]): Random {
  let state = 0x811c9dc5;
  for (const char of parts.join(" ")) state = Math.imul(state ^ char.codePointAt(0)!, 0x01000193);
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (n: number): number => Math.floor((next() / 2 ** 32) * n);
  return {
    below,
    oneIn: (n) => below(n) === 0,
    pick: (list) => list[below(list.length)],
    bytes: (length) => Uint8Array.from({ length }, () => below(256)),
  };
}
