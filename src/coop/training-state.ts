import { fileBytes } from "../clip/bytes.ts";
import type { Safetensors, TensorToLoad } from "../clip/index.ts";
import { FormatError, InputError, NonFiniteError } from "../tensor/errors.ts";
import { free, type Tensor, upload } from "../tensor/index.ts";
import { forEachLeaf, treeMap } from "../tensor/tree.ts";
import { unwritable, writeFileAtomic } from "./atomic.ts";
import { hashedPieces, openHashed } from "./hashed-tensors.ts";

/** Settings that a checkpoint must agree on with the run that goes on from it. */
export type Settings = Readonly<Record<string, string>>;

/** A checkpoint's state and the number of steps that led to it. */
export interface SavedTraining<State> {
  readonly state: State;
  readonly step: number;
  /** Where it was read from. */
  readonly file: string;
}

/** The checkpoint's name in the folder of a training. */
export const CHECKPOINT = "checkpoint.safetensors";

const PIECE = 2 ** 22; // bytes on the host at a time, a multiple of 4

/** The checkpoint before the last one. */
const previous = (path: string): string => path.replace(/(\.safetensors)?$/, ".previous.safetensors");
/** The checkpoint that is about to be the last one: whole, but not yet in its place. */
const next = (path: string): string => path.replace(/(\.safetensors)?$/, ".next.safetensors");

/**
 * Writes a tree of float32 tensors as a safetensors file that ends with its own hash, a tensor at a time; the file that
 * was there becomes `….previous.safetensors`. At no time is there none.
 *
 * @throws NonFiniteError where a number is not finite: then both files are as they were. InputError where it cannot be written
 * @example await saveTraining("state.safetensors", state, { shots: "16" }, step);
 */
export async function saveTraining(path: string, state: unknown, settings: Settings, step: number): Promise<void> {
  const { rename } = await import("node:fs/promises");
  const { dirname } = await import("node:path");
  const { makeFolder } = await import("../tensor/folder-node.ts");
  const entries: [string, TensorToLoad][] = [];
  forEachLeaf(state, (leaf, name) => {
    const tensor = leaf as Tensor;
    const load = async () => {
      const values = (await tensor.data()) as Float32Array;
      if (!values.every(Number.isFinite))
        throw new NonFiniteError(`after step ${step}, ${name} is not finite; lower the learning rate`);
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    };
    entries.push([name, { dtype: "F32", shape: tensor.shape, load }]);
  });
  await makeFolder(dirname(path)).catch((error) => Promise.reject(unwritable(dirname(path), error)));
  await writeFileAtomic(next(path), hashedPieces(entries, { ...settings, step: String(step) }));
  await rename(path, previous(path)).catch(ignoreMissing);
  await rename(next(path), path).catch((error) => Promise.reject(unwritable(path, error)));
}

/**
 * Reads what `saveTraining` wrote; where the last file is damaged or missing, one that was about to take
 * its place when the process was killed, or the one before it.
 *
 * @param like a state of the same structure; its values are not read
 * @returns undefined where there is no checkpoint
 * @throws InputError where it was made with other settings, FormatError where no file is whole
 * @example const saved = await loadTraining("state.safetensors", state, settings);
 */
export async function loadTraining<State>(
  path: string,
  like: State,
  settings: Settings,
): Promise<SavedTraining<State> | undefined> {
  const { stat } = await import("node:fs/promises");
  let failure: unknown;
  for (const file of [path, next(path), previous(path)]) {
    if (!(await stat(file).catch(() => undefined))) continue;
    const source = await fileBytes(file);
    try {
      const checkpoint = await openHashed(source);
      refuseOthers(file, Object.fromEntries(checkpoint.metadata), settings);
      return { state: await loadState(checkpoint, like), step: Number(checkpoint.metadata.get("step")), file };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      failure ??= error;
    } finally {
      await source.close();
    }
  }
  if (failure) throw failure;
  return undefined;
}

/** InputError where something was made with other settings than those wanted, naming each of them. */
export function refuseOthers(name: string, found: Settings, wanted: Settings): void {
  const others = Object.keys(wanted).filter((key) => found[key] !== wanted[key]);
  if (others.length === 0) return;
  const list = others.map((key) => `${key} ${found[key] ?? "not given"}, not ${wanted[key]}`).join("; ");
  throw new InputError(`${name} was made with ${list}; go on with that, or begin anew elsewhere`);
}

async function loadState<State>(file: Safetensors, like: State): Promise<State> {
  const wanted: [name: string, like: Tensor][] = [];
  forEachLeaf(like, (leaf, name) => wanted.push([name, leaf as Tensor]));
  const loaded = new Map<Tensor, Tensor>();
  try {
    for (const [name, tensor] of wanted) {
      const found = file.tensors.get(name);
      if (found?.dtype !== "F32" || found.shape.join() !== tensor.shape.join())
        throw new FormatError(`${file.name}: "${name}" is missing or of another shape; it is of another model`);
      const read = upload(tensor.shape, "f32", async (put) => {
        let at = 0;
        for await (const piece of file.stream(name, PIECE)) {
          put(at, piece as Uint8Array<ArrayBuffer>);
          at += piece.byteLength;
        }
      });
      loaded.set(tensor, await read);
    }
  } catch (error) {
    free([...loaded.values()]);
    throw error;
  }
  return treeMap((leaf: Tensor) => loaded.get(leaf)!, like) as State;
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw unwritable(error.path ?? "the checkpoint", error);
}
