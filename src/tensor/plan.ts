import type { VirtualBuffer } from "./expr.ts";
import type { Dispatch } from "./lower.ts";

/** Where the buffers in between live: two that are alive at the same time never share a slot. */
export interface Plan {
  /** Bytes of each slot. */
  readonly slots: readonly number[];
  /** The slot of every buffer of kind "slot". */
  readonly slotOf: ReadonlyMap<VirtualBuffer, number>;
  readonly peakBytes: number;
}

/** Colours lifetimes greedily: each buffer takes the free slot that fits it best, growing one where that is cheaper. */
export function plan(dispatches: readonly Dispatch[]): Plan {
  const lastRead = new Map<VirtualBuffer, number>();
  dispatches.forEach((dispatch, i) => {
    for (const buffer of dispatch.bindings) lastRead.set(buffer, i);
  });
  const slots: number[] = [];
  const slotOf = new Map<VirtualBuffer, number>();
  const free = new Set<number>();
  dispatches.forEach((dispatch, i) => {
    // what no dispatch has written is empty, but has to be bound all the same
    for (const buffer of new Set(dispatch.bindings)) {
      if (buffer.kind !== "slot" || slotOf.has(buffer)) continue;
      const slot = chooseSlot(buffer.bytes, slots, free);
      free.delete(slot);
      slots[slot] = Math.max(slots[slot] ?? 0, buffer.bytes);
      slotOf.set(buffer, slot);
    }
    // a buffer is free after the dispatch that reads it last: no dispatch reads and writes one slot
    for (const buffer of new Set(dispatch.bindings)) {
      if (buffer.kind === "slot" && lastRead.get(buffer) === i) free.add(slotOf.get(buffer)!);
    }
  });
  return { slots, slotOf, peakBytes: slots.reduce((a, b) => a + b, 0) };
}

function chooseSlot(bytes: number, slots: readonly number[], free: ReadonlySet<number>): number {
  let fits = -1;
  let largest = -1;
  for (const slot of free) {
    if (slots[slot] >= bytes && (fits < 0 || slots[slot] < slots[fits])) fits = slot;
    if (largest < 0 || slots[slot] > slots[largest]) largest = slot;
  }
  return fits >= 0 ? fits : largest >= 0 ? largest : slots.length;
}
