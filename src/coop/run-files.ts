import { type ByteSource, memoryBytes } from "../clip/bytes.ts";
import { toFloat32 } from "../clip/half.ts";
import { openSafetensors } from "../clip/safetensors.ts";
import { FormatError, InputError } from "../tensor/errors.ts";
import { conditionalModel, readConditionalModel } from "./conditional-files.ts";
import type { LearnedConditional } from "./conditional-predict.ts";
import { pathInside } from "./datasets/split-file.ts";
import type { Item } from "./folder.ts";
import { JsonFields } from "./json-fields.ts";
import {
  adapterConfigJson,
  CONFIG_FILE,
  contextShape,
  parseAdapterConfig,
  type RunConfig,
  type SavedConfig,
} from "./run-config.ts";
import { readSealed, sealedTensors } from "./sealed-tensors.ts";

export const MODEL_FILE = "adapter_model.safetensors";
/** PEFT's name for a soft prompt */
const TENSOR = "prompt_embeddings";

/** One line of `metrics.jsonl`. */
export interface EpochMetrics {
  /** counted from 1 */
  readonly epoch: number;
  /** mean over the epoch's batches */
  readonly loss: number;
  readonly learningRate: number;
  /** fraction of the validation pictures, where the training stops early by them */
  readonly valAccuracy?: number;
  /** fraction of the held-out pictures; absent where they were not asked after this epoch */
  readonly heldOutAccuracy?: number;
  /** since the training began */
  readonly seconds?: number;
}

/** Which pictures were used for what: `train` and `val` are the shots, `test` the held-out ones. */
export interface Splits {
  readonly seed: number;
  readonly shots: number;
  readonly layout: "flat" | "split";
  readonly train: readonly Item[];
  readonly val: readonly Item[];
  readonly test: readonly Item[];
}

/**
 * A run's folder as `writeRunFolder` takes it. `readme` and `report` are the finished texts.
 * @example const files = runFiles({ config, context, epochs, splits, readme, report }); // name → content
 */
export function runFiles(run: {
  readonly config: RunConfig;
  /** row-major, of `contextShape(config)` */
  readonly context: Float32Array;
  readonly metaNet?: MetaNet;
  readonly epochs: readonly EpochMetrics[];
  readonly splits: Splits;
  readonly readme: string;
  readonly report: string;
}): Map<string, Uint8Array | string> {
  return new Map<string, Uint8Array | string>([
    [CONFIG_FILE, adapterConfigJson(run.config)],
    [MODEL_FILE, adapterModel(run.context, run.config, run.metaNet)],
    ["metrics.jsonl", metricsJsonl(run.epochs)],
    ["splits.json", splitsJson(run.splits)],
    ["report.html", run.report],
    ["README.md", run.readme],
  ]);
}

/** A learned prompt: its description and its context, row-major, of `shape` [M, D] or [K, M, D]. */
export interface SavedPrompt {
  readonly config: SavedConfig;
  readonly context: Float32Array;
  readonly shape: readonly number[];
  /** What shifts the context for each picture, where CoCoOp learned it. */
  readonly metaNet?: MetaNet;
}

type MetaNet = LearnedConditional["metaNet"];

/**
 * A learned prompt from the two adapter files of a run: the text of `adapter_config.json` and the bytes of
 * `adapter_model.safetensors`. FormatError where they are not whole or not of one run.
 *
 * @example const { config, context, shape } = await parsePrompt(configText, modelBytes);
 */
export async function parsePrompt(config: string, model: ByteSource | Uint8Array): Promise<SavedPrompt> {
  const parsed = parseAdapterConfig(config);
  return { config: parsed, ...(await readAdapterModel(model, parsed)), shape: contextShape(parsed) };
}

/**
 * The bytes of `adapter_model.safetensors`.
 * @example const bytes = adapterModel(context, config);
 */
export function adapterModel(
  context: Float32Array,
  config: Pick<RunConfig, "classes" | "options">,
  metaNet?: MetaNet,
): Uint8Array {
  const shape = contextShape(config);
  const size = shape.reduce((product, n) => product * n, 1);
  if (context.length !== size)
    throw new InputError(`The context has ${context.length} numbers, but [${shape}] needs ${size}.`);
  const bad = context.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0) throw new InputError(`The context holds ${context[bad]}: training diverged; lower the learning rate.`);
  if (metaNet) return conditionalModel({ context, metaNet });
  const data = new Uint8Array(context.buffer, context.byteOffset, context.byteLength);
  return sealedTensors([[TENSOR, { dtype: "F32", shape, data }]]);
}

/**
 * What `adapter_model.safetensors` holds, checked against the config; half precision is widened.
 * @example const { context } = await readAdapterModel(bytes, config);
 */
