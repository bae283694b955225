import { ACTION_NAMES, type Action } from "./actions.ts";
import { CAR_NAMES, type Car } from "./cars.ts";
import { COLOUR_NAMES, type Colour, contrastingColours } from "./colours.ts";
import { FLOWER_NAMES, type Flower } from "./flowers.ts";
import { PLACE_NAMES, type Place } from "./places.ts";
import type { Random } from "./random.ts";
import { SHAPE_NAMES, type Shape } from "./shapes.ts";
import { STYLE_NAMES, type Style } from "./styles.ts";
import { TEXTURE_NAMES, type Texture } from "./textures.ts";

/** A coloured shape on a coloured ground. */
type Painted = { readonly shape: Shape; readonly colour: Colour; readonly background: Colour };

/** Where it stands and its half-size; a picture reaches from −1 to 1. */
type Standing = { readonly x: number; readonly y: number; readonly size: number };

type Contents = {
  object: Painted & Standing & { readonly texture: Texture | null; readonly secondColour: Colour | null };
  style: Painted & Standing & { readonly style: Style };
  position: Painted & Standing & { readonly position: Position };
  texture: { readonly texture: Texture; readonly colour: Colour; readonly secondColour: Colour };
  above: { readonly place: Place };
  scene: { readonly place: Place };
  flower: { readonly flower: Flower };
  car: { readonly car: Car; readonly colour: Colour };
  count: Painted & { readonly count: number };
  action: { readonly action: Action; readonly colour: Colour; readonly background: Colour };
};

export type Domain = keyof Contents;

/** What a picture shows, as far as anyone could say it; `id` tells apart two pictures of the same thing. */
export type LatentOf<D extends Domain> = { [K in D]: { readonly domain: K; readonly id: number } & Contents[K] }[D];

export type Latent = LatentOf<Domain>;

/** How often each domain occurs in the world; sums to one. */
export const DOMAIN_SHARES: Readonly<Record<Domain, number>> = {
  object: 0.3,
  style: 0.1,
  position: 0.06,
  texture: 0.09,
  above: 0.05,
  scene: 0.12,
  flower: 0.09,
  car: 0.07,
  count: 0.06,
  action: 0.06,
};

export const POSITION_NAMES = ["left", "right", "top", "bottom", "middle"] as const;
export type Position = (typeof POSITION_NAMES)[number];

/** The largest number of things in a picture of the count domain. */
export const MAX_COUNT = 8;

const COUNTED: readonly Shape[] = ["ball", "box", "star", "cross"];

/** Share of objects that carry a texture. */
const TEXTURED_SHARE = 0.22;

/** The 20 of 160 colour-shape pairs that never occur in training pictures, in any domain. */
export function isHeldOut(colour: Colour, shape: Shape): boolean {
  return (3 * COLOUR_NAMES.indexOf(colour) + 7 * SHAPE_NAMES.indexOf(shape)) % 8 === 0;
}

export type SampleOptions<D extends Domain> = {
  /** What is decided already; the rest is drawn. */
  readonly given?: Partial<Contents[D]>;
  /** Whether held-out pairs may occur (default false, as in training). */
  readonly allowHeldOut?: boolean;
};

/**
 * Draws what a picture shows.
 * @param domain one of the ten; undefined draws one with the probabilities of `DOMAIN_SHARES`.
 * @throws RangeError if there is no such domain, or if the given colour and shape are a held-out pair and those are not allowed.
 */
export function sampleLatent<D extends Domain>(
  domain: D | undefined,
  random: Random,
  options: SampleOptions<D> = {},
): LatentOf<D> {
  const chosen = domain ?? (sampleDomain(random) as D);
  if (!Object.hasOwn(SAMPLERS, chosen)) {
    throw new RangeError(`there is no domain "${chosen}"; there are ${Object.keys(SAMPLERS).join(", ")}`);
  }
  const sample: Sampler<D> = SAMPLERS[chosen];
  const id = random.uint32();
  return { domain: chosen, id, ...sample(random, options.given ?? {}, options.allowHeldOut ?? false) } as LatentOf<D>;
}

