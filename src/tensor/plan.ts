import type { VirtualBuffer } from "./expr.ts";
import type { Dispatch } from "./lower.ts";

/** Where the buffers in between live: two that are alive at the same time never share a slot. */
export interface Plan {
  /** Bytes of each slot. */
  readonly slots: readonly number[];
  /** The slot of every buffer of kind "slot". */
  readonly slotOf: ReadonlyMap<VirtualBuffer, number>;
  readonly peakBytes: number;
  /** The most bytes that are alive at one time: no plan can do with less. */
  readonly liveBytes: number;
}

/** A buffer from the first dispatch that binds it to the last. */
interface Life {
  readonly buffer: VirtualBuffer;
  readonly from: number;
  to: number;
}

/**
 * Colours lifetimes, the largest buffers first: each takes the smallest slot that is free for all its life, else a new
 * one. A slot is never larger than its first buffer, so small values do not sit in large slots for want of a better one.
 */
export function plan(dispatches: readonly Dispatch[]): Plan {
  const lives = livesOf(dispatches);
  const slots: { readonly bytes: number; readonly lives: Life[] }[] = [];
  const slotOf = new Map<VirtualBuffer, number>();
  for (const life of [...lives].sort((a, b) => b.buffer.bytes - a.buffer.bytes || a.from - b.from)) {
    // a buffer is free after the dispatch that reads it last: no dispatch reads and writes one slot
    const free = (other: Life) => other.to < life.from || life.to < other.from;
    let slot = slots.findLastIndex((s) => s.lives.every(free));
    if (slot < 0) slot = slots.push({ bytes: life.buffer.bytes, lives: [] }) - 1;
    slots[slot].lives.push(life);
    slotOf.set(life.buffer, slot);
  }
  const sizes = slots.map(({ bytes }) => bytes);
  return { slots: sizes, slotOf, peakBytes: sizes.reduce((a, b) => a + b, 0), liveBytes: mostAlive(lives) };
}

function livesOf(dispatches: readonly Dispatch[]): Life[] {
  const lives = new Map<VirtualBuffer, Life>();
  dispatches.forEach(({ bindings }, i) => {
    // what no dispatch has written is empty, but has to be bound all the same
    for (const buffer of bindings) {
      const life = lives.get(buffer);
      if (life) life.to = i;
      else if (buffer.kind === "slot") lives.set(buffer, { buffer, from: i, to: i });
    }
  });
  return [...lives.values()];
}

function mostAlive(lives: readonly Life[]): number {
  const changes = lives.flatMap(({ buffer, from, to }) => [
    { at: from, bytes: buffer.bytes },
    { at: to + 1, bytes: -buffer.bytes },
  ]);
  let alive = 0;
  let most = 0;
  for (const { bytes } of changes.sort((a, b) => a.at - b.at || a.bytes - b.bytes)) {
    alive += bytes;
    most = Math.max(most, alive);
  }
  return most;
}