export async function readAdapterModel(
  source: ByteSource | Uint8Array,
  config: Pick<RunConfig, "classes" | "options">,
): Promise<Pick<SavedPrompt, "context" | "metaNet">> {
  const bytes = source instanceof Uint8Array ? memoryBytes(source, MODEL_FILE) : source;
  const file = await openSafetensors(bytes);
  const tensor = file.tensors.get(TENSOR);
  const conditional = file.tensors.has("meta_net.linear1.weight");
  if (!tensor || (file.tensors.size > 1 && !conditional))
    throw new FormatError(
      `${file.name}: it must hold one tensor, "${TENSOR}", but holds ${file.tensors.size || "none"}${tensor ? "" : " others"}. It is no prompt of coop.`,
    );
  const expected = contextShape(config);
  if (tensor.shape.join() !== expected.join())
    throw new FormatError(
      `${file.name}: "${TENSOR}" is [${tensor.shape.join(", ")}], but ${CONFIG_FILE} says [${expected.join(", ")}]. The two files are not of one run.`,
    );
  if (conditional) return readConditionalModel(bytes);
  if (!["F32", "F16", "BF16"].includes(tensor.dtype))
    throw new FormatError(`${file.name}: "${TENSOR}" is ${tensor.dtype}; F32, F16 or BF16 is needed.`);
  const context = toFloat32(tensor.dtype, await readSealed(file, TENSOR), `"${TENSOR}"`);
  const bad = context.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0) throw new FormatError(`${file.name}: "${TENSOR}" holds ${context[bad]} at ${bad}; train it again.`);
  return { context };
}

/**
 * `metrics.jsonl`: one JSON object a line, one line an epoch.
 * @example
 * metricsJsonl([{ epoch: 1, loss: 0.5, learningRate: 0.002 }]) // '{"epoch":1,"loss":0.5,"learningRate":0.002}\n'
 */
export function metricsJsonl(epochs: readonly EpochMetrics[]): string {
  return epochs
    .map(({ epoch, loss, learningRate, valAccuracy, heldOutAccuracy, seconds }) => {
      if (!Number.isFinite(loss)) throw new InputError(`The loss of epoch ${epoch} is ${loss}; it cannot be saved.`);
      return `${JSON.stringify({ epoch, loss, learningRate, valAccuracy, heldOutAccuracy, seconds })}\n`;
    })
    .join("");
}

/**
 * Reads `metrics.jsonl` back. FormatError names the line.
 * @example parseMetricsJsonl('{"epoch":1,"loss":0.5,"learningRate":0.002}\n')[0].loss // 0.5
 */
export function parseMetricsJsonl(text: string, file = "metrics.jsonl"): EpochMetrics[] {
  if (text !== "" && !text.endsWith("\n")) throw new FormatError(`${file}: its last line breaks off.`);
  return text
    .split("\n")
    .slice(0, -1)
    .map((line, i) => {
      const fields = JsonFields.parse(`${file} line ${i + 1}`, line);
      const optional = (key: string) => (fields.has(key) ? { [key]: fields.number(key) } : {});
      return {
        epoch: fields.whole("epoch", 1),
        loss: fields.number("loss"),
        learningRate: fields.number("learningRate"),
        ...optional("valAccuracy"),
        ...optional("heldOutAccuracy"),
        ...optional("seconds"),
      };
    });
}

const SPLITS = ["train", "val", "test"] as const;

/**
 * `splits.json`: pictures as [path, label, class name], as CoOp's own split files have them, one a line.
 * @example splitsJson({ seed: 1, shots: 16, layout: "flat", train, val: [], test });
 */
export function splitsJson(splits: Splits): string {
  const { seed, shots, layout } = splits;
  const lists = SPLITS.map((split) => {
    const lines = splits[split].map(({ path, label, className }) => `    ${JSON.stringify([path, label, className])}`);
    return `  "${split}": [${lines.length ? `\n${lines.join(",\n")}\n  ` : ""}]`;
  });
  const head = Object.entries({ seed, shots, layout }).map(([key, value]) => `  "${key}": ${JSON.stringify(value)}`);
  return `{\n${[...head, ...lists].join(",\n")}\n}\n`;
}

/**
 * Reads `splits.json` back. FormatError names the key.
 * @example const { train, test } = parseSplits(await readFile("splits.json", "utf8"));
 */
export function parseSplits(text: string, file = "splits.json"): Splits {
  const fields = JsonFields.parse(file, text);
  const [train, val, test] = SPLITS.map((split) =>
    fields.list(split).map((entry, i): Item => {
      const [path, label, className] = Array.isArray(entry) && entry.length === 3 ? (entry as unknown[]) : [];
      const whole = typeof label === "number" && Number.isSafeInteger(label) && label >= 0;
      if (typeof path !== "string" || !whole || typeof className !== "string")
        throw fields.wrong(`${split}[${i}]`, "must be [path, label, class name]");
      if (pathInside(path) === undefined) throw fields.wrong(`${split}[${i}]`, "leads out of the folder of pictures");
      return { path, label: label as number, className };
    }),
  );
  const layout = fields.choice("layout", ["flat", "split"]);
  return { seed: fields.whole("seed"), shots: fields.whole("shots", 1), layout, train, val, test };
}