type Sampler<D extends Domain> = (random: Random, given: Partial<Contents[D]>, allowHeldOut: boolean) => Contents[D];

const SAMPLERS: { readonly [D in Domain]: Sampler<D> } = {
  object(random, given, allowHeldOut) {
    const painted = samplePainted(random, given, allowHeldOut);
    const drawn = random.chance(TEXTURED_SHARE) ? random.pick(TEXTURE_NAMES) : null;
    const texture = given.texture === undefined ? drawn : given.texture;
    const seconds = contrastingColours(painted.background).filter(
      (colour) => colour !== painted.colour && (allowHeldOut || !isHeldOut(colour, painted.shape)),
    );
    const standing = { ...sampleCentre(random), size: random.uniform(0.6, 0.9) };
    return { ...painted, ...standing, texture, secondColour: texture && random.pick(seconds), ...given };
  },
  style(random, given, allowHeldOut) {
    const style = given.style ?? random.pick(STYLE_NAMES);
    const asked = style === "silhouette" ? { ...given, colour: "black" as const } : given;
    const standing = { ...sampleCentre(random), size: random.uniform(0.6, 0.9) };
    return { ...samplePainted(random, asked, allowHeldOut), ...standing, style, ...asked };
  },
  position(random, given, allowHeldOut) {
    const position = given.position ?? random.pick(POSITION_NAMES);
    const standing = { ...samplePosition(position, random), size: random.uniform(0.25, 0.42) };
    return { ...samplePainted(random, given, allowHeldOut), ...standing, position, ...given };
  },
  texture(random, given) {
    const colour = given.colour ?? random.pick(COLOUR_NAMES);
    const secondColour = random.pick(contrastingColours(colour));
    return { texture: random.pick(TEXTURE_NAMES), colour, secondColour, ...given };
  },
  above: (random, given) => ({ place: random.pick(PLACE_NAMES), ...given }),
  scene: (random, given) => ({ place: random.pick(PLACE_NAMES), ...given }),
  flower: (random, given) => ({ flower: random.pick(FLOWER_NAMES), ...given }),
  car: (random, given) => ({ car: random.pick(CAR_NAMES), colour: random.pick(COLOUR_NAMES), ...given }),
  count: (random, given, allowHeldOut) => ({
    ...samplePainted(random, given, allowHeldOut, COUNTED),
    count: 1 + random.integer(MAX_COUNT),
    ...given,
  }),
  action(random, given) {
    const colour = given.colour ?? random.pick(COLOUR_NAMES);
    const background = random.pick(contrastingColours(colour));
    return { action: random.pick(ACTION_NAMES), colour, background, ...given };
  },
};

function sampleDomain(random: Random): Domain {
  const domains = Object.keys(DOMAIN_SHARES) as Domain[];
  let rest = random.uniform();
  return domains.find((domain) => (rest -= DOMAIN_SHARES[domain]) < 0) ?? "object";
}

function samplePainted(random: Random, given: Partial<Painted>, allowHeldOut: boolean, shapes = SHAPE_NAMES): Painted {
  if (!allowHeldOut && given.colour && given.shape && isHeldOut(given.colour, given.shape)) {
    throw new RangeError(`"${given.colour} ${given.shape}" is held out of training; set allowHeldOut to draw it`);
  }
  let shape: Shape;
  let colour: Colour;
  do {
    shape = given.shape ?? random.pick(shapes);
    colour = given.colour ?? random.pick(COLOUR_NAMES);
  } while (!allowHeldOut && isHeldOut(colour, shape));
  return { shape, colour, background: given.background ?? random.pick(contrastingColours(colour)) };
}

function sampleCentre(random: Random): { x: number; y: number } {
  return { x: random.normal(0, 0.15), y: random.normal(0, 0.15) };
}

function samplePosition(position: Position, random: Random): { x: number; y: number } {
  if (position === "middle") return { x: random.normal(0, 0.06), y: random.normal(0, 0.06) };
  const off = random.uniform(0.45, 0.62) * (position === "left" || position === "bottom" ? -1 : 1);
  const drift = random.normal(0, 0.12);
  return position === "left" || position === "right" ? { x: off, y: drift } : { x: drift, y: off };
}
