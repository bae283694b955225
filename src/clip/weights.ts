import { FormatError } from "../tensor/errors.ts";
import { free, read, type Tensor, upload } from "../tensor/index.ts";
import { forEachLeaf } from "../tensor/tree.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { ClipConfig } from "./config.ts";
import { toFloat32 } from "./half.ts";
import { type ClipParams, type ParamsOf, parameterTable, type Stored } from "./params.ts";
import type { TensorToStore } from "./safetensors.ts";

/** Buffers that older checkpoints carry and no forward pass reads. */
const IGNORED = /(^|\.)position_ids$/;

/** Bytes that are on the host at a time while a tensor streams to the device; a multiple of 8. */
const PIECE = 2 ** 22;

/**
 * Streams the parameters of a checkpoint in Hugging Face's layout to the device. The host holds a few megabytes of it
 * at a time. F16, BF16 and F64 become float32.
 *
 * @throws FormatError that lists every tensor that is missing, left over or of another shape
 */
export async function loadWeights(file: Checkpoint, config: ClipConfig): Promise<ClipParams> {
  const table = parameterTable(config);
  check(file, table);
  const loaded: Tensor[] = [];
  try {
    return (await mapTable(table, async (stored) => {
      const tensor = await loadTensor(file, stored);
      loaded.push(tensor);
      return tensor;
    })) as unknown as ClipParams;
  } catch (error) {
    free(loaded);
    throw error;
  }
}

function loadTensor(file: Checkpoint, { shape, names }: Stored): Promise<Tensor> {
  return upload(shape, "f32", async (put) => {
    let at = 0;
    for (const name of names) {
      const { dtype } = file.tensors.get(name)!;
      for await (const piece of file.stream(name, PIECE)) {
        const values = toFloat32(dtype, piece, `"${name}"`);
        put(at, new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength));
        at += values.byteLength;
      }
    }
  });
}

/** Lists all that does not fit at once: a checkpoint that differs silently costs accuracy without a word. */
function check(file: Checkpoint, table: ParamsOf<Stored>): void {
  const wrong: string[] = [];
  const known = new Set<string>();
  forEachStored(table, ({ shape, names }) => {
    const expected = names.length > 1 ? [shape[0] / names.length, ...shape.slice(1)] : shape;
    for (const name of names) {
      known.add(name);
      const found = file.tensors.get(name);
      if (!found) wrong.push(`"${name}" is missing`);
      else if (found.shape.join() !== expected.join())
        wrong.push(`"${name}" is [${found.shape.join(", ")}], not [${expected.join(", ")}]`);
    }
  });
  for (const name of file.tensors.keys())
    if (!known.has(name) && !IGNORED.test(name)) wrong.push(`"${name}" is not part of this model`);
  if (wrong.length === 0) return;
  const shown = wrong.slice(0, 8).join("; ") + (wrong.length > 8 ? `; and ${wrong.length - 8} more` : "");
  throw new FormatError(`${file.name}: it does not fit config.json: ${shown}.`);
}

/** The entries of a checkpoint in Hugging Face's layout. */
export async function storeWeights(params: ClipParams, config: ClipConfig): Promise<[string, TensorToStore][]> {
  const values: Float32Array[] = [];
  forEachLeaf(await read(params), (leaf) => values.push(leaf as Float32Array));
  const entries: [string, TensorToStore][] = [];
  let i = 0;
  forEachStored(parameterTable(config), ({ shape, names }) => {
    const all = values[i++];
    const part = names.length > 1 ? [shape[0] / names.length, ...shape.slice(1)] : shape;
    names.forEach((name, n) => {
      const rows = all.slice((n * all.length) / names.length, ((n + 1) * all.length) / names.length);
      entries.push([name, { dtype: "F32", shape: part, data: new Uint8Array(rows.buffer) }]);
    });
  });
  return entries;
}

const isStored = (value: unknown): value is Stored => typeof value === "object" && value !== null && "names" in value;

/** Calls `visit` for every entry, in the order in which `forEachLeaf` visits the parameters. */
function forEachStored(tree: unknown, visit: (stored: Stored) => void): void {
  if (isStored(tree)) visit(tree);
  else if (Array.isArray(tree)) for (const item of tree) forEachStored(item, visit);
  else
    for (const key of Object.keys(tree as object).sort()) forEachStored((tree as Record<string, unknown>)[key], visit);
}

/** One entry after the other, so that no two tensors are on the host at the same time. */
async function mapTable(tree: unknown, f: (stored: Stored) => Promise<Tensor>): Promise<unknown> {
  if (isStored(tree)) return f(tree);
  if (Array.isArray(tree)) {
    const out: unknown[] = [];
    for (const item of tree) out.push(await mapTable(item, f));
    return out;
  }
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(tree as object)) out[key] = await mapTable(value, f);
  return out;
}
