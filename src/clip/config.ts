import { FormatError, InputError } from "../tensor/errors.ts";
import { shownJson } from "./shown-json.ts";

/** A transformer's sizes. */
export interface TransformerConfig {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
}

/** Image tower: a vision transformer. */
export interface ViTConfig extends TransformerConfig {
  readonly kind: "vit";
  /** Side of the square image in pixels. */
  readonly imageSize: number;
  /** Side of a patch in pixels. */
  readonly patchSize: number;
}

/** Image tower: CLIP's modified ResNet (Radford et al., arXiv 2103.00020, §2.4). */
export interface ResNetConfig {
  readonly kind: "resnet";
  /** Side of the square image in pixels. */
  readonly imageSize: number;
  /** Channels behind the stem; the four stages end in 4, 8, 16 and 32 times as many. */
  readonly width: number;
  /** Bottleneck blocks of the four stages. */
  readonly depths: readonly number[];
  /** Heads of the attention pool. */
  readonly heads: number;
}

/** Sizes of the image tower, of either kind. */
export type VisionConfig = ViTConfig | ResNetConfig;

/** Text tower. */
export interface TextConfig extends TransformerConfig {
  /** Tokens in a row, start and end included. */
  readonly contextLength: number;
  readonly vocabularySize: number;
}

/** A CLIP model's sizes. */
export interface ClipConfig {
  /** Width of the space that both towers end in. */
  readonly embedDim: number;
  readonly activation: "quickGelu" | "gelu";
  readonly layerNormEpsilon: number;
  readonly vision: VisionConfig;
  readonly text: TextConfig;
}

/** Patches along one side of the image; for a ResNet, places of its last feature map. */
export const gridOf = (vision: VisionConfig): number =>
  Math.floor(vision.imageSize / (vision.kind === "vit" ? vision.patchSize : 32));

/** Each layer is some dozen entries in the table of parameters. */
const MAX_LAYERS = 1000;

const ACTIVATIONS: Readonly<Record<string, ClipConfig["activation"]>> = { quick_gelu: "quickGelu", gelu: "gelu" };

/**
 * Reads Hugging Face's `config.json` of a CLIP model (parsed). FormatError names the key that is missing or wrong.
 * @example const { embedDim, vision } = readConfig(JSON.parse(text));
 */
export function readConfig(json: unknown, name = "config.json"): ClipConfig {
  const root = new Fields(json, name, "");
  const kind = root.text("model_type", "clip");
  if (kind !== "clip") throw new FormatError(`${name}: model_type is "${kind}"; only "clip" models load here`);
  const text = root.part("text_config");
  const vision = root.part("vision_config");
  const activations = [text.text("hidden_act", "quick_gelu"), vision.text("hidden_act", "quick_gelu")];
  const activation = ACTIVATIONS[activations[0]];
  if (!activation || activations[0] !== activations[1]) {
    throw new FormatError(
      `${name}: hidden_act is ${activations.join(" and ")}; both towers use quick_gelu or both use gelu`,
    );
  }
  if (vision.count("num_channels", 3) !== 3) throw new FormatError(`${name}: vision_config.num_channels is not 3`);
  return {
    embedDim: root.count("projection_dim", 512),
    activation,
    layerNormEpsilon: text.number("layer_norm_eps", 1e-5),
    vision: {
      kind: "vit",
      ...vision.transformer(768),
      imageSize: vision.count("image_size", 224),
      patchSize: vision.count("patch_size", 32),
    },
    text: {
      ...text.transformer(512),
      contextLength: text.count("max_position_embeddings", 77),
      vocabularySize: text.count("vocab_size", 49408),
    },
  };
}

/**
 * Writes what `readConfig` reads. InputError for a ResNet: Hugging Face's layout has no name for one.
 * @example writeFileSync("config.json", JSON.stringify(configJson(clip.config)));
 */
export function configJson(config: ClipConfig): object {
  const { embedDim, layerNormEpsilon, vision, text } = config;
  if (vision.kind !== "vit") throw new InputError("Hugging Face's CLIP has no ResNet; save it in OpenAI's layout");
  const transformer = ({ width, layers, heads }: TransformerConfig) => ({
    hidden_size: width,
    intermediate_size: 4 * width,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    hidden_act: config.activation === "gelu" ? "gelu" : "quick_gelu",
    layer_norm_eps: layerNormEpsilon,
    projection_dim: embedDim,
  });
  return {
    architectures: ["CLIPModel"],
    model_type: "clip",
    projection_dim: embedDim,
    logit_scale_init_value: 2.6592,
    torch_dtype: "float32",
    text_config: {
      model_type: "clip_text_model",
      ...transformer(text),
      max_position_embeddings: text.contextLength,
      vocab_size: text.vocabularySize,
      bos_token_id: text.vocabularySize - 2,
      eos_token_id: text.vocabularySize - 1,
    },
    vision_config: {
      model_type: "clip_vision_model",
      ...transformer(vision),
      image_size: vision.imageSize,
      patch_size: vision.patchSize,
      num_channels: 3,
    },
  };
}

/** Typed access to a JSON object of unknown content; absent keys take Hugging Face's defaults. */
class Fields {
  private readonly values: ReadonlyMap<string, unknown>;

  constructor(
    json: unknown,
    private readonly name: string,
    private readonly path: string,
  ) {
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      throw new FormatError(`${name}: ${path ? path.slice(0, -1) : "the file"} is not a JSON object`);
    }
    this.values = new Map(Object.entries(json));
  }

  part(key: string): Fields {
    if (!this.values.has(key))
      throw new FormatError(`${this.name}: there is no ${this.path}${key}; it is not a CLIP configuration`);
    return new Fields(this.values.get(key), this.name, `${this.path}${key}.`);
  }

  number(key: string, otherwise: number): number {
    const value = this.values.get(key) ?? otherwise;
    if (typeof value !== "number" || !(value > 0) || !Number.isFinite(value)) {
      throw new FormatError(`${this.name}: ${this.path}${key} is ${shownJson(value)}, not a number above 0`);
    }
    return value;
  }

  count(key: string, otherwise: number, most = 2 ** 20): number {
    const value = this.number(key, otherwise);
    if (!Number.isInteger(value) || value > most)
      throw new FormatError(`${this.name}: ${this.path}${key} is ${value}, not a sensible whole number`);
    return value;
  }

  text(key: string, otherwise: string): string {
    const value = this.values.get(key) ?? otherwise;
    if (typeof value !== "string") throw new FormatError(`${this.name}: ${this.path}${key} is not a string`);
    return value;
  }

  transformer(width: number): TransformerConfig {
    const sizes = {
      width: this.count("hidden_size", width),
      layers: this.count("num_hidden_layers", 12, MAX_LAYERS),
      heads: this.count("num_attention_heads", width / 64),
    };
    const inner = this.count("intermediate_size", 4 * sizes.width);
    if (sizes.width % sizes.heads !== 0)
      throw new FormatError(
        `${this.name}: ${this.path}hidden_size ${sizes.width} does not divide into ${sizes.heads} heads`,
      );
    if (inner !== 4 * sizes.width)
      throw new FormatError(`${this.name}: ${this.path}intermediate_size is ${inner}, not 4 × ${sizes.width}`);
    return sizes;
  }
}
