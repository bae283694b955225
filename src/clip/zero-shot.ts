import { InputError } from "../tensor/errors.ts";
import { compile, free, l2Normalize, matmul, mean, mul, softmax, stack, tensor } from "../tensor/index.ts";
import { type Clip, textBatch } from "./clip.ts";
import { encodeText } from "./towers.ts";

/** The template of CLIP's paper. */
export const DEFAULT_TEMPLATE = "a photo of a {}.";

/** The texts of a template; InputError where it has no place for the name. */
export function fillTemplate(template: string, classNames: readonly string[]): string[] {
  if (!template.includes("{}"))
    throw new InputError(
      `the template "${template}" has no {} where the class name goes; write for example "a photo of a {}."`,
    );
  return classNames.map((name) => template.replaceAll("{}", name.replaceAll("_", " ")));
}

/**
 * One normalised feature for each class: the mean of the normalised features of its texts, normalised again
 * (Radford et al., arXiv 2103.00020, §3.1.4).
 *
 * @returns float32 [K, E] row-major
 */
export async function classFeatures(
  clip: Clip,
  classNames: readonly string[],
  templates: readonly string[],
): Promise<Float32Array> {
  if (classNames.length === 0) throw new InputError("there are no class names to compare with");
  const batches = templates.map((t) => textBatch(clip.tokenize(fillTemplate(t, classNames)), clip.tokenizer));
  const average = compile(() =>
    l2Normalize(mean(stack(batches.map((batch) => l2Normalize(encodeText(clip.params.text, clip.config, batch)))), 0)),
  );
  const features = average();
  const values = (await features.data()) as Float32Array;
  free([features, batches]);
  average.free();
  return values;
}

/**
 * Probabilities softmax(s · cos) of classes for pictures (Radford et al., §3.1.2).
 *
 * @param images features [N, E] row-major, need not be normalised
 * @param classes normalised features [K, E] row-major
 * @returns [N, K] row-major
 */
export async function classify(clip: Clip, images: Float32Array, classes: Float32Array): Promise<Float32Array> {
  const width = clip.config.embedDim;
  const x = tensor(images, [images.length / width, width]);
  const y = tensor(classes, [classes.length / width, width]);
  const probabilities = softmax(mul(matmul(l2Normalize(x), y, { transposeB: true }), clip.logitScale));
  const values = (await probabilities.data()) as Float32Array;
  free([x, y, probabilities]);
  return values;
}
