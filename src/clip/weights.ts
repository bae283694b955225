import { DTYPES } from "../tensor/dtype.ts";
import { FormatError, InputError } from "../tensor/errors.ts";
import { floatToHalf } from "../tensor/half.ts";
import { device, free, read, type Tensor, tensor, upload } from "../tensor/index.ts";
import { sizeOf } from "../tensor/shape.ts";
import { forEachLeaf } from "../tensor/tree.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { ClipConfig } from "./config.ts";
import { toFloat32 } from "./half.ts";
import { namesFor, namesIn, parameterTable, type Stored } from "./layouts.ts";
import type { ClipParams, ParamsOf } from "./params.ts";
import { BATCH_NORM_EPSILON } from "./resnet.ts";
import type { TensorToStore } from "./safetensors.ts";

/** Buffers and settings that checkpoints carry and no forward pass reads. */
const IGNORED = /(^|\.)(position_ids|attn_mask|num_batches_tracked)$|^(input_resolution|context_length|vocab_size)$/;

/** Bytes that are on the host at a time while a tensor streams to the device; a multiple of 8. */
const PIECE = 2 ** 22;

export interface WeightsOptions {
  /**
   * Fold batch norms into the convolutions before them, for inference: one multiplication less for each value, and the
   * running statistics can no longer be trained. True where not given.
   */
  readonly fold?: boolean;
  /** How matrices, filters and the token embedding are kept on the device; all else is float32. "f32" where not given. */
  readonly dtype?: "f32" | "f16";
  /** Bytes of the largest tensor to make; the device's limit where not given. */
  readonly largestTensor?: number;
}

/**
 * Streams the parameters of a checkpoint, in any of the layouts that `namesIn` knows, to the device. The host holds a
 * few megabytes of it at a time. F16, BF16 and F64 become float32, or float16 where that is asked for.
 *
 * @throws FormatError that lists every tensor that is missing, left over or of another shape
 */
export async function loadWeights(
  file: Checkpoint,
  config: ClipConfig,
  { fold = true, dtype = "f32", largestTensor }: WeightsOptions = {},
): Promise<ClipParams> {
  const names = namesIn(file.tensors);
  check(file, parameterTable(config, names));
  const { vocabularySize, width } = config.text;
  const most = largestTensor ?? (await device()).largestTensor;
  const blocks = Math.ceil((vocabularySize * width * DTYPES[dtype].bytes) / most);
  const loaded: Tensor[] = [];
  try {
    return (await mapTable(parameterTable(config, names, { fold, blocks }), async (stored) => {
      const tensor = await loadTensor(file, stored, stored.inHalf ? dtype : "f32");
      loaded.push(tensor);
      return tensor;
    })) as unknown as ClipParams;
  } catch (error) {
    free(loaded);
    throw error;
  }
}

async function loadTensor(file: Checkpoint, stored: Stored, dtype: "f32" | "f16"): Promise<Tensor> {
  const { shape, names } = stored;
  const norm = stored.folds === undefined ? undefined : await foldedNorm(file, stored.folds);
  if (norm && names.length === 0) return tensor(Float32Array.from(norm.bias), shape);
  return upload(shape, dtype, async (put) => {
    let at = 0;
    const pieces = valuesOf(file, stored);
    for await (const values of dtype === "f16" ? inPairs(pieces) : pieces) {
      if (norm) scaleRows(values, norm.gain, at, sizeOf(shape) / shape[0]);
      const piece = dtype === "f16" ? floatToHalf(values) : values;
      put(at * DTYPES[dtype].bytes, new Uint8Array(piece.buffer as ArrayBuffer, piece.byteOffset, piece.byteLength));
      at += values.length;
    }
  });
}

/** The numbers of a parameter in pieces, one stored tensor after the other; whole where its axes are exchanged. */
async function* valuesOf(file: Checkpoint, stored: Stored): AsyncGenerator<Float32Array> {
  const { shape, names, transposed, firstRow = 0, storedRows } = stored;
  const first = firstRow * (shape[1] ?? 1);
  for (const name of names) {
    const { dtype } = file.tensors.get(name)!;
    if (transposed) {
      yield exchangeAxes(toFloat32(dtype, await file.read(name), `"${name}"`), shape);
      continue;
    }
    let at = 0;
    for await (const piece of file.stream(name, PIECE)) {
      const values = toFloat32(dtype, piece, `"${name}"`);
      const [from, to] = storedRows
        ? [first - at, first + sizeOf(shape) - at].map((i) => Math.min(values.length, Math.max(0, i)))
        : [0, values.length];
      if (to > from) yield values.subarray(from, to);
      at += values.length;
    }
  }
}

