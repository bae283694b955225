import { GCProfiler, getHeapStatistics } from "node:v8";
import { CoopError } from "../../src/tensor/errors.ts";
import { ReadError, type Target } from "./target.ts";

/** Milliseconds of the processor that an input may take. */
export const MOST_TIME = 2000;
/** Bytes that reading an input may allocate, beside 64 times its size. */
export const MOST_MEMORY = 2 ** 24;
/** Characters of an error's message. */
const MOST_MESSAGE = 2000;

export type Fault = "crash" | "hang" | "memory" | "message" | "range";

export interface Verdict {
  readonly outcome: "read" | "refused";
  readonly fault?: { readonly kind: Fault; readonly text: string };
  /** of the processor; wall time where it was too short to be worth measuring */
  readonly milliseconds: number;
  /** Bytes of heap and buffers that were allocated, what was not needed any more included; 0 where the collector came. */
  readonly allocated: number;
}

/**
 * Gives one input to a target and says what came of it.
 *
 * @param collected count as memory what was in use at one time, not all that was allocated. The process must have a small
 *   young generation, so that the collector comes often
 */
export async function judge(target: Target, bytes: Uint8Array, collected = false): Promise<Verdict> {
  const collector = collected ? new GCProfiler() : undefined;
  collector?.start();
  const before = inUse();
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  let error: unknown;
  try {
    await target.parse(bytes);
  } catch (thrown) {
    error = thrown ?? new Error(`${thrown} was thrown`);
  }
  const took = performance.now() - wall;
  const { user, system } = process.cpuUsage(cpu);
  const milliseconds = took < 200 ? took : Math.min(took, (user + system) / 1000);
  const after = collector ? mostInUse(collector) : inUse();
  const allocated = Math.max(0, after - before);
  const outcome = error === undefined ? "read" : "refused";
  return { outcome, fault: fault(error, bytes, milliseconds, allocated), milliseconds, allocated };
}

function fault(error: unknown, bytes: Uint8Array, milliseconds: number, allocated: number): Verdict["fault"] {
  if (error instanceof ReadError) return { kind: "range", text: describe(error) };
  if (error !== undefined && !(error instanceof CoopError)) return { kind: "crash", text: describe(error) };
  if (milliseconds > MOST_TIME) return { kind: "hang", text: `${milliseconds.toFixed()} ms` };
  if (allocated > MOST_MEMORY + 64 * bytes.length) return { kind: "memory", text: `${allocated} bytes` };
  const message = (error as CoopError | undefined)?.message ?? "";
  if (message.length > MOST_MESSAGE || /[\n\r]/.test(message))
    return { kind: "message", text: `${message.length} characters: ${JSON.stringify(message.slice(0, 200))}` };
  return undefined;
}

const describe = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message).slice(0, 2000) : String(error);

function inUse(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

/** After any of the collections. */
function mostInUse(collector: GCProfiler): number {
  const { statistics } = collector.stop();
  const after = statistics.map(({ afterGC: { heapStatistics: heap } }) => heap.usedHeapSize + heap.externalMemory);
  return Math.max(inUse(), ...after);
}
