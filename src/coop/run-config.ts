import { FormatError, InputError } from "../tensor/errors.ts";
import { JsonFields } from "./json-fields.ts";
import { METHOD_TITLES, METHODS, type MethodName } from "./methods.ts";
import type { Score } from "./score.ts";

export const CONFIG_FILE = "adapter_config.json";
export const POSITIONS = ["end", "middle", "front"] as const;
export const OPTIMIZERS = ["sgd", "adamw"] as const;

/** Everything that is needed to use a learned prompt and to learn it again. */
export interface RunConfig {
  readonly model: {
    /** as it was given: a hub id, a folder or an address */
    readonly name: string;
    /** of the hub repository; null for a model that did not come from there */
    readonly revision: string | null;
    /** of the weights file, 64 hexadecimal digits */
    readonly sha256: string;
  };
  /** in the order of their labels */
  readonly classes: readonly string[];
  readonly options: {
    /** M */
    readonly contextTokens: number;
    /** D, the text tower's width */
    readonly tokenDim: number;
    readonly position: (typeof POSITIONS)[number];
    /** one context for each class, or one for all */
    readonly classSpecific: boolean;
    /** the words that the context began as; null for random numbers */
    readonly initText: string | null;
  };
  readonly recipe: {
    readonly shots: number;
    readonly epochs: number;
    readonly batchSize: number;
    readonly learningRate: number;
    readonly warmupLearningRate: number;
    /** "sgd" where not given */
    /** "coop" where not given */
    readonly method?: MethodName;
    readonly optimizer?: (typeof OPTIMIZERS)[number];
    /** of SGD */
    readonly momentum: number;
    readonly weightDecay: number;
    /** 0 where not given */
    readonly labelSmoothing?: number;
    /** gradients are scaled down where their norm exceeds it */
    readonly maxGradientNorm?: number;
    /** epochs without a better one on the validation pictures that end the training; absent where all were run */
    readonly patience?: number;
    readonly seed: number;
    /** what was done to the training pictures, in words: "none" where each was encoded once */
    readonly augmentation: string;
  };
  /** the epoch whose prompt this is, where it is the one that was best on validation pictures */
  readonly keptEpoch?: number;
  /** on the held-out pictures; null where there were none */
  readonly metrics: {
    /** `templates` are the texts that zero-shot used, with {} for the class name */
    readonly zeroShot: Score & { readonly templates: readonly string[] };
    /** zero-shot with the mean of several templates' features */
    readonly ensemble?: Score & { readonly templates: readonly string[] };
    /** a linear classifier of the same shots' features; `C` is its inverse penalty */
    readonly probe?: Score & { readonly C: number };
    readonly coop: Score;
  } | null;
  /** of coop, the runtime, the GPU and its driver: name → version */
  readonly versions: Readonly<Record<string, string>>;
}

/** A run's configuration as it is saved: nobody knows the recipe of a prompt that was imported. */
export type SavedConfig = Omit<RunConfig, "recipe"> & { readonly recipe: RunConfig["recipe"] | null };

/** How a prompt was trained, in words: one fact a row, for cards and reports. */
export function recipeFacts({ recipe, keptEpoch }: Pick<RunConfig, "recipe" | "keptEpoch">): [string, string][] {
  const { method = "coop", optimizer = "sgd", momentum, weightDecay, labelSmoothing = 0, patience } = recipe;
  const kind = optimizer === "adamw" ? "AdamW" : `SGD, momentum ${momentum}`;
  return [
    ...(method === "coop" ? [] : [["method", METHOD_TITLES[method]] as const]),
    ["epochs", `${recipe.epochs}`],
    ...(patience === undefined
      ? []
      : [["early stopping", `after ${patience} epochs without a better one; kept epoch ${keptEpoch ?? "–"}`] as const]),
    ["batch", `${recipe.batchSize} pictures`],
    ["learning rate", `${recipe.learningRate}, cosine; first epoch ${recipe.warmupLearningRate}`],
    ["optimizer", `${kind}, weight decay ${weightDecay}`],
    ...(labelSmoothing > 0 ? [["label smoothing", `${labelSmoothing}`] as const] : []),
    ...(recipe.maxGradientNorm === undefined ? [] : [["gradient norm", `${recipe.maxGradientNorm} at most`] as const]),
    ["augmentation", recipe.augmentation],
  ].map(([name, value]) => [name, value]);
}

/**
 * The shape of the context: [M, D], or [K, M, D] where it is class-specific.
 * @example contextShape(config) // [16, 512]
 */
export function contextShape({ classes, options }: Pick<RunConfig, "classes" | "options">): number[] {
  const shape = [options.contextTokens, options.tokenDim];
  return options.classSpecific ? [classes.length, ...shape] : shape;
}

/**
 * The text of `adapter_config.json`: PEFT's fields for a soft prompt, which tools that list adapters read, and a `coop`
 * object with the rest. InputError if the config itself is not fit to be read back.
 *
 * @example parseAdapterConfig(adapterConfigJson(config)).classes; // those of `config`
 */
