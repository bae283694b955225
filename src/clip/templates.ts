import { InputError } from "../tensor/errors.ts";

/**
 * The template of CLIP's paper.
 * @example fillTemplate(DEFAULT_TEMPLATE, ["cat"]) // ["a photo of a cat."]
 */
export const DEFAULT_TEMPLATE = "a photo of a {}.";

/** The seven templates that CLIP's authors chose of their eighty, made on ImageNet with a ResNet-50. */
export const ENSEMBLE_TEMPLATES: readonly string[] = [
  "itap of a {}.",
  "a bad photo of the {}.",
  "a origami {}.",
  "a photo of the large {}.",
  "a {} in a video game.",
  "art of the {}.",
  "a photo of the small {}.",
];

/** Each dataset with its template, and the other spellings of its name that are about. */
const DATASETS: readonly (readonly [name: string, template: string, ...spellings: string[]])[] = [
  ["ImageNet", DEFAULT_TEMPLATE, "ImageNet-1k", "ILSVRC2012"],
  ["Caltech101", DEFAULT_TEMPLATE, "Caltech"],
  ["OxfordPets", "a photo of a {}, a type of pet.", "Pets", "Oxford-IIIT-Pet", "Oxford-IIIT-Pets"],
  ["StanfordCars", DEFAULT_TEMPLATE, "Cars"],
  ["OxfordFlowers", "a photo of a {}, a type of flower.", "Flowers", "Flowers102", "OxfordFlowers102"],
  ["Food101", "a photo of {}, a type of food.", "Food"],
  ["FGVCAircraft", "a photo of a {}, a type of aircraft.", "Aircraft"],
  ["SUN397", DEFAULT_TEMPLATE, "SUN"],
  ["DTD", "{} texture.", "DescribableTextures"],
  ["EuroSAT", "a centered satellite photo of {}."],
  ["UCF101", "a photo of a person doing {}.", "UCF"],
  ["ImageNetV2", DEFAULT_TEMPLATE],
  ["ImageNet-Sketch", DEFAULT_TEMPLATE],
  ["ImageNet-A", DEFAULT_TEMPLATE, "ImageNet-Adversarial"],
  ["ImageNet-R", DEFAULT_TEMPLATE, "ImageNet-Rendition"],
];

/** The datasets that have a template of their own. */
export const TEMPLATE_DATASETS: readonly string[] = DATASETS.map(([name]) => name);

/** Capitals, spaces, hyphens and underscores do not count. */
const spelled = (name: string): string => name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "");

/** The usual name of a dataset of the CoOp papers that is spelled in any way: "oxford_pets" is OxfordPets. */
export const datasetName = (spelling: string): string | undefined => entryOf(spelling)?.[0];

const entryOf = (dataset: string) =>
  DATASETS.find(([name, , ...others]) => [name, ...others].some((s) => spelled(s) === spelled(dataset)));

/**
 * The hand-written templates of a dataset of the CoOp papers: its own; or, as an ensemble, the seven and its own, which
 * ImageNet does without.
 *
 * @param dataset in any usual spelling: "OxfordPets", "oxford_pets"
 * @throws InputError for a dataset that is not known
 * @example templatesFor("eurosat") // ["a centered satellite photo of {}."]
 */
export function templatesFor(dataset: string, { ensemble = false }: { readonly ensemble?: boolean } = {}): string[] {
  const found = entryOf(dataset);
  if (!found)
    throw new InputError(
      `there is no template for a dataset "${dataset}", only for ${TEMPLATE_DATASETS.join(", ")}; write one with --template`,
    );
  const [name, own] = found;
  if (!ensemble) return [own];
  return name === "ImageNet" ? [...ENSEMBLE_TEMPLATES] : [...ENSEMBLE_TEMPLATES, own];
}

/**
 * The texts of a template; InputError where it has no place for the name.
 * @example fillTemplate("a drawing of a {}.", ["polar_bear"]) // ["a drawing of a polar bear."]
 */
export function fillTemplate(template: string, classNames: readonly string[]): string[] {
  if (!template.includes("{}"))
    throw new InputError(
      `the template "${template}" has no {} where the class name goes; write for example "${DEFAULT_TEMPLATE}"`,
    );
  return classNames.map((name) => template.replaceAll("{}", () => name.replaceAll("_", " ")));
}
