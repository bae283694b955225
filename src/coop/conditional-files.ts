import { type ByteSource, memoryBytes } from "../clip/bytes.ts";
import { toFloat32 } from "../clip/half.ts";
import { openSafetensors } from "../clip/safetensors.ts";
import { FormatError, InputError } from "../tensor/errors.ts";
import type { LearnedConditional } from "./conditional-predict.ts";
import { readSealed, sealedTensors } from "./sealed-tensors.ts";

/** The tensors of a learned CoCoOp and their shapes; the context has the name that CoOp's has. */
function tensorsOf({ context, metaNet: { linear1, linear2 } }: LearnedConditional): [string, number[], Float32Array][] {
  const [hidden, width] = [linear1.bias.length, linear2.bias.length];
  return [
    ["prompt_embeddings", [context.length / width, width], context],
    ["meta_net.linear1.weight", [hidden, linear1.weight.length / hidden], linear1.weight],
    ["meta_net.linear1.bias", [hidden], linear1.bias],
    ["meta_net.linear2.weight", [width, hidden], linear2.weight],
    ["meta_net.linear2.bias", [width], linear2.bias],
  ];
}

/**
 * The bytes of a safetensors file with what CoCoOp learned. InputError where it holds numbers that are not finite.
 * @example await writeFile("adapter_model.safetensors", conditionalModel(learned));
 */
export function conditionalModel(learned: LearnedConditional): Uint8Array {
  const stored = tensorsOf(learned).map(([name, shape, values]) => {
    if (!values.every(Number.isFinite))
      throw new InputError(`"${name}" holds numbers that are not finite: training diverged; lower the learning rate.`);
    return [
      name,
      { dtype: "F32", shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) },
    ] as const;
  });
  return sealedTensors(stored);
}

/**
 * What `conditionalModel` wrote; half precision is widened. FormatError where it is something else or not whole.
 * @example const learned = await readConditionalModel(await fileBytes("adapter_model.safetensors"));
 */
export async function readConditionalModel(source: ByteSource | Uint8Array): Promise<LearnedConditional> {
  const file = await openSafetensors(
    source instanceof Uint8Array ? memoryBytes(source, "CoCoOp's parameters") : source,
  );
  const values = async (name: string): Promise<Float32Array> => {
    const stored = file.tensors.get(name);
    if (!stored) throw new FormatError(`${file.name}: there is no "${name}" in it. It is no CoCoOp of coop.`);
    if (!["F32", "F16", "BF16"].includes(stored.dtype))
      throw new FormatError(`${file.name}: "${name}" is ${stored.dtype}; F32, F16 or BF16 is needed.`);
    const read = toFloat32(stored.dtype, await readSealed(file, name), `"${name}"`);
    if (!read.every(Number.isFinite))
      throw new FormatError(`${file.name}: "${name}" holds numbers that are not finite; train it again.`);
    return read;
  };
  const linear = async (name: string) => ({
    weight: await values(`meta_net.${name}.weight`),
    bias: await values(`meta_net.${name}.bias`),
  });
  const learned: LearnedConditional = {
    context: await values("prompt_embeddings"),
    metaNet: { linear1: await linear("linear1"), linear2: await linear("linear2") },
  };
  for (const [name, shape] of tensorsOf(learned)) {
    const found = file.tensors.get(name)!.shape;
    if (found.join() !== shape.join())
      throw new FormatError(`${file.name}: "${name}" is [${found}]; with the others it should be [${shape}].`);
  }
  return learned;
}