export function adapterConfigJson(config: SavedConfig): string {
  const { model, classes, options, recipe, keptEpoch, metrics, versions } = config;
  const score = ({ correct, total }: Score) => ({ accuracy: total ? correct / total : null, correct, total });
  const text = JSON.stringify(
    {
      peft_type: "PROMPT_TUNING",
      task_type: "FEATURE_EXTRACTION",
      base_model_name_or_path: model.name,
      revision: model.revision,
      inference_mode: true,
      num_virtual_tokens: options.contextTokens,
      token_dim: options.tokenDim,
      num_transformer_submodules: 1,
      prompt_tuning_init: options.initText === null ? "RANDOM" : "TEXT",
      prompt_tuning_init_text: options.initText,
      tokenizer_name_or_path: model.name,
      coop: {
        format: 1,
        model: { name: model.name, revision: model.revision, sha256: model.sha256 },
        classes,
        options: { position: options.position, class_specific: options.classSpecific },
        recipe: recipe && {
          shots: recipe.shots,
          epochs: recipe.epochs,
          batch_size: recipe.batchSize,
          learning_rate: recipe.learningRate,
          warmup_learning_rate: recipe.warmupLearningRate,
          method: recipe.method,
          optimizer: recipe.optimizer,
          momentum: recipe.momentum,
          weight_decay: recipe.weightDecay,
          label_smoothing: recipe.labelSmoothing,
          max_gradient_norm: recipe.maxGradientNorm,
          patience: recipe.patience,
          seed: recipe.seed,
          augmentation: recipe.augmentation,
        },
        kept_epoch: keptEpoch,
        metrics: metrics && {
          zero_shot: { ...score(metrics.zeroShot), templates: metrics.zeroShot.templates },
          ensemble: metrics.ensemble && { ...score(metrics.ensemble), templates: metrics.ensemble.templates },
          probe: metrics.probe && { ...score(metrics.probe), C: metrics.probe.C },
          coop: score(metrics.coop),
        },
        versions,
      },
    },
    null,
    2,
  );
  try {
    parseAdapterConfig(text, CONFIG_FILE);
  } catch (error) {
    if (error instanceof FormatError) throw new InputError(`This run cannot be saved: ${error.message}`);
    throw error;
  }
  return `${text}\n`;
}

/**
 * Reads `adapter_config.json` back; `file` is its name in messages. FormatError names the file and the key.
 * @example const { model, classes, options } = parseAdapterConfig(await readFile("adapter_config.json", "utf8"));
 */
export function parseAdapterConfig(text: string, file = CONFIG_FILE): SavedConfig {
  const top = JsonFields.parse(file, text);
  const type = top.string("peft_type");
  if (type !== "PROMPT_TUNING")
    throw top.wrong("peft_type", `is ${JSON.stringify(type)}; coop reads "PROMPT_TUNING" adapters only`);
  if (!top.has("coop"))
    throw top.wrong(
      "coop",
      "is missing: this adapter was not made by coop, so its model and classes are unknown. Give the folder of a coop run",
    );
  const coop = top.object("coop");
  const format = coop.whole("format", 1);
  if (format > 1) throw coop.wrong("format", `is ${format}: a newer coop wrote this run. Update coop to read it`);

  const model = coop.object("model");
  const sha256 = model.string("sha256");
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw model.wrong("sha256", "must be 64 hexadecimal digits");
  const classes = coop.strings("classes");
  const blank = classes.findIndex((name) => name.trim() === "");
  if (blank >= 0) throw coop.wrong(`classes[${blank}]`, "is empty");
  if (classes.length === 0) throw coop.wrong("classes", "is empty");

  const options = coop.object("options");
  const recipe = coop.has("recipe") ? coop.object("recipe") : null;
  return {
    model: { name: model.string("name"), revision: optional(model, "revision"), sha256 },
    classes,
    options: {
      contextTokens: top.whole("num_virtual_tokens", 1),
      tokenDim: top.whole("token_dim", 1),
      position: options.choice("position", POSITIONS),
      classSpecific: options.boolean("class_specific"),
      initText: optional(top, "prompt_tuning_init_text"),
    },
    recipe: recipe && {
      shots: recipe.whole("shots", 1),
      epochs: recipe.whole("epochs", 1),
      batchSize: recipe.whole("batch_size", 1),
      learningRate: recipe.number("learning_rate"),
      warmupLearningRate: recipe.number("warmup_learning_rate"),
      ...(recipe.has("method") ? { method: recipe.choice("method", METHODS) } : {}),
      ...(recipe.has("optimizer") ? { optimizer: recipe.choice("optimizer", OPTIMIZERS) } : {}),
      momentum: recipe.number("momentum"),
      weightDecay: recipe.number("weight_decay"),
      ...(recipe.has("max_gradient_norm") ? { maxGradientNorm: recipe.number("max_gradient_norm") } : {}),
      ...(recipe.has("label_smoothing") ? { labelSmoothing: recipe.number("label_smoothing") } : {}),
      ...(recipe.has("patience") ? { patience: recipe.whole("patience", 1) } : {}),
      seed: recipe.whole("seed"),
      augmentation: recipe.string("augmentation"),
    },
    ...(coop.has("kept_epoch") ? { keptEpoch: coop.whole("kept_epoch", 1) } : {}),
    metrics: coop.has("metrics") ? parseMetrics(coop.object("metrics")) : null,
    versions: coop.object("versions").texts(),
  };
}

function parseMetrics(metrics: JsonFields): RunConfig["metrics"] {
  const written = (fields: JsonFields) => ({ ...parseScore(fields), templates: fields.strings("templates") });
  const probe = (fields: JsonFields) => ({ ...parseScore(fields), C: fields.number("C") });
  return {
    zeroShot: written(metrics.object("zero_shot")),
    ...(metrics.has("ensemble") ? { ensemble: written(metrics.object("ensemble")) } : {}),
    ...(metrics.has("probe") ? { probe: probe(metrics.object("probe")) } : {}),
    coop: parseScore(metrics.object("coop")),
  };
}

function parseScore(fields: JsonFields): Score {
  const score = { correct: fields.whole("correct", 0), total: fields.whole("total", 0) };
  if (score.correct > score.total) throw fields.wrong("correct", `is ${score.correct} of ${score.total}`);
  return score;
}

const optional = (fields: JsonFields, key: string): string | null => (fields.has(key) ? fields.string(key) : null);
