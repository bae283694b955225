import { FormatError } from "../tensor/errors.ts";
import type { StoredArray } from "./checkpoint.ts";
import type { ClipConfig, VisionConfig } from "./config.ts";

/** What shapes alone do not say. */
export interface Unseen {
  /** "quickGelu" where not given: all of OpenAI's models. */
  readonly activation?: ClipConfig["activation"];
  /** Width of one head of either tower; 64 where not given. */
  readonly headWidth?: { readonly vision?: number; readonly text?: number };
}

/**
 * The sizes of a model from the shapes of its tensors under OpenAI's names, as OpenAI's loader does it; open_clip's text
 * tower may be in a module of its own.
 *
 * @throws FormatError that names the tensor without which this is no CLIP model
 */
export function inferConfig(
  tensors: ReadonlyMap<string, StoredArray>,
  file: string,
  { activation = "quickGelu", headWidth = {} }: Unseen = {},
): ClipConfig {
  const shapeOf = (name: string, rank: number): readonly number[] => {
    const shape = tensors.get(name)?.shape;
    if (!shape) throw new FormatError(`${file}: there is no "${name}" in it; it is not a CLIP model in a known layout`);
    if (shape.length !== rank || shape.includes(0))
      throw new FormatError(`${file}: "${name}" is [${shape.join(", ")}]; a CLIP model has ${rank} axes there`);
    return shape;
  };
  /** How many indices stand between `before` and the next dot. */
  const count = (before: string): number => {
    const indices = new Set<string>();
    for (const name of tensors.keys())
      if (name.startsWith(before)) indices.add(name.slice(before.length).split(".")[0]);
    return indices.size;
  };
  const headsOf = (width: number, head: number, what: string): number => {
    if (width % head !== 0)
      throw new FormatError(`${file}: the ${what} width ${width} does not divide into heads of ${head}`);
    return width / head;
  };
  const gridIn = (positions: number): number => Math.round(Math.sqrt(positions - 1));

  const visionOf = (): VisionConfig => {
    if (tensors.has("visual.proj")) {
      const [width, , , patchSize] = shapeOf("visual.conv1.weight", 4);
      const [positions] = shapeOf("visual.positional_embedding", 2);
      return {
        kind: "vit",
        imageSize: patchSize * gridIn(positions),
        patchSize,
        width,
        layers: count("visual.transformer.resblocks."),
        heads: headsOf(width, headWidth.vision ?? 64, "image tower's"),
      };
    }
    const [width] = shapeOf("visual.layer1.0.conv1.weight", 4);
    const [positions] = shapeOf("visual.attnpool.positional_embedding", 2);
    return {
      kind: "resnet",
      imageSize: 32 * gridIn(positions),
      width,
      depths: [1, 2, 3, 4].map((stage) => count(`visual.layer${stage}.`)),
      heads: headsOf(32 * width, headWidth.vision ?? 64, "attention pool's"),
    };
  };

  const text = tensors.has("text.token_embedding.weight") ? "text." : "";
  const vision = visionOf();
  const linear = `${text}text_projection.weight`;
  const embedDim = tensors.has(linear) ? shapeOf(linear, 2)[0] : shapeOf(`${text}text_projection`, 2)[1];
  const [width] = shapeOf(`${text}ln_final.weight`, 1);
  return {
    embedDim,
    activation,
    layerNormEpsilon: 1e-5,
    vision,
    text: {
      width,
      layers: count(`${text}transformer.resblocks.`),
      heads: headsOf(width, headWidth.text ?? 64, "text tower's"),
      contextLength: shapeOf(`${text}positional_embedding`, 2)[0],
      vocabularySize: shapeOf(`${text}token_embedding.weight`, 2)[0],
    },
  };
}
