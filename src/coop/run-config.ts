import { FormatError, InputError } from "../tensor/errors.ts";
import { JsonFields } from "./json-fields.ts";
import type { Score } from "./score.ts";

export const CONFIG_FILE = "adapter_config.json";
const POSITIONS = ["end", "middle", "front"] as const;

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
    readonly momentum: number;
    readonly weightDecay: number;
    readonly seed: number;
    /** what was done to the training pictures, in words: "none" where each was encoded once */
    readonly augmentation: string;
  };
  /** on the held-out pictures; null where there were none */
  readonly metrics: {
    /** `templates` are the texts that zero-shot used, with {} for the class name */
    readonly zeroShot: Score & { readonly templates: readonly string[] };
    readonly coop: Score;
  } | null;
  /** of coop, the runtime, the GPU and its driver: name → version */
  readonly versions: Readonly<Record<string, string>>;
}

/** A run's configuration as it is saved: nobody knows the recipe of a prompt that was imported. */
export type SavedConfig = Omit<RunConfig, "recipe"> & { readonly recipe: RunConfig["recipe"] | null };

/** The shape of the context: [M, D], or [K, M, D] where it is class-specific. */
export function contextShape({ classes, options }: Pick<RunConfig, "classes" | "options">): number[] {
  const shape = [options.contextTokens, options.tokenDim];
  return options.classSpecific ? [classes.length, ...shape] : shape;
}

/**
 * The text of `adapter_config.json`: PEFT's fields for a soft prompt, which tools that list adapters read, and a `coop`
 * object with the rest. InputError if the config itself is not fit to be read back.
 */
export function adapterConfigJson(config: SavedConfig): string {
  const { model, classes, options, recipe, metrics, versions } = config;
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
          momentum: recipe.momentum,
          weight_decay: recipe.weightDecay,
          seed: recipe.seed,
          augmentation: recipe.augmentation,
        },
        metrics: metrics && {
          zero_shot: { ...score(metrics.zeroShot), templates: metrics.zeroShot.templates },
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

/** Reads `adapter_config.json` back; `file` is its name in messages. FormatError names the file and the key. */
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
      momentum: recipe.number("momentum"),
      weightDecay: recipe.number("weight_decay"),
      seed: recipe.whole("seed"),
      augmentation: recipe.string("augmentation"),
    },
    metrics: coop.has("metrics") ? parseMetrics(coop.object("metrics")) : null,
    versions: coop.object("versions").texts(),
  };
}

function parseMetrics(metrics: JsonFields): RunConfig["metrics"] {
  const zeroShot = metrics.object("zero_shot");
  return {
    zeroShot: { ...parseScore(zeroShot), templates: zeroShot.strings("templates") },
    coop: parseScore(metrics.object("coop")),
  };
}

function parseScore(fields: JsonFields): Score {
  const score = { correct: fields.whole("correct", 0), total: fields.whole("total", 0) };
  if (score.correct > score.total) throw fields.wrong("correct", `is ${score.correct} of ${score.total}`);
  return score;
}

const optional = (fields: JsonFields, key: string): string | null => (fields.has(key) ? fields.string(key) : null);
