import { type Device, device, deviceIfReady } from "./device.ts";
import { fromBytes, type HostArray } from "./dtype.ts";
import { bytesOf } from "./lower.ts";
import type { Aval } from "./op.ts";
import { Program } from "./program.ts";
import { Storage } from "./storage.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Computes tensors that are only nodes so far, through the same road as a compiled function: lower, plan, run once.
 * Their storage is there at once and filled as soon as the device gets to it.
 */
export function evaluate(tensors: readonly Tensor[]): void {
  const roots = [...new Set(tensors)].filter((t) => !t.storage);
  if (roots.length === 0) return;
  const storages = whenUp(roots, usedBy(roots, "data()"), (on) => {
    const program = new Program(on, roots, new Map(), { compute: new Set(roots) });
    const results = program.run([], new Float32Array(0));
    const last = results[0].ready;
    if (last) last.finally(() => program.release());
    else program.release();
    return results;
  });
  roots.forEach((root, i) => {
    root.storage = storages[i];
    Storage.collectWith(root, storages[i]);
  });
}

/** The data that a graph is computed from; throws a DonatedError naming `where` if some of it is gone. */
export function usedBy(roots: readonly Tensor[], where: string): Storage[] {
  const seen = new Set(roots);
  for (const node of seen) if (!node.storage) for (const input of node.inputs) seen.add(input);
  const storages = [...seen].flatMap(({ storage }) => storage ?? []);
  for (const storage of storages) storage.assertUsable(where);
  return storages;
}

/** Storages for these results: `run` makes them now where the device is up, else as soon as it is. What it uses stays till then. */
export function whenUp(results: readonly Aval[], uses: readonly Storage[], run: (on: Device) => Storage[]): Storage[] {
  for (const storage of uses) storage.pin();
  const release = () => {
    for (const storage of uses) storage.unpin();
  };
  const now = deviceIfReady();
  if (now) {
    try {
      return run(now);
    } finally {
      release();
    }
  }
  const storages = results.map(({ shape, dtype }) => Storage.pending(bytesOf(shape, dtype)));
  const filled = device().then(async (on) => {
    const made = run(on);
    for (const [i, storage] of made.entries()) {
      await storage.ready;
      storage.throwIfFailed();
      storages[i].fill(on, storage.on(on));
    }
  });
  const settled = filled
    .catch((error) => {
      for (const storage of storages) storage.fail(error);
    })
    .finally(release);
  for (const storage of storages) storage.ready = settled;
  return storages;
}

/** Reads a storage back as a typed array of the tensor's dtype. */
export async function readStorage(storage: Storage, tensor: Tensor): Promise<HostArray> {
  storage.assertUsable("data()");
  storage.pin();
  try {
    const on = await device();
    await storage.ready;
    storage.throwIfFailed();
    const bytes = await on.read(storage.on(on), bytesOf(tensor.shape, tensor.dtype));
    storage.on(on); // by now it is known whether there was memory for what filled it
    return fromBytes(bytes, tensor.dtype, tensor.size);
  } finally {
    storage.unpin();
  }
}
