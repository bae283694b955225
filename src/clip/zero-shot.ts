import { InputError } from "../tensor/errors.ts";
import { compile, free, l2Normalize, matmul, mul, softmax } from "../tensor/index.ts";
import { type Clip, textBatch } from "./clip.ts";
import { featureTable } from "./feature-table.ts";
import { fillTemplate } from "./templates.ts";
import { encodeText } from "./towers.ts";

/**
 * Normalised features of one template filled with each name.
 *
 * @returns float32 [K, E] row-major
 * @throws InputError where the template has no place for the name, or a text does not fit the context
 * @example const features = await templateFeatures(clip, ["cat", "dog"], "a drawing of a {}.");
 */
export async function templateFeatures(
  clip: Clip,
  classNames: readonly string[],
  template: string,
): Promise<Float32Array> {
  if (classNames.length === 0) throw new InputError("there are no class names to compare with");
  const batch = textBatch(clip.tokenize(fillTemplate(template, classNames)), clip.tokenizer);
  const encode = compile(() => l2Normalize(encodeText(clip.params.text, clip.config, batch)));
  const features = encode();
  const values = (await features.data()) as Float32Array;
  free([features, batch]);
  encode.free();
  return values;
}

/**
 * One feature for each class from those of several templates: their mean, normalised again
 * (Radford et al., arXiv 2103.00020, §3.1.4).
 *
 * @param features normalised, [K, E] row-major each
 * @param width E
 * @returns float32 [K, E] row-major; a single one as it is
 * @example ensembleFeatures([Float32Array.of(1, 0), Float32Array.of(0, 1)], 2) // [0.7071, 0.7071]
 */
export function ensembleFeatures(features: readonly Float32Array[], width: number): Float32Array {
  if (features.length === 0) throw new InputError("there are no templates to ask with");
  if (features.some((f) => f.length !== features[0].length))
    throw new InputError(
      `ensembleFeatures: the templates have ${features.map((f) => f.length).join(", ")} numbers, but need equally many`,
    );
  if (features.length === 1) return features[0];
  const result = new Float32Array(features[0].length);
  for (let at = 0; at < result.length; at += width) {
    const sum = Array.from({ length: width }, (_, i) => features.reduce((total, values) => total + values[at + i], 0));
    const length = Math.hypot(...sum) || 1;
    result.set(
      sum.map((value) => value / length),
      at,
    );
  }
  return result;
}

/**
 * One normalised feature for each class, for one template or an ensemble of several: `ensembleFeatures` of the
 * `templateFeatures` of each.
 *
 * @returns float32 [K, E] row-major
 * @example const classes = await classFeatures(clip, ["cat", "dog"], [DEFAULT_TEMPLATE]); // 2 · E numbers
 */
export async function classFeatures(
  clip: Clip,
  classNames: readonly string[],
  templates: readonly string[],
): Promise<Float32Array> {
  const features: Float32Array[] = [];
  for (const template of templates) features.push(await templateFeatures(clip, classNames, template));
  return ensembleFeatures(features, clip.config.embedDim);
}

/**
 * Probabilities softmax(s · cos) of classes for pictures (Radford et al., §3.1.2).
 *
 * @param images features [N, E] row-major, need not be normalised
 * @param classes normalised features [K, E] row-major
 * @returns [N, K] row-major
 * @example const [cat, dog] = await classify(clip, features, classes); // probabilities for the first picture
 */
export async function classify(clip: Clip, images: Float32Array, classes: Float32Array): Promise<Float32Array> {
  const width = clip.config.embedDim;
  const x = featureTable(images, width);
  const y = featureTable(classes, width);
  const probabilities = softmax(mul(matmul(l2Normalize(x), y, { transposeB: true }), clip.logitScale));
  const values = (await probabilities.data()) as Float32Array;
  free([x, y, probabilities]);
  return values;
}
