import { ACTION_NAMES } from "./actions.ts";
import { CAR_NAMES } from "./cars.ts";
import { COLOUR_NAMES } from "./colours.ts";
import { FLOWER_NAMES } from "./flowers.ts";
import { isHeldOut, type Latent, MAX_COUNT, POSITION_NAMES, sampleLatent } from "./latent.ts";
import { PLACE_NAMES, PLACES } from "./places.ts";
import { Random } from "./random.ts";
import { type Disturbance, drawPicture } from "./render.ts";
import { SHAPE_NAMES } from "./shapes.ts";
import { STYLE_NAMES, type Style } from "./styles.ts";
import { NUMBERS } from "./templates.ts";
import { TEXTURE_NAMES, TEXTURES } from "./textures.ts";

/** A change of the pictures between training and test; styles apply to tasks that show one object. */
export type Shift = Disturbance & { readonly style?: Style };

export const SHIFTS = {
  inverted: { inverted: true },
  noise: { noise: 0.2 },
  rotated: { rotation: 0.7 },
  sketch: { style: "sketch" },
  silhouette: { style: "silhouette" },
} as const satisfies Record<string, Shift>;

export type ShiftName = keyof typeof SHIFTS;

export type Task = {
  readonly name: string;
  readonly classNames: readonly string[];
  /** A prompt that suits this task; `{}` stands for the class name. */
  readonly goodTemplate: string;
  /** Whether the naive prompt should suffice (generic), lacks context (special), or the names are rare (fine-grained). */
  readonly kind: "generic" | "special" | "fine-grained";
  /** What a picture of a class shows. */
  latent(classIndex: number, random: Random): Latent;
  /** A picture of a class: uint8 RGB, [32, 32, 3]. */
  draw(classIndex: number, random: Random, shift?: Shift): Uint8Array;
};

const HELD_OUT = SHAPE_NAMES.flatMap((shape) =>
  COLOUR_NAMES.filter((colour) => isHeldOut(colour, shape)).map((colour) => ({ colour, shape })),
);
const allowHeldOut = true;

/** One classification problem per family of the world. */
export const TASKS: Readonly<Record<string, Task>> = Object.fromEntries(
  [
    task("objects", "generic", SHAPE_NAMES, "a photo of a {}.", SHAPE_NAMES, (shape, random) =>
      sampleLatent("object", random, { given: { shape }, allowHeldOut }),
    ),
    task(
      "compound",
      "generic",
      HELD_OUT,
      "a photo of a {}.",
      HELD_OUT.map(({ colour, shape }) => `${colour} ${shape}`),
      (pair, random) => sampleLatent("object", random, { given: { ...pair, texture: null }, allowHeldOut }),
    ),
    task("colours", "generic", COLOUR_NAMES, "a photo of a {} ball.", COLOUR_NAMES, (colour, random) =>
      sampleLatent("object", random, { given: { colour, texture: null }, allowHeldOut }),
    ),
    task(
      "textures",
      "special",
      TEXTURE_NAMES,
      "{} texture.",
      TEXTURE_NAMES.map((texture) => TEXTURES[texture].synonym),
      (texture, random) => sampleLatent("texture", random, { given: { texture } }),
    ),
    task(
      "above",
      "special",
      PLACE_NAMES,
      "a centered satellite photo of {}.",
      PLACE_NAMES.map((place) => PLACES[place].synonym),
      (place, random) => sampleLatent("above", random, { given: { place } }),
    ),
    task("scenes", "generic", PLACE_NAMES, "a photo of a {}.", PLACE_NAMES, (place, random) =>
      sampleLatent("scene", random, { given: { place } }),
    ),
    task(
      "flowers",
      "fine-grained",
      FLOWER_NAMES,
      "a photo of a {}, a type of flower.",
      FLOWER_NAMES,
      (flower, random) => sampleLatent("flower", random, { given: { flower } }),
    ),
    task("cars", "fine-grained", CAR_NAMES, "a photo of a {}, a type of car.", CAR_NAMES, (car, random) =>
      sampleLatent("car", random, { given: { car } }),
    ),
    task(
      "counts",
      "special",
      NUMBERS.slice(0, MAX_COUNT).map((_, i) => i + 1),
      "a picture with {} balls.",
      NUMBERS.slice(0, MAX_COUNT),
      (count, random) => sampleLatent("count", random, { given: { count }, allowHeldOut }),
    ),
    task("styles", "generic", STYLE_NAMES, "a {} of a star.", STYLE_NAMES, (style, random) =>
      sampleLatent("style", random, { given: { style }, allowHeldOut }),
    ),
    task("positions", "special", POSITION_NAMES, "a photo of a ball at the {}.", POSITION_NAMES, (position, random) =>
      sampleLatent("position", random, { given: { position }, allowHeldOut }),
    ),
    task("actions", "special", ACTION_NAMES, "a photo of a person {}.", ACTION_NAMES, (action, random) =>
      sampleLatent("action", random, { given: { action } }),
    ),
  ].map((entry) => [entry.name, entry]),
);

