import type { ByteSource } from "../clip/bytes.ts";
import { toFloat32 } from "../clip/half.ts";
import { openTorchFile } from "../clip/index.ts";
import { type TorchValue, writeTorchFile } from "../clip/torch-write.ts";
import { FormatError } from "../tensor/errors.ts";

/** A tensor on the host, row-major. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What the reference implementation of CoOp and CoCoOp saves of a training, `prompt_learner/model.pth.tar-<epoch>`. */
export interface ReferencePrompt {
  /** [M, D], or [K, M, D] where class-specific */
  readonly context: HostTensor;
  /** Shape [K, 1, D]: the embedding of the start token, once for each class */
  readonly prefix?: HostTensor;
  /** Shape [K, L − 1 − M, D]: embeddings of name, full stop, end token and padding; L is the model's context length */
  readonly suffix?: HostTensor;
  /** CoCoOp's network from an image feature to a shift of the context: weights [H, E] and [D, H], biases [H] and [D] */
  readonly metaNet?: { readonly linear1: HostLinear; readonly linear2: HostLinear };
  readonly epoch?: number;
  /** classes and functions that the file names beside the tensors; none of them was run */
  readonly skipped: readonly string[];
}

/** A linear layer on the host: weight [out, in] and bias [out]. */
export interface HostLinear {
  readonly weight: HostTensor;
  readonly bias: HostTensor;
}

/**
 * Reads a prompt that the reference implementation saved (Dassl's `save_checkpoint`): `ctx` out of its state dict, and
 * what stands beside it. Optimizer and schedule are skipped; nothing in the file is run. Half precision is widened.
 *
 * @throws FormatError for a file that is no such prompt, or damaged
 * @example const { context } = await readReferencePrompt(await fileBytes("model.pth.tar-50"));
 */
export async function readReferencePrompt(source: ByteSource): Promise<ReferencePrompt> {
  const file = await openTorchFile(source, { skipUnknown: true });
  const names = new Map([...file.tensors.keys()].map((name) => [name.replace(/^prompt_learner\./, ""), name]));
  const refuse = (why: string): never => {
    throw new FormatError(`${file.name}: ${why}`);
  };
  const read = async (name: string): Promise<HostTensor | undefined> => {
    const own = names.get(name);
    if (own === undefined) return undefined;
    names.delete(name);
    const { dtype, shape } = file.tensors.get(own)!;
    const data = toFloat32(dtype, await file.read(own), `"${own}"`);
    const bad = data.findIndex((x) => !Number.isFinite(x));
    return bad < 0 ? { shape, data } : refuse(`"${own}" holds ${data[bad]} at ${bad}: that training diverged.`);
  };
  const context = (await read("ctx")) ?? refuse(`there is no "ctx" in it, but ${listed([...names.values()])}.`);
  const { length: rank } = context.shape;
  if ((rank !== 2 && rank !== 3) || context.data.length === 0)
    refuse(`"ctx" is [${context.shape.join(", ")}]; a context is [M, D], or [K, M, D] with one for each class.`);
  const [prefix, suffix] = [await read("token_prefix"), await read("token_suffix")];
  const linear = async (name: string): Promise<HostLinear> => {
    const part = async (kind: string) =>
      (await read(`meta_net.${name}.${kind}`)) ?? refuse(`"meta_net.${name}.${kind}" is missing in it.`);
    return { weight: await part("weight"), bias: await part("bias") };
  };
  const conditional = [...names.keys()].some((name) => name.startsWith("meta_net."));
  const metaNet = conditional ? { linear1: await linear("linear1"), linear2: await linear("linear2") } : undefined;
  if (names.size > 0)
    refuse(
      `beside the context it has ${listed([...names.values()])}: it is of another method than CoOp and CoCoOp, and cannot be used without that.`,
    );
  const epoch = file.values.get("epoch");
  return {
    context,
    prefix,
    suffix,
    metaNet,
    epoch: typeof epoch === "number" && Number.isSafeInteger(epoch) && epoch >= 0 ? epoch : undefined,
    skipped: file.skipped,
  };
}

const listed = (names: readonly string[]): string =>
  names
    .slice(0, 5)
    .map((name) => `"${name}"`)
    .join(", ") + (names.length > 5 ? ` and ${names.length - 5} more` : "");

/**
 * The bytes of a checkpoint that torch.load reads, with `weights_only` too, and the reference implementation with
 * `--load-epoch`: `{ state_dict, epoch, optimizer: None, scheduler: None, val_result: None }`, float32.
 *
 * @param prompt `prefix` and `suffix` may be missing: the reference computes its own when it loads a prompt
 * @example await writeFile("model.pth.tar-50", referenceCheckpoint({ context }, 50));
 */
export function referenceCheckpoint(
  prompt: Pick<ReferencePrompt, "context" | "prefix" | "suffix" | "metaNet">,
  epoch: number,
): Uint8Array<ArrayBuffer> {
  const { context, prefix, suffix, metaNet } = prompt;
  const stored = ({ shape, data }: HostTensor): TorchValue => ({
    dtype: "F32",
    shape,
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  });
  const state = new Map<string, TorchValue>([["ctx", stored(context)]]);
  if (prefix) state.set("token_prefix", stored(prefix));
  if (suffix) state.set("token_suffix", stored(suffix));
  for (const [name, { weight, bias }] of Object.entries(metaNet ?? {})) {
    state.set(`meta_net.${name}.weight`, stored(weight));
    state.set(`meta_net.${name}.bias`, stored(bias));
  }
  return writeTorchFile({ state_dict: state, epoch, optimizer: null, scheduler: null, val_result: null });
}