/** The same numbers in pieces of even lengths, since the device takes no half words; a zero ends an odd number of them. */
async function* inPairs(pieces: AsyncGenerator<Float32Array>): AsyncGenerator<Float32Array> {
  let left: number | undefined;
  for await (const piece of pieces) {
    const values = left === undefined ? piece : join([Float32Array.of(left), piece]);
    const even = values.length - (values.length % 2);
    left = values.length > even ? values[even] : undefined;
    if (even > 0) yield values.subarray(0, even);
  }
  if (left !== undefined) yield Float32Array.of(left, 0);
}

/** [columns, rows] → [rows, columns]. */
function exchangeAxes(values: Float32Array, [rows, columns]: readonly number[]): Float32Array {
  const out = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[i * columns + j] = values[j * rows + i];
  return out;
}

/** Multiplies values that begin at element `at` of rows of `length` elements. */
function scaleRows(values: Float32Array, gain: Float64Array, at: number, length: number): void {
  for (let i = 0; i < values.length; i++) values[i] *= gain[Math.floor((at + i) / length)];
}

/** The batch norm after a convolution without bias, as a gain for its filters and a bias. */
async function foldedNorm(file: Checkpoint, norm: string): Promise<{ gain: Float64Array; bias: Float64Array }> {
  const part = async (leaf: string) => {
    const name = `${norm}.${leaf}`;
    return toFloat32(file.tensors.get(name)!.dtype, await file.read(name), `"${name}"`);
  };
  const [weight, bias, mean, variance] = [
    await part("weight"),
    await part("bias"),
    await part("running_mean"),
    await part("running_var"),
  ];
  const gain = Float64Array.from(weight, (w, i) => w / Math.sqrt(variance[i] + BATCH_NORM_EPSILON));
  return { gain, bias: Float64Array.from(bias, (b, i) => b - mean[i] * gain[i]) };
}

/** Lists all that does not fit at once: a checkpoint that differs silently costs accuracy without a word. */
function check(file: Checkpoint, table: ParamsOf<Stored>): void {
  const wrong: string[] = [];
  const known = new Set<string>();
  forEachStored(table, (stored) => {
    const { names } = stored;
    const expected = storedShape(stored);
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
  throw new FormatError(`${file.name}: it does not fit the model's configuration: ${shown}.`);
}

/** The shape under each of its names. */
const storedShape = ({ shape, names, transposed, storedRows }: Stored): readonly number[] =>
  storedRows
    ? [storedRows, ...shape.slice(1)]
    : transposed
      ? shape.toReversed()
      : names.length > 1
        ? [shape[0] / names.length, ...shape.slice(1)]
        : shape;

/**
 * The entries of a checkpoint in Hugging Face's layout, or in OpenAI's for a ResNet. InputError if its norms are folded.
 * @example const bytes = writeSafetensors(await storeWeights(clip.params, clip.config));
 */
export async function storeWeights(params: ClipParams, config: ClipConfig): Promise<[string, TensorToStore][]> {
  if ("stem" in params.vision && params.vision.stem.some((conv) => "bias" in conv))
    throw new InputError("the batch norms of this ResNet are folded; load it with `trainable: true` to save it");
  const values: Float32Array[] = [];
  const host = await read(params);
  const whole = { ...host, text: { ...host.text, tokenEmbedding: [join(host.text.tokenEmbedding as Float32Array[])] } };
  forEachLeaf(whole, (leaf) => values.push(leaf as Float32Array));
  const entries: [string, TensorToStore][] = [];
  let i = 0;
  forEachStored(parameterTable(config, namesFor(config)), (stored) => {
    const { names, shape, transposed } = stored;
    const all = Float32Array.from(values[i++]);
    const part = storedShape(stored);
    names.forEach((name, n) => {
      const rows = all.slice((n * all.length) / names.length, ((n + 1) * all.length) / names.length);
      const data = transposed ? exchangeAxes(rows, shape.toReversed()) : rows;
      entries.push([name, { dtype: "F32", shape: part, data: new Uint8Array(data.buffer as ArrayBuffer) }]);
    });
  });
  return entries;
}

function join(blocks: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(blocks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const block of blocks) {
    all.set(block, at);
    at += block.length;
  }
  return all;
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