export type TaskPictures = { pixels: Uint8Array[]; labels: number[]; classNames: readonly string[] };

export type TaskPicturesOptions = {
  readonly perClass: number;
  readonly seed: number;
  /** The two splits never share a picture. */
  readonly split: "train" | "test";
  readonly shift?: ShiftName;
};

/**
 * `perClass` pictures of every class of a task, class by class. The i-th picture of a class depends on the task, the
 * class, the seed, the split and i alone; a shift changes how it is drawn, not what it shows.
 * @throws RangeError on an unknown task, a shift that does not apply to it, or a senseless `perClass`.
 */
export function taskPictures(taskName: string, options: TaskPicturesOptions): TaskPictures {
  const { perClass, seed, split, shift } = options;
  const names = Object.keys(TASKS);
  const number = names.indexOf(taskName);
  if (number < 0) throw new RangeError(`there is no task "${taskName}"; there are ${names.join(", ")}`);
  if (!Number.isInteger(perClass) || perClass < 1) {
    throw new RangeError(`perClass must be a whole number of pictures, at least 1, got ${perClass}`);
  }
  if (!Object.hasOwn(TASK_STREAM, split)) throw new RangeError(`split must be "train" or "test", got "${split}"`);
  if (shift !== undefined && !Object.hasOwn(SHIFTS, shift)) {
    throw new RangeError(`there is no shift "${shift}"; there are ${Object.keys(SHIFTS).join(", ")}`);
  }
  const { classNames, draw } = TASKS[taskName];
  const pixels: Uint8Array[] = [];
  const labels: number[] = [];
  for (let label = 0; label < classNames.length; label++) {
    for (let i = 0; i < perClass; i++) {
      const random = new Random(seed, TASK_STREAM[split], number, label, i);
      pixels.push(draw(label, random, shift && SHIFTS[shift]));
      labels.push(label);
    }
  }
  return { pixels, labels, classNames };
}

const TASK_STREAM = { train: 3, test: 4 };

function task<Key>(
  name: string,
  kind: Task["kind"],
  classes: readonly Key[],
  goodTemplate: string,
  classNames: readonly string[],
  sample: (key: Key, random: Random) => Latent,
): Task {
  const latent = (classIndex: number, random: Random): Latent => {
    if (!(classIndex in classes)) {
      throw new RangeError(`task "${name}" has the classes 0 to ${classes.length - 1}, not ${classIndex}`);
    }
    return sample(classes[classIndex], random);
  };
  const draw = (classIndex: number, random: Random, { style, ...disturbance }: Shift = {}): Uint8Array => {
    const shown = latent(classIndex, random);
    return drawPicture(style ? restyled(shown, style, name) : shown, random, disturbance);
  };
  return { name, kind, classNames, goodTemplate, latent, draw };
}

function restyled(latent: Latent, style: Style, taskName: string): Latent {
  if (latent.domain !== "object") {
    throw new RangeError(`pictures of task "${taskName}" cannot be drawn as ${style}: they do not show one object`);
  }
  const { texture: _, secondColour: __, ...painted } = latent;
  return { ...painted, domain: "style", style };
}
