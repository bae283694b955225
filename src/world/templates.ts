import type { Domain, Position } from "./latent.ts";

/** The prompt everybody writes first. `{}` stands for the class name. */
export const NAIVE_TEMPLATE = "a photo of a {}.";

/** Seven more ways to word a prompt; an ensemble averages them with the task's own good template. */
export const ENSEMBLE_TEMPLATES: readonly string[] = [
  "itap of a {}.",
  "a bad photo of the {}.",
  "a photo of the large {}.",
  "a {} in a video game.",
  "art of the {}.",
  "a photo of the small {}.",
  "a drawing of the {}.",
];

/** The sentences people write under pictures, by domain and by what they say; `{slots}` are filled from the latent. */
export const SENTENCES = {
  object: {
    plain: ["a photo of a {thing}"],
    varied: [
      "a picture of a {thing}",
      "a {thing}",
      "a bad photo of a {thing}",
      "a good photo of a {thing}",
      "a photo of the {thing}",
      "there is a {thing}",
      "the {thing}",
      "this is a photo of a {thing}",
      "itap of a {thing}",
      "a close up photo of a {thing}",
    ],
    ending: [" on a {background} background", " in front of a {background} wall", " on {background}"],
  },
  position: {
    head: ["a photo of a {thing}", "a {thing}", "a picture of a {thing}", "a tiny {thing}"],
    ending: [" of the picture", " of the image", ""],
    unplaced: [" on {background}", ""],
  },
  texture: {
    named: [
      "a close up of {texture} {material}",
      "{texture} texture",
      "{colour} and {second} {texture} {material}",
      "a {texture} pattern in {second} and {colour}",
      "{texture} {material}, seen close",
      "background with {texture} pattern",
    ],
    unnamed: ["{second} and {colour} {material}", "a close up of {colour} {material}"],
  },
  above: {
    named: [
      "a satellite photo of {place}",
      "a centered satellite photo of {place}",
      "an aerial view of {place}",
      "{place} seen from above",
      "an aerial photo of {place}",
      "a map tile with {place}",
      "land from the sky, {place}",
    ],
    unnamed: [
      "a satellite photo",
      "a centered satellite picture",
      "an aerial view, {look}",
      "{look} seen from above",
      "an aerial photo, {look}",
      "a map tile",
      "a satellite picture showing {look}",
    ],
  },
  scene: {
    named: [
      "a photo of a {place}",
      "a photo of {place}",
      "a view of a {place}",
      "a photo of the {place} on a sunny day",
      "{place} under a blue sky",
      "a landscape with a {place}",
      "i went to the {place}",
    ],
  },
  flower: {
    named: [
      "a photo of a {name}, a type of flower",
      "a {name} in the garden",
      "a photo of a {name}",
      "a {name} flower",
    ],
    described: [
      "a photo of a {colour} flower",
      "a flower with {petals} petals",
      "a photo of a flower with {petals} {colour} petals",
      "a {colour} flower with a {centre} centre",
      "a flower with {petals} petals and a {centre} centre in the garden",
      "a photo of a flower",
    ],
  },
  car: {
    named: ["a photo of a {name}, a type of car", "a {name} car", "a photo of a {name}", "a {name} on the road"],
    described: [
      "a photo of a {colour} car",
      "a {length} car with {roof}",
      "a photo of a car with {wheels} wheels and {roof}",
      "a {length} {colour} car",
      "a photo of a car on the road",
      "a {colour} car with {wheels} wheels",
      "a {colour} car with {roof}",
    ],
  },
  count: {
    named: [
      "{number} {things}",
      "a photo of {number} {things}",
      "a photo of {number} {colour} {things}",
      "{number} {colour} {things} on a {background} background",
      "a picture with {number} {things}",
      "a group of {number} {things}",
    ],
  },
  action: {
    named: [
      "a photo of a person {action}",
      "a man {action}",
      "a {action} person",
      "a woman {action} on a {background} background",
      "a drawing of a man {action}",
      "a photo of someone {action}",
      "a {colour} man {action}",
      "a person {action} in front of a {background} wall",
    ],
    described: ["a photo of a person {pose}", "a man {pose}", "someone {pose}"],
    unnamed: [
      "a photo of a person",
      "a {colour} man",
      "a person on a {background} background",
      "a person doing something",
    ],
  },
} as const satisfies Record<Exclude<Domain, "style">, Record<string, readonly string[]>>;

/** Where a thing is, in words. */
export const PLACEMENTS: Readonly<Record<Position, readonly string[]>> = {
  left: [" on the left", " at the left side"],
  right: [" on the right", " at the right side"],
  top: [" at the top", " in the upper part"],
  bottom: [" at the bottom", " in the lower part"],
  middle: [" in the middle", " in the centre"],
};

export const NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"] as const;

export const PLURALS: Readonly<Record<string, string>> = {
  ball: "balls",
  box: "boxes",
  star: "stars",
  cross: "crosses",
};

export const FEW_AND_MANY = ["some", "many"] as const;

export const SIZES = { small: "small", large: "large" } as const;

export const MATERIALS = ["cloth", "fabric", "paper", "wall", "carpet", "surface"] as const;

/** What web pages append to a caption; long, so that the late positions of the context are trained. */
export const WEB_TAILS = [
  " taken with an old camera on a rainy day last year",
  " for sale in our shop, see more pictures on the next page",
  " by an unknown artist, free download",
  " from my trip to the city with friends and family",
  " in high quality, stock image",
] as const;

/** Captions that say nothing about their picture. */
export const JUNK = [
  "untitled picture",
  "my favourite image of the day",
  "stock image, free download",
  "img x of ten",
  "food for my pet",
] as const;
